"""`sweep`: the table, the files, and exit status."""

from __future__ import annotations

import json
import re

import pyarrow.parquet as pq
import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.cli import main
from explorer.core.errors import NotCapable
from explorer.services.sweep import engines, ray_engine, study, working

PLAN = """
models = ["scripted"]
decoders = ["greedy", "temperature:temperature=0.5|1+nucleus:p=0.5|0.9"]
prompts = ["abc", "bcd"]
seeds = 2
max_new_tokens = 8
"""


@pytest.fixture(autouse=True)
def scripted(monkeypatch) -> None:
    model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
    monkeypatch.setattr(working, "load_model", lambda name: model)
    monkeypatch.setattr(study.loading, "fetch_model", _NoFiles)


class _NoFiles:
    def __init__(self, name: str) -> None:
        self.record = self
        self.digest = f"sha256:{name}"


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(PLAN)
    return path


def test_a_plan_becomes_a_table_a_report_and_files(plan, capsys) -> None:
    assert main(["sweep", str(plan)]) == 0
    printed = capsys.readouterr()
    header = printed.out.splitlines()[0]
    for words in ("loop rate (%)", "rep-4 (%)", "distinct-2 (%)", "mean entropy (bits)"):
        assert words in header
    (row,) = [x for x in printed.out.splitlines() if "temperature=0.5+nucleus:p=0.9 " in x]
    assert row.split()[1:3] == ["4", "0"]
    assert "Wilson's 95 % interval" in printed.out
    folder = plan.with_suffix("")
    assert f"wrote {folder / 'report.html'}" in printed.err
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "ExplorerResults.mountSweep(" in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=.http", page)
    assert pq.read_table(folder / "metrics.parquet").num_rows == 2 * (5 + 4)


def test_json_says_the_same_and_a_second_run_adds_nothing(plan, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert main(["sweep", str(plan), "--out", str(out), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["cells"], first["folder"], first["errors"]) == (18, str(out), [])
    assert first["groups"][0]["figures"]["perplexity"]["n"] == 2
    dates = {p: p.stat().st_mtime_ns for p in (out / "cells").iterdir()}
    assert main(["sweep", str(plan), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == first
    assert {p: p.stat().st_mtime_ns for p in (out / "cells").iterdir()} == dates


def test_a_failed_cell_is_told_and_the_command_ends_in_one(plan, capsys) -> None:
    plan.write_text(PLAN.replace('"abc"', f'"{"a" * 9000}"'))
    assert main(["sweep", str(plan)]) == 1
    told = capsys.readouterr()
    assert "explorer: 9 failed: " in told.err
    (row,) = [x for x in told.out.splitlines() if x.startswith("greedy ")]
    assert row.split()[1:3] == ["1", "1"]


def test_ctrl_c_says_how_to_go_on(plan, monkeypatch, capsys) -> None:
    class Stopped(working.Worker):
        def run(self, unit):
            if unit.batches[0].number:
                raise KeyboardInterrupt
            return super().run(unit)

    monkeypatch.setattr(engines, "Worker", Stopped)
    assert main(["sweep", str(plan)]) == 130
    assert "the same command goes on in" in capsys.readouterr().err
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--out", "/dev/null"], "'/dev/null' cannot be written"),
        (["--workers", "-1"], "--workers must be at least 0"),
        (["--engine", "spark"], "invalid choice: 'spark'"),
    ],
)
def test_bad_input_is_one_line(plan, capsys, more, said) -> None:
    assert main(["sweep", str(plan), *more]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_a_missing_plan_and_a_missing_ray_are_one_line(plan, monkeypatch, capsys) -> None:
    assert main(["sweep", str(plan.with_name("absent.toml"))]) == 2
    assert "absent.toml' cannot be read: No such file" in capsys.readouterr().err

    def missing() -> None:
        raise NotCapable("The engine 'ray' needs Ray, which is not installed.", "Take 'local'.")

    monkeypatch.setattr(ray_engine, "ray_module", missing)
    assert main(["sweep", str(plan), "--engine", "ray"]) == 2
    assert "needs Ray, which is not installed" in capsys.readouterr().err
    assert not plan.with_suffix("").exists()
