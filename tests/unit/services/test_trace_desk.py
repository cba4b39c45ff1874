"""The Traces page's questions, with a scripted model."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes import LetterTokenizer, NumberTokenizer, ScriptedModel, hashed_script, tiny_llama

from explorer import generate, write_traces
from explorer.core.errors import (
    ExplorerError,
    InvalidParams,
    ModelUnavailable,
    NotCapable,
    TraceFormatError,
)
from explorer.core.kv_cache import KVBatch
from explorer.core.models import HFModel
from explorer.core.trace_limits import UPLOAD
from explorer.core.types import Trace
from explorer.services.jobs import Job, Work
from explorer.services.tab_store import MOST_TABS
from explorer.services.traces.desk import MOST_TRACES, TraceDesk
from explorer.services.verify.files import verify_traces

SPECS = ["greedy", "nucleus:p=0.9", "temperature:temperature=1.5"]


class Models:
    """One scripted model; `lost` where it cannot be had."""

    def __init__(self) -> None:
        self.model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
        self.lost = False
        self.is_ready = True
        self.asked: list[str] = []

    def names(self) -> list[str]:
        return ["scripted"]

    def get(self, name: str) -> ScriptedModel:
        self.asked.append(name)
        if self.lost:
            raise ModelUnavailable(f"The model '{name}' is not offered here.", "Choose another.")
        return self.model

    def ready(self, name: str) -> ScriptedModel | None:
        is_ours = name in ("scripted", "typed")
        return self.model if is_ours and self.is_ready and not self.lost else None


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def traces(models: Models) -> list[Trace]:
    return list(generate(models.model, "abc", decoders=SPECS, max_new_tokens=12, seed=5))


@pytest.fixture
def desk(models: Models, traces: list[Trace]) -> TraceDesk:
    """The latest run of "tab" is there to be taken; nothing is on the page."""
    latest = {"tab": traces}
    return TraceDesk(
        models, threading.BoundedSemaphore(2), {"compare": lambda key: latest.get(key, ())}
    )


def ask(desk: TraceDesk, kind: str, **fields: Any) -> dict[str, Any]:
    return desk.answer("tab", {"ask": kind, **fields})


def finished(desk: TraceDesk, job: dict[str, Any]) -> dict[str, Any]:
    for _ in range(600):
        found = ask(desk, "job", job=job["job"])
        if found["done"]:
            return found
        time.sleep(0.01)
    raise AssertionError("the job never ends")


def ids(state: dict[str, Any]) -> list[str]:
    return [branch["id"] for branch in state["branches"]]


def test_a_run_is_taken_and_shown(desk) -> None:
    state = ask(desk, "take")
    assert ids(state) == state["shown"] == ["b1", "b2", "b3"]
    header = json.loads(state["ndjson"].splitlines()[0])
    assert len(header["lanes"]) == 3
    with pytest.raises(NotCapable, match="no run"):
        desk.answer("other", {"ask": "take"})


def test_a_file_is_opened_and_undo_brings_back_what_was_there(desk, traces, tmp_path) -> None:
    ask(desk, "take")
    path = tmp_path / "one.jsonl"
    write_traces(path, traces[:1])
    desk.open_file("tab", path)
    assert ids(ask(desk, "state")) == ["b4"]
    assert ask(desk, "state")["name"] == "one.jsonl"
    assert ids(ask(desk, "undo")) == ["b1", "b2", "b3"]
    assert ids(ask(desk, "redo")) == ["b4"]


def test_a_saved_tree_opens_as_the_same_tree(desk, tmp_path) -> None:
    ask(desk, "take")
    finished(desk, ask(desk, "fork", branch="b2", at=4, token=7, tokens=6))
    ask(desk, "rename", branch="b4", text="the calm one")
    before = ask(desk, "annotate", branch="b4", text="look here")
    path = tmp_path / "tree.jsonl"
    write_traces(path, desk.traces("tab"))
    desk.open_file("tab", path)
    after = ask(desk, "state")
    assert ids(after) == ["b5", "b6", "b7", "b8"]
    last = after["branches"][-1]
    assert (last["parent"], last["at"], last["name"]) == ("b6", 4, "the calm one")
    assert last["note"] == "look here"
    texts = [[b["text"] for b in state["branches"]] for state in (before, after)]
    assert texts[0] == texts[1]


def test_traces_that_are_no_tree_stand_side_by_side(desk, tmp_path) -> None:
    ask(desk, "take")
    one, two, *_ = desk.traces("tab")
    path = tmp_path / "odd.jsonl"
    write_traces(path, [one, replace(two, branch=replace(two.branch, parent="b1", at=11))])
    with pytest.raises(TraceFormatError, match="'b2' does not fit its tree"):
        desk.open_file("tab", path)
    assert [b["parent"] for b in ask(desk, "state")["branches"]] == [None, None]


def test_what_is_whole_of_a_broken_file_is_shown(desk, traces, tmp_path) -> None:
    path = tmp_path / "cut.jsonl"
    write_traces(path, traces)
    path.write_text(path.read_text("utf-8")[:-200], "utf-8")
    with pytest.raises(ExplorerError, match="line 3"):
        desk.open_file("tab", path)
    assert len(ids(ask(desk, "state"))) == 2
    empty = tmp_path / "empty.jsonl"
    empty.write_text("", "utf-8")
    with pytest.raises(ExplorerError):
        desk.open_file("tab", empty)


def test_a_file_of_many_traces_is_bounded(desk, traces, tmp_path) -> None:
    path = tmp_path / "many.jsonl"
    write_traces(path, [traces[0]] * (MOST_TRACES + 3))
    with pytest.raises(InvalidParams, match=f"more than {MOST_TRACES}"):
        desk.open_file("tab", path)
    state = ask(desk, "state")
    assert len(state["branches"]) == MOST_TRACES
    assert len(state["shown"]) == 8


def test_long_lanes_are_shown_as_far_as_a_browser_bears(desk, monkeypatch, tmp_path) -> None:
    whole = ask(desk, "take")
    monkeypatch.setattr("explorer.services.traces.tabs.MOST_SHOWN_TOKENS", 15)
    state = ask(desk, "state")
    lines = [json.loads(line) for line in state["ndjson"].splitlines()]
    assert [sum(line.get("l") == k and "t" in line for line in lines) for k in range(3)] == [5] * 3
    assert all("the first 5 tokens" in lane["title"] for lane in lines[0]["lanes"])
    assert not any("loops" in line for line in lines)
    assert [b["tokens"] for b in state["branches"]] == [b["tokens"] for b in whole["branches"]]
    assert [len(trace.steps) for trace in desk.traces("tab")] == [12, 12, 12]
    assert desk.shown_lines("tab") == state["ndjson"]
    ask(desk, "show", branches=["b1"])
    assert "the first" not in ask(desk, "state")["ndjson"]


def test_a_stranger_s_file_is_counted_before_it_is_parsed(desk, traces, tmp_path) -> None:
    path = tmp_path / "large.jsonl"
    write_traces(path, [replace(traces[0], text="x" * (UPLOAD.string_bytes + 1))])
    with pytest.raises(TraceFormatError, match="holds a text of"):
        desk.open_file("tab", path)


def test_what_undo_keeps_is_bounded(desk, traces, monkeypatch) -> None:
    monkeypatch.setattr("explorer.services.traces.tabs.MOST_KEPT_TOKENS", 80)
    for _ in range(6):  # of 36 tokens each
        desk.put("tab", [replace(trace) for trace in traces], "again")
    assert ids(ask(desk, "undo"))
    assert not ask(desk, "state")["can_undo"]


def test_a_fork_that_would_fill_the_memory_is_refused(desk, monkeypatch) -> None:
    monkeypatch.setattr("explorer.services.traces.tabs.MOST_KEPT_TOKENS", 60)
    ask(desk, "take")
    with pytest.raises(NotCapable, match="prune"):
        ask(desk, "fork", branch="b1", at=5, count=1, tokens=20)


def test_a_branch_that_stays_counts_once_for_undo(desk, monkeypatch) -> None:
    monkeypatch.setattr("explorer.services.traces.tabs.MOST_KEPT_TOKENS", 40)
    ask(desk, "take")
    for name in "abcdef":
        state = ask(desk, "rename", branch="b1", text=name)
    for _ in range(6):
        assert state["can_undo"]
        state = ask(desk, "undo")


def test_a_fork_with_a_token_stands_beside_its_parent_and_can_be_proven(desk, models) -> None:
    state = ask(desk, "take")
    token = int(json.loads(state["ndjson"].splitlines()[1])["a"][3][0])
    made = finished(desk, ask(desk, "fork", branch="b2", at=4, token=token, tokens=6))
    assert made["shown"][:2] == ["b2", "b4"]
    parent, fork = desk.traces("tab")[1], desk.traces("tab")[3]
    assert fork.token_ids[:4] == parent.token_ids[:4]
    assert fork.token_ids[4] == token
    assert len(fork.steps) <= 4 + 6
    assert all(found.agrees for found in verify_traces([fork], models.model))


def test_many_continuations_and_typed_text(desk) -> None:
    ask(desk, "take")
    made = finished(
        desk, ask(desk, "fork", branch="b1", at=2, count=4, decoder="temperature", tokens=5)
    )
    assert len(made["branches"]) == 7
    said = finished(desk, ask(desk, "fork", branch="b1", at=2, text="cab", tokens=5))
    assert said["branches"][-1]["text"][2:].startswith("cab")


def test_forks_of_a_tab_read_a_shared_prefix_once(monkeypatch) -> None:
    read: list[int] = []

    class Spy(KVBatch):
        def _answer(self, token_ids, keep):
            read.append(sum(map(len, token_ids)))
            return super()._answer(token_ids, keep)

    monkeypatch.setattr("explorer.core.models.KVBatch", Spy)
    models = Models()
    models.model = HFModel.from_parts(tiny_llama(), NumberTokenizer())
    (trace,) = generate(models.model, list(range(1, 61)), ["ancestral"], max_new_tokens=20)
    trace = replace(trace, model=replace(trace.model, id="scripted"))
    desk = TraceDesk(models, threading.BoundedSemaphore(2), {"compare": lambda _: [trace]})
    ask(desk, "take")
    news = []
    for at in (15, 15, 6):
        read.clear()
        finished(desk, ask(desk, "fork", branch="b1", at=at, token=9, tokens=4))
        news.append(sum(read))
    assert news == [75 + 3, 3, 1 + 3]


def test_a_fork_ends_when_told_to_and_keeps_what_it_made(desk, models) -> None:
    slow = models.model.script

    def script(history: Any) -> Any:
        time.sleep(0.02)
        return slow(history)

    ask(desk, "take")
    models.model.script = script
    job = ask(desk, "fork", branch="b1", at=1, tokens=400)
    with pytest.raises(NotCapable, match="under way"):
        ask(desk, "verify")
    ask(desk, "job", job=job["job"], stop=True)
    made = finished(desk, job)
    assert made["stopped"]
    assert made["branches"][-1]["stop_reason"] == "cancelled"


def test_verify_finds_agreement_and_forgery(desk, traces) -> None:
    ask(desk, "take")
    state = finished(desk, ask(desk, "verify"))
    assert [b["finding"]["mismatch"] for b in state["branches"]] == [None] * 3
    forged = replace(traces[0], seed=traces[0].seed + 1, decoder=traces[1].decoder)
    desk.put("tab", [forged], "forged")
    state = finished(desk, ask(desk, "verify"))
    assert state["branches"][0]["finding"]["mismatch"]["sentence"]


def test_a_model_that_cannot_be_had_is_said(desk, models) -> None:
    ask(desk, "take")
    models.lost = True
    job = ask(desk, "verify")
    with pytest.raises(ModelUnavailable, match="not offered"):
        finished(desk, job)


def named(trace: Trace, name: str) -> Trace:
    return replace(trace, model=replace(trace.model, id=name))


def test_a_file_makes_the_page_load_no_model_of_its_own_choosing(desk, models, traces) -> None:
    desk.put("tab", [named(traces[0], "/srv/secret")], "a stranger's")
    for question in ({"ask": "verify"}, {"ask": "fork", "branch": "b1", "at": 1}):
        job = desk.answer("tab", question)
        with pytest.raises(ModelUnavailable, match=r"/srv/secret.*not loaded for a file"):
            finished(desk, job)
    assert models.asked == []


def test_a_model_that_somebody_has_loaded_may_be_named_by_a_file(desk, traces) -> None:
    desk.put("tab", [named(traces[0], "typed")], "mine")
    state = finished(desk, ask(desk, "fork", branch="b1", at=1))
    assert len(state["branches"]) == 2


def test_a_fork_s_method_names_no_model_that_is_not_offered(desk, models, tmp_path) -> None:
    ask(desk, "take")
    spec = f'contrastive_decoding:amateur="{tmp_path}"+greedy'
    job = ask(desk, "fork", branch="b1", at=1, decoder=spec)
    with pytest.raises(ModelUnavailable, match="not loaded for a file"):
        finished(desk, job)
    assert models.asked == []


def test_the_work_of_a_tab_that_is_given_up_ends(desk, models) -> None:
    ask(desk, "take")
    ask(desk, "verify")
    work = desk._tabs["tab"].job
    for other in range(MOST_TABS):
        desk.answer(str(other), {"ask": "state"})
    assert work.cancel.is_set()


def test_work_under_way_is_part_of_the_state(desk, models, monkeypatch) -> None:
    ask(desk, "take")
    held = threading.Event()
    monkeypatch.setattr(models, "get", lambda name: held.wait(10) and models.model)
    monkeypatch.setattr(models, "ready", lambda name: None)
    job = ask(desk, "verify")
    assert ask(desk, "state")["work"]["job"] == job["job"]
    held.set()
    assert finished(desk, job)["job"] == job["job"]
    assert ask(desk, "state")["work"] is None


def test_the_end_of_work_is_never_told_without_what_it_made(desk, monkeypatch) -> None:
    def at_once(job: Job, work: Work) -> Job:
        job._run(work)
        return job

    monkeypatch.setattr(Job, "start", at_once)
    ask(desk, "take")
    job = ask(desk, "verify")
    assert not job["done"]
    found = ask(desk, "job", job=job["job"], stop=True)
    assert found["done"]
    assert not found["stopped"]
    assert len(found["branches"]) == 3


def test_lanes_part_exactly_with_the_model_and_within_bounds_without(desk, models) -> None:
    ask(desk, "take")
    exact = ask(desk, "part", one="b1", other="b2")["parting"]
    models.is_ready = False
    bounds = ask(desk, "part", one="b1", other="b2")["parting"]
    assert exact["exact"]
    assert not bounds["exact"]
    assert exact["index"] == bounds["index"]
    low, high = bounds["js"]
    assert low - 1e-6 <= exact["js"][0] <= high + 1e-6
    assert ask(desk, "part", one="b1", other="b1")["parting"] is None


def test_stages_are_bounded_without_the_model(desk, models) -> None:
    ask(desk, "take")
    exact = ask(desk, "stages", branch="b2", index=3, order=[])
    models.is_ready = False
    assert exact["exact"]
    assert not ask(desk, "stages", branch="b2", index=3, order=[])["exact"]


def test_names_notes_and_pruning(desk) -> None:
    ask(desk, "take")
    assert ask(desk, "rename", branch="b1", text="plain")["branches"][0]["name"] == "plain"
    assert ask(desk, "annotate", branch="b1", text="note")["branches"][0]["note"] == "note"
    finished(desk, ask(desk, "fork", branch="b1", at=3, tokens=3))
    state = ask(desk, "prune", branch="b1")
    assert ids(state) == ["b2", "b3"]
    assert set(state["shown"]) <= {"b2", "b3"}


def test_only_lanes_of_one_run_stand_beside_each_other(desk, models, traces) -> None:
    other = generate(models.model, "cab", decoders=["greedy"], max_new_tokens=4)
    desk.put("tab", [*traces, *other], "two runs")
    assert ask(desk, "state")["shown"] == ["b1", "b2", "b3"]
    with pytest.raises(InvalidParams, match="different prompts"):
        ask(desk, "show", branches=["b1", "b4"])
    assert ask(desk, "run", branch="b4")["shown"] == ["b4"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ask": "dance"}, "no question"),
        ({"ask": ["state"]}, "no question"),
        ({"ask": "fork", "branch": "b9", "at": 0}, "no branch"),
        ({"ask": "fork", "branch": "b1", "at": 99}, "at"),
        ({"ask": "fork", "branch": "b1", "at": 1, "count": 50}, "count"),
        ({"ask": "fork", "branch": "b1", "at": 1, "decoder": "nuclius"}, "nucleus"),
        ({"ask": "show", "branches": "b1"}, "branches"),
        ({"ask": "show", "branches": ["b1"] * 9}, "9 lanes"),
        ({"ask": "rename", "branch": "b1", "text": "x" * 500}, "too long"),
        ({"ask": "part", "one": "b1", "other": "b7"}, "no branch"),
        ({"ask": "stages", "branch": "b1", "index": 99, "order": []}, "index"),
        ({"ask": "stages", "branch": "b1", "index": 1, "order": "a"}, "order"),
        ({"ask": "job", "job": "none"}, "not kept"),
    ],
)
def test_questions_that_cannot_be_answered_are_refused_in_words(desk, fields, words) -> None:
    ask(desk, "take")
    with pytest.raises(ExplorerError, match=words):
        desk.answer("tab", fields)


def test_an_empty_page_has_nothing_to_verify_or_save(desk, tmp_path: Path) -> None:
    for act in (lambda: ask(desk, "verify"), lambda: desk.traces("tab")):
        with pytest.raises(NotCapable, match="nothing"):
            act()
    assert ask(desk, "state")["ndjson"] == ""
    desk.forget("tab")
