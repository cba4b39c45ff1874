"""The Loops page's questions on the board and the graph, as a stranger asks them."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from fakes import OneModel
from loop_model import BREAKS, WANDERS, bias, looping_model, looping_trace

from explorer.core.errors import ExplorerError, InvalidParams, NotCapable
from explorer.services.generation import generate
from explorer.services.loops.desk import Limits, LoopDesk
from explorer.services.loops.escape_answers import MOST_LANES, traces_of


@pytest.fixture
def desk() -> LoopDesk:
    models = OneModel(looping_model())
    trace = looping_trace(models.model)
    (other,) = generate(models.model, "a", ["momentum"], 40)
    sources = {"compare": lambda _: (trace, other), "traces": lambda _: ()}
    desk = LoopDesk(models, threading.BoundedSemaphore(2), sources)
    desk.answer("me", {"ask": "take", "where": "compare"})
    return desk


def wait(desk: LoopDesk, job: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    told = [job]
    while not told[-1]["done"]:
        time.sleep(0.01)
        told.append(desk.answer("me", {"ask": "job", "job": job["job"], **more}))
    return told


def ask(desk: LoopDesk, **more: Any) -> dict[str, Any]:
    question = {"ask": "escape", "at": 24, "decoders": ["greedy"], "draws": 1, "tokens": 12}
    return desk.answer("me", {**question, **more})


def test_where_a_board_may_begin(desk) -> None:
    found = desk.answer("me", {"ask": "escape_places"})
    (loop,) = found["loops"]
    assert (loop["least"], loop["most"], found["at"], found["board"]) == (8, 60, 24, None)
    assert loop["unit"] == list("bcdefgha")
    specs = [spec for _, methods in found["methods"] for spec, _ in methods]
    assert "contrastive_search" in specs
    assert len(specs) <= MOST_LANES
    desk.answer("me", {"ask": "choose", "lane": 1})
    assert desk.answer("me", {"ask": "escape_places"})["loops"] == []
    with pytest.raises(InvalidParams, match="no loop to leave"):
        ask(desk, at=5)


def test_a_board_is_told_while_it_is_made_and_kept_when_it_is(desk) -> None:
    desk.models.model.delay_s = 0.02
    job = ask(desk, decoders=["greedy", bias(WANDERS), "beam"])
    told = wait(desk, job, have=[2, 3, 4])
    live = [news["live"] for news in told if "live" in news]
    assert live
    assert "names" not in live[-1]  # they were told to who asked with nothing
    assert [lane["from"] for lane in live[-1]["lanes"]][2] == 0  # a search may change its mind
    assert live[-1]["lanes"][1]["exit"] == 0
    board = told[-1]["board"]
    assert [row["verdict"] for row in board["rows"]] == ["escaped", "stays", "stays"]
    assert len(board["rows"][0]["pieces"]) == 12
    assert desk.answer("me", {"ask": "escape_places"})["board"] == board
    assert len(traces_of(desk.tabs["me"])) == 3
    desk.answer("me", {"ask": "choose", "lane": 0})
    with pytest.raises(NotCapable, match="no board"):
        traces_of(desk.tabs["me"])


def test_stopping_keeps_what_there_is(desk) -> None:
    desk.models.model.delay_s = 0.03
    job = ask(desk, tokens=200)
    wait_for = desk.answer("me", {"ask": "job", "job": job["job"]})
    assert not wait_for["done"]
    with pytest.raises(NotCapable, match="under way"):
        ask(desk)
    time.sleep(0.2)
    told = wait(desk, job, stop=True)
    board = told[-1]["board"]
    assert board["stopped"]
    assert 0 < board["rows"][0]["tokens"] < 200
    assert "Stopped" in told[-1]["said"]


def test_a_board_ends_when_a_visitors_time_is_up(desk) -> None:
    desk.limits = Limits(seconds=0.1)
    desk.models.model.delay_s = 0.03
    board = wait(desk, ask(desk, tokens=200))[-1]["board"]
    assert board["stopped"]
    assert 0 < board["rows"][0]["tokens"] < 200


def test_lanes_that_fail_are_told_in_words(desk) -> None:
    told = wait(desk, ask(desk, decoders=["greedy", bias(BREAKS)]))
    assert "In 1 numbers failed" in told[-1]["said"]
    assert "NaN" in told[-1]["board"]["failures"][0]
    assert [row["verdict"] for row in told[-1]["board"]["rows"]] == ["stays", "failed"]


@pytest.mark.parametrize(
    ("more", "match"),
    [
        ({"at": 61}, "at"),
        ({"at": 3}, "in no loop"),
        ({"at": "x"}, "at"),
        ({"decoders": "greedy"}, "decoders"),
        ({"decoders": [3]}, "decoders"),
        ({"decoders": ["greedy"] * 65}, "65 specs"),
        ({"decoders": ["nucleus", "ancestral"], "draws": 33}, "66 lanes"),
        ({"decoders": ["nope"]}, "nope"),
        ({"draws": 0}, "draws"),
        ({"draws": 65}, "draws"),
        ({"tokens": 513}, "tokens"),
        ({"tokens": None}, "tokens"),
        ({"decoders": ['contrastive_decoding:amateur="secret"+greedy']}, "secret"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(desk, more, match) -> None:
    with pytest.raises(ExplorerError, match=match):
        ask(desk, **more)


def test_a_trace_longer_than_the_context_leaves_is_refused(desk) -> None:
    object.__setattr__(desk.models.model.info, "context_length", 70)
    job = ask(desk, tokens=200)
    with pytest.raises(NotCapable, match="70"):
        wait(desk, job)


def test_graphs_of_all_lanes(desk) -> None:
    greedy, momentum = desk.answer("me", {"ask": "graph"})["lanes"]
    assert greedy["nodes"] == 8
    assert greedy["closed"] == {"step": 8, "length": 8}
    assert greedy["turns"] == []
    assert greedy["depths"][-1] == 5
    turn = momentum["turns"][0]
    assert turn["paid"] > 0
    assert turn["depth"] >= 1
    assert turn["refused"] in "abcdefgh"
    assert LoopDesk(desk.models, threading.BoundedSemaphore(1), {}).answer(
        "you", {"ask": "graph"}
    ) == {"lanes": []}
