"""The Loops page's questions on one loop, asked of the desk."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace

import pytest
from fakes import LetterTokenizer, OneModel, ScriptedModel, spelling_script

from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.types import Loop, Trace
from explorer.services.generation import generate
from explorer.services.loops.anatomy import anatomy, loops_of
from explorer.services.loops.desk import LoopDesk

LINE = "the sea is wide, "


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(spelling_script(LINE, LetterTokenizer()))


def made(model, tokens: int = 100, spec: str = "greedy") -> Trace:
    return generate(model, "a", [spec], tokens)[0]


def desk_with(model, *traces: Trace) -> LoopDesk:
    desk = LoopDesk(OneModel(model), threading.BoundedSemaphore(2), {"compare": lambda _: traces})
    desk.answer("s", {"ask": "take", "where": "compare"})
    return desk


def test_a_run_that_loops_is_taken_apart(model) -> None:
    trace = made(model)
    found = desk_with(model, trace).answer("s", {"ask": "anatomy"})
    json.dumps(found, allow_nan=False)
    assert found["loops"][found["loop"]]["kind"] == "exact"
    made_of = found["anatomy"]
    assert made_of["period"] == len(LINE)
    rows, first = made_of["rows"], made_of["onset"]
    assert [i for row in rows for i in row if i is not None] == list(range(first, 100))
    assert made_of["copies"] == (100 - first) // len(LINE)
    assert made_of["incomplete"] == ((100 - first) % len(LINE) > 0)
    for row, figures in zip(rows, made_of["figures"], strict=True):
        own = [trace.steps[i] for i in row if i is not None]
        assert figures["through"] == pytest.approx(sum(s.surprisal for s in own), rel=1e-6)
        widest = max(own, key=lambda s: s.surprisal)
        assert figures["widest_mass"] == pytest.approx(1 - math.exp(-widest.surprisal), rel=1e-6)
    assert made_of["caught"] == [0, made_of["onset"]]  # greedy says the likeliest by what it is
    assert made_of["leaves"] is None
    assert len(made_of["tokens"]) == 100 - first


def test_a_lane_without_a_loop_says_so_with_an_empty_list(model) -> None:
    desk = desk_with(model, made(model, 1))
    assert desk.answer("s", {"ask": "anatomy"}) == {"loops": [], "loop": None, "anatomy": None}


def test_what_cannot_be_asked_is_refused_in_words(model) -> None:
    desk = desk_with(model, made(model))
    with pytest.raises(InvalidParams, match="'loop' is 7"):
        desk.answer("s", {"ask": "anatomy", "loop": 7})
    with pytest.raises(InvalidParams, match="'loop' is 'x'"):
        desk.answer("s", {"ask": "anatomy", "loop": "x"})
    empty = LoopDesk(OneModel(model), threading.BoundedSemaphore(2), {})
    with pytest.raises(NotCapable, match="No run is chosen"):
        empty.answer("s", {"ask": "anatomy"})


def test_a_file_may_say_what_it_likes_of_its_loops(model) -> None:
    trace = made(model)
    for loop in (Loop(-5, 17, 3), Loop(0, 17, 1e9), Loop(3, 5, 4)):
        odd = replace(trace, loops=(loop,))
        assert all(s.kind != "exact" for s in loops_of(odd))
    terms = trace.terms
    assert terms is not None
    odd = replace(trace, terms=replace(terms, loop_min_copies=0.0))
    assert loops_of(odd) == loops_of(trace)


def test_impossible_tokens_and_single_alternatives_break_nothing(model) -> None:
    trace = made(model)
    steps = [replace(s, surprisal=math.inf, top=s.top[:1], extra=()) for s in trace.steps]
    odd = replace(trace, steps=tuple(steps))
    found = anatomy(odd, loops_of(odd)[0])
    json.dumps(found, allow_nan=False)
    assert found["figures"][0]["through"] is None
    assert found["figures"][0]["widest_mass"] == 1


def test_of_a_text_that_is_one_long_loop_the_first_and_last_copies_have_rows(model) -> None:
    trace = made(model)
    ids = [1, 2, 3] * 6_666 + [1, 2]
    steps = tuple(replace(trace.steps[0], index=i, token_id=t) for i, t in enumerate(ids))
    trace = replace(trace, steps=steps, loops=(Loop(0, 3, len(ids) / 3),))
    (stretch,) = loops_of(trace)
    found = anatomy(trace, stretch)
    copies = [row["copy"] for row in found["figures"]]
    assert copies == [*range(380), *range(6_647, 6_667)]
    assert (found["hidden"], found["incomplete"]) == (6_667 - 400, True)
    assert found["rows"][-1] == [19_998, 19_999, None]
    assert len(json.dumps(found)) < 1_500_000


@pytest.mark.parametrize("text", ["🙂🙂🙂", "\u4f60", "<script>alert(1)</script>"])
def test_any_piece_is_told_as_it_is(model, text) -> None:
    trace = made(model)
    odd = replace(trace, pieces=dict.fromkeys(trace.token_ids, text))
    found = anatomy(odd, loops_of(odd)[0])
    assert found["tokens"][0][1] == text
    without = replace(trace, pieces={})
    assert anatomy(without, loops_of(without)[0])["tokens"][0][1].startswith("⟨")
