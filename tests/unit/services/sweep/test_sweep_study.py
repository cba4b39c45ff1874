"""A sweep from plan to folder: goes on after a kill, errors by cell, bounded memory."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

import explorer
from explorer.core.errors import InvalidParams, ModelUnavailable, NotCapable
from explorer.core.types import Trace
from explorer.services.sweep import working
from explorer.services.sweep.cells import Unit
from explorer.services.sweep.engines import LocalEngine
from explorer.services.sweep.folder import SweepFolder
from explorer.services.sweep.plan import make_plan, read_plan
from explorer.services.sweep.study import Study, Watch
from explorer.services.sweep.working import Made

ROOT = Path(explorer.__file__).parent.parent
VOCAB = LetterTokenizer().vocab_size
PLAN = {
    "models": ["scripted"],
    "decoders": ["greedy", "temperature:temperature=0.7|1+nucleus:p=0.8|0.95"],
    "prompts": ["abc", "bcd", "cde"],
    "seeds": 2,
    "max_new_tokens": 12,
}


def study(folder: Path, **changes) -> Study:
    plan, prompts = make_plan(PLAN | changes, "p.toml", None)
    return Study(plan, prompts, folder, digest=lambda name: f"sha256:{name}")


def scripted(name: str = "") -> ScriptedModel:
    return ScriptedModel(hashed_script(VOCAB))


class Spy:
    """An engine that remembers what it was handed."""

    def __init__(self, engine: LocalEngine | None = None, stop_after: int | None = None) -> None:
        self.engine, self.stop_after = engine or LocalEngine(scripted), stop_after
        self.keys: list[str] = []

    def run(self, work: Iterable[Unit]) -> Iterator[tuple[Unit, Made]]:
        for number, (unit, made) in enumerate(self.engine.run(work)):
            if number == self.stop_after:
                raise KeyboardInterrupt
            self.keys += [cell.key for _, cell in unit.cells]
            yield unit, made


def tables(folder: Path) -> tuple[list, list]:
    """Every cell, and every row of every trace under its cell's key."""
    cells = pq.read_table(folder / "metrics.parquet").to_pylist()
    traces = {p.name: pq.read_table(p).to_pylist() for p in (folder / "traces").glob("*.parquet")}
    rows = [
        (cell["key"], {k: v for k, v in row.items() if k != "trace"})
        for cell in cells
        if cell["error"] is None
        for row in traces[cell["file"]]
        if row["trace"] == cell["trace"]
    ]
    return cells, rows


def test_a_folder_holds_a_row_a_cell_and_a_row_a_token(tmp_path) -> None:
    told: list[tuple[int, int]] = []
    watch = Watch(lambda *x: told.append(x), lambda *x: told.append(x))
    summary = study(tmp_path / "s").run(LocalEngine(scripted), watch)
    cells, rows = tables(tmp_path / "s")
    assert len(cells) == summary.cells == 3 * (5 + 4)
    assert told[0] == (27, 0)
    assert sum(done for done, _ in told[1:]) == 27
    assert len(rows) == sum(cell["tokens"] for cell in cells)
    assert {(c["decoder"], c["prompt"], c["seed"]) for c in cells} == {
        (c["decoder"], c["prompt"], c["seed"]) for c in cells if len(c["key"]) == 32
    }
    greedy, cut = summary.groups[0], summary.groups[2]
    assert (greedy.runs, greedy.prompts, cut.runs, cut.prompts) == (3, 3, 6, 3)
    assert cut.params == {"temperature": 0.7, "nucleus.p": 0.95}
    figure = cut.figures["perplexity"]
    own = [c for c in cells if c["decoder"] == cut.decoder]
    by_prompt = [[c["perplexity"] for c in own if c["prompt"] == k] for k in range(3)]
    assert figure.n == 3  # seeds of one prompt are no further prompts
    assert figure.value == pytest.approx(sum(sum(v) / 2 for v in by_prompt) / 3)
    assert cut.figures["loop_rate"].n == 6


def test_a_second_run_of_the_same_plan_runs_nothing(tmp_path) -> None:
    first = study(tmp_path / "s").run(LocalEngine(scripted))
    spy = Spy()
    assert study(tmp_path / "s").run(spy).as_data() == first.as_data()
    assert spy.keys == []
    more = Spy()
    grown = study(tmp_path / "s", seeds=3, prompts=["abc", "bcd", "cde", "abe"]).run(more)
    assert grown.cells == 4 * (5 + 2 * 4)
    assert len(more.keys) == len(set(more.keys)) == grown.cells - 27


def test_ctrl_c_leaves_a_folder_that_goes_on(tmp_path) -> None:
    whole = Spy()
    study(tmp_path / "whole").run(whole)
    first, second = Spy(stop_after=2), Spy()
    with pytest.raises(KeyboardInterrupt):
        study(tmp_path / "cut").run(first)
    study(tmp_path / "cut").run(second)
    assert first.keys + second.keys == whole.keys
    assert tables(tmp_path / "cut") == tables(tmp_path / "whole")


SMALL = {
    "models": ["tiny"],
    "decoders": ["greedy", "nucleus:p=0.5|0.9", "beam:width=3"],
    "prompts": {"bundled": "loops", "first": 4},
    "seeds": 2,
    "lanes": 2,
    "max_new_tokens": 12,
}
SMALL_TOML = """
models = ["tiny"]
decoders = ["greedy", "nucleus:p=0.5|0.9", "beam:width=3"]
prompts = { bundled = "loops", first = 4 }
seeds = 2
lanes = 2
max_new_tokens = 12
"""
KILLED = """
import sys
from pathlib import Path
from explorer.services.sweep.engines import LocalEngine
from explorer.services.sweep.plan import read_plan
from explorer.services.sweep.study import Study
plan, prompts = read_plan(Path(sys.argv[1]))
Study(plan, prompts, Path(sys.argv[2])).run(LocalEngine())
"""


def test_after_kill_9_it_goes_on_row_for_row_and_nothing_runs_twice(tmp_path) -> None:
    path, cut = tmp_path / "p.toml", tmp_path / "cut"
    path.write_text(SMALL_TOML)
    plan, prompts = make_plan(SMALL, "p.toml", None)
    assert read_plan(path) == (plan, prompts)
    worker = subprocess.Popen([sys.executable, "-c", KILLED, str(path), str(cut)], cwd=ROOT)
    records = cut / "cells"
    deadline = time.monotonic() + 120
    while len(list(records.glob("*.json"))) < 3:
        assert worker.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    # what a kill between two writes leaves: a table without its record, and a file half-written
    (cut / "traces" / f"{'0' * 32}.parquet").write_bytes(b"half")
    (records / ".x.json.abcd").write_text("{")
    finished = {
        row["key"]: row
        for p in records.glob("*.json")
        for row in json.loads(p.read_text())["cells"]
    }
    dates = {p: p.stat().st_mtime_ns for p in records.glob("*.json")}
    assert 0 < len(finished) < 4 * 6

    whole, rest = Spy(LocalEngine()), Spy(LocalEngine())
    summary = Study(plan, prompts, tmp_path / "whole").run(whole)
    assert Study(plan, prompts, cut).run(rest).as_data() == summary.as_data()
    assert set(rest.keys).isdisjoint(finished)
    assert sorted([*rest.keys, *finished]) == sorted(whole.keys)
    assert {p: p.stat().st_mtime_ns for p in dates} == dates
    assert tables(cut) == tables(tmp_path / "whole")
    assert not list(cut.rglob(".*.*"))


def test_a_cell_that_fails_is_told_and_stops_no_other(tmp_path) -> None:
    def load(name: str) -> ScriptedModel:
        if name == "absent":
            raise ModelUnavailable("There is no 'absent'.", "Choose another.")
        return ScriptedModel(hashed_script(VOCAB), context_length=16)

    refused = "a" * 14
    mine = study(tmp_path / "s", models=["scripted", "absent"], prompts=["abc", refused])
    summary = mine.run(LocalEngine(load))
    assert summary.cells == 2 * 2 * 9
    assert summary.failed == 9 + 18
    assert summary.errors["There is no 'absent'. Choose another."] == 18
    (long,) = [reason for reason in summary.errors if "absent" not in reason]
    assert "16" in long  # what the context holds
    assert [group.failed for group in summary.groups[:5]] == [1, 2, 2, 2, 2]
    spy = Spy(LocalEngine(scripted))
    assert mine.run(spy).failed == 27
    assert spy.keys == []  # a failure is a result: it is not tried again unasked
    assert mine.run(spy, retry=True).failed == 0
    assert len(spy.keys) == 27
    assert mine.run(spy).failed == 0


def test_one_spec_that_cannot_run_leaves_its_neighbours_theirs(tmp_path) -> None:
    mine = study(tmp_path / "s", decoders=["greedy", "contrastive_decoding:amateur=x", "nucleus"])

    def load(name: str) -> ScriptedModel:
        if name == "x":
            raise RuntimeError("no such luck")
        return scripted()

    summary = mine.run(LocalEngine(load))
    assert [(g.runs, g.failed) for g in summary.groups] == [(3, 0), (0, 6), (6, 0)]
    assert summary.errors == {"RuntimeError: no such luck": 6}
    assert summary.groups[1].figures["loop_rate"] is None


def test_a_lane_whose_numbers_fail_has_no_trace_and_its_neighbours_have(tmp_path) -> None:
    def broken(history) -> list[float]:
        # greedy walks a, b, c, d and meets a law of NaN; a lane of one letter does not
        logits = [0.0] * VOCAB
        logits[(history[-1] + 1) % VOCAB or 1] = 9.0
        return [float("nan")] * VOCAB if history[-1] == 5 else logits

    specs = ["greedy", 'forced:begin="zzzzzzzzzzzz"']
    mine = study(tmp_path / "s", decoders=specs, prompts=["a"])
    summary = mine.run(LocalEngine(lambda name: ScriptedModel(broken)))
    assert [(g.runs, g.failed) for g in summary.groups] == [(0, 1), (2, 0)]
    assert "NaN" in next(iter(summary.errors))
    assert len(tables(tmp_path / "s")[1]) == 24


def test_no_trace_is_held_once_its_file_is_written(tmp_path, monkeypatch) -> None:
    alive: weakref.WeakSet[Trace] = weakref.WeakSet()
    most = 0
    held = working._figures

    class Watched(Trace):
        __slots__ = ("__weakref__",)
        __hash__ = object.__hash__

    def counted(trace: Trace) -> dict:
        nonlocal most
        alive.add(trace)
        most = max(most, len(alive))
        return held(trace)

    class Run(working._SweepRun):
        def traces(self) -> tuple[Trace, ...]:
            names = list(Trace.__dataclass_fields__)
            return tuple(Watched(*(getattr(t, f) for f in names)) for t in super().traces())

    monkeypatch.setattr(working, "_SweepRun", Run)
    monkeypatch.setattr(working, "_figures", counted)
    prompts = [a + b + c for a in "abcd" for b in "efgh" for c in "ijk"]
    summary = study(tmp_path / "s", prompts=prompts, max_new_tokens=4).run(LocalEngine(scripted))
    gc.collect()
    assert summary.cells == 48 * 9
    assert 5 <= most <= 10  # two runs of at most five lanes: one that is made, one that is let go
    assert len(alive) <= 5


def test_models_are_in_memory_one_at_a_time(tmp_path) -> None:
    alive: weakref.WeakSet[ScriptedModel] = weakref.WeakSet()
    loads: list[tuple[str, int]] = []

    def load(name: str) -> ScriptedModel:
        gc.collect()
        loads.append((name, len(alive)))
        alive.add(model := scripted())
        return model

    study(tmp_path / "s", models=["one", "two", "three"]).run(LocalEngine(load))
    assert loads == [("one", 0), ("two", 0), ("three", 0)]


def test_a_folder_of_other_things_is_refused_and_two_sweeps_do_not_share_one(tmp_path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(InvalidParams, match="holds other things than a sweep"):
        study(tmp_path).run(LocalEngine(scripted))
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidParams, match="cannot be written"):
        study(tmp_path / "file").run(LocalEngine(scripted))
    mine = study(tmp_path / "s")
    with (
        SweepFolder(tmp_path / "s").opened(mine.plan),
        pytest.raises(NotCapable, match="Another sweep writes"),
    ):
        mine.run(LocalEngine(scripted))


def test_a_damaged_record_is_told_by_its_name(tmp_path) -> None:
    mine = study(tmp_path / "s")
    mine.run(LocalEngine(scripted))
    record = next((tmp_path / "s" / "cells").glob("*.json"))
    record.write_text("{")
    with pytest.raises(InvalidParams, match=f"{record.name}' is no record of cells"):
        mine.run(LocalEngine(scripted))
    record.unlink()
    spy = Spy()
    assert mine.run(spy).cells == 27
    assert 4 <= len(spy.keys) <= 5


def test_several_runs_share_a_file_where_the_plan_says_so(tmp_path) -> None:
    study(tmp_path / "one").run(LocalEngine(scripted))
    study(tmp_path / "many", runs_per_file=4).run(LocalEngine(scripted))
    assert len(list((tmp_path / "one" / "traces").glob("*"))) == 6
    assert len(list((tmp_path / "many" / "traces").glob("*"))) == 2
    (cells, rows), (others, same) = tables(tmp_path / "one"), tables(tmp_path / "many")
    assert rows == same
    assert [c["key"] for c in cells] == [c["key"] for c in others]
