"""The tree of a lane of several rows, as the page is told of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.services import wire_run
from explorer.services.generation import Run, RunOptions
from explorer.services.wire_run import WireRun, closed_lines

VOCAB = LetterTokenizer().vocab_size
WIDE = ("beam:width=4", "diverse_beam", "stochastic_beam", "best_of_n:n=3", "power_smc")


def told(spec: str, tokens: int = 10, every: int = 1) -> tuple[Run, list[dict[str, Any]], str]:
    """A run, its tree lines, and its saved page's lines."""
    model = ScriptedModel(hashed_script(VOCAB, end=1.5))
    run = Run(model, "abc", [spec], RunOptions(max_new_tokens=tokens, seed=3))
    wire = WireRun(run)
    lines = wire.header()
    for column in run.columns():
        if column.index % every == 0:
            lines += wire.news(metrics=False)
    lines += wire.last(1.0)
    entries = [json.loads(x) for x in lines.splitlines()]
    assert entries[0]["lanes"][0]["rows"] == run.chains[0].build().width
    saved = closed_lines(run, wire.header(), run.traces(), "")
    return run, [x["tree"] for x in entries if "tree" in x], saved


def whole(trees: list[dict[str, Any]]) -> dict[tuple[int, int], list[Any]]:
    return {(n[0], n[1]): n for tree in trees for n in tree["n"]}


@pytest.mark.parametrize("spec", WIDE)
@pytest.mark.parametrize("every", [1, 3])
def test_every_row_is_told_once_and_hangs_together(spec: str, every: int) -> None:
    run, trees, saved = told(spec, every=every)
    nodes = whole(trees)
    assert sum(len(tree["n"]) for tree in trees) == len(nodes) == run.recorder.held
    for (index, _), node in nodes.items():
        assert index == 0 or (index - 1, node[2]) in nodes
    last = trees[-1]
    assert last["alive"] == []
    assert [(i, row) for i, row, *_ in last["leaves"]]
    assert all((i, row) in nodes for i, row, *_ in last["leaves"])
    assert tuple(last["best"]) in nodes
    best = run.traces()[0].steps[-1]
    assert tuple(last["best"]) == (best.index, best.row)
    (entire,) = [json.loads(x)["tree"] for x in saved.splitlines() if '"tree"' in x]
    assert whole([entire]).keys() == nodes.keys()


def test_complete_rows_say_why_once_the_lane_has_stopped() -> None:
    _, trees, saved = told("best_of_n:n=3,rule=borda")
    assert all(len(leaf) == 4 for tree in trees[:-1] for leaf in tree["leaves"])
    for leaf in trees[-1]["leaves"]:
        assert leaf[4].keys() >= {"borda", "mbr", "self_certainty", "log_probability"}
    assert '"borda"' in saved


def test_pruned_rows_are_told_and_rows_that_go_on_are_alive() -> None:
    _, trees, _ = told("beam:width=4")
    middle = trees[3]
    assert 1 <= len(middle["alive"]) <= 4
    assert not middle.get("cut")
    tips = {tuple(leaf[:2]) for leaf in trees[-1]["leaves"]}
    nodes = whole(trees)
    parents = {(i - 1, n[2]) for (i, _), n in nodes.items()}
    pruned = [place for place in nodes if place not in parents and place not in tips]
    assert pruned, "a beam of four gives rows up"


def test_a_single_row_has_no_tree() -> None:
    assert told("nucleus:p=0.9")[1] == []


def test_a_large_tree_is_told_up_to_a_bound(monkeypatch) -> None:
    monkeypatch.setattr(wire_run, "MAX_TREE_STEPS", 20)
    _, trees, _ = told("beam:width=6", tokens=12)
    assert len(whole(trees)) == 20
    assert trees[-1]["cut"] == 1
    assert len(json.dumps(trees)) < 20_000
