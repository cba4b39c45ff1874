"""What the Maps page asks: a map followed to its end, its places' traces, stops, bounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.core.errors import ExplorerError, InvalidParams, NotCapable
from explorer.services.limits import Limits, VisitorRuns
from explorer.services.loops.prompts import bundled_prompts
from explorer.services.sweep.map_desk import MapDesk
from explorer.services.sweep.map_plan import MAUVE_SAMPLES, axis_choices, map_plan

SLOW_S = 60.0
ASKED: Mapping[str, Any] = {
    "model": "scripted",
    "x": "temperature",
    "y": "nucleus.p",
    "x_values": "1, 0.5; 1.0",
    "y_values": "0.5 0.95",
    "prompts": 2,
    "texts": "",
    "seeds": 2,
    "tokens": 8,
}


class Models:
    def __init__(self, delay_s: float = 0.0) -> None:
        self.model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size), delay_s=delay_s)

    def allow(self, name: str) -> None:
        if name != "scripted":
            raise InvalidParams(f"{name} is not offered.")

    def get(self, name: str) -> ScriptedModel:
        self.allow(name)
        return self.model


def desk_of(delay_s: float = 0.0, limits: Limits | None = None) -> MapDesk:
    return MapDesk(Models(delay_s), threading.BoundedSemaphore(2), limits)


def begin(desk: MapDesk, session: str = "tab", **changed: Any) -> str:
    return str(desk.answer(session, {"ask": "run", **ASKED, **changed})["job"])


def ended(desk: MapDesk, job: str, **more: Any) -> dict[str, Any]:
    until = time.monotonic() + SLOW_S
    while time.monotonic() < until:
        found = desk.answer("tab", {"ask": "job", "job": job, **more})
        if found["done"]:
            return found
        time.sleep(0.02)
    raise AssertionError("the map did not end")


def test_a_map_has_every_metric_with_intervals_and_its_places_their_traces() -> None:
    desk = desk_of()
    job = begin(desk)
    found = ended(desk, job)
    assert found["shown"] == 2 * 2 * 2 * 2
    maps = {one["name"].split(":")[0]: one for one in found["map"]["maps"]}
    assert list(maps) == ["loop rate", "rep-4", "distinct-2", "mean entropy", "perplexity"]
    entropy = maps["mean entropy"]
    assert (entropy["columns"], entropy["rows"]) == (["0.5", "1"], ["0.5", "0.95"])
    assert entropy["n"] == [[2, 2], [2, 2]]
    assert maps["loop rate"]["n"] == [[4, 4], [4, 4]]
    assert all(entropy["low"][i][k] <= entropy["values"][i][k] for i in (0, 1) for k in (0, 1))
    assert "no place of this map has more than 4." in found["map"]["mauve"]
    assert f"under {MAUVE_SAMPLES:,} a place it is refused" in found["map"]["mauve"]
    assert desk.traces("tab") == ()
    told = desk.answer("tab", {"ask": "choose", "column": "0.5", "row": "0.95"})
    assert told == {"decoder": "temperature:temperature=0.5+nucleus:p=0.95", "traces": 4}
    traces = desk.traces("tab")
    assert {t.decoder for t in traces} == {told["decoder"]}
    assert len({(t.prompt.text, t.seed) for t in traces}) == 4
    mean = sum(sum(s.entropy for s in t.steps) / len(t.steps) for t in traces) / 4
    assert entropy["values"][1][0] == pytest.approx(mean)
    assert desk.traces("another") == ()


def test_a_map_fills_as_it_goes_and_stops_within_a_token() -> None:
    desk = desk_of(delay_s=0.02)
    job = begin(desk, tokens=16, prompts=6)
    until = time.monotonic() + SLOW_S
    while not desk.answer("tab", {"ask": "job", "job": job}).get("shown"):
        assert time.monotonic() < until
        time.sleep(0.02)
    with pytest.raises(NotCapable, match="A map is being made"):
        begin(desk)
    assert desk.answer("tab", {"ask": "form"})["work"]["job"] == job
    desk.answer("tab", {"ask": "job", "job": job, "stop": True})
    found = ended(desk, job)
    assert found["stopped"]
    assert 4 <= found["shown"] < 2 * 2 * 6 * 2
    assert found["map"]["maps"]
    begin(desk)


def test_a_tab_that_leaves_ends_its_work() -> None:
    limits = Limits(runs=VisitorRuns(1))
    desk = desk_of(delay_s=0.02, limits=limits)
    begin(desk, tokens=32, prompts=12)
    desk.forget("tab")
    until = time.monotonic() + SLOW_S
    while True:  # the visitor's one place is free again only when the work has ended
        try:
            limits.runs.enter("tab")
            break
        except NotCapable:
            assert time.monotonic() < until
            time.sleep(0.02)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x": "nucleus.p"}, "Both axes are the same parameter"),
        ({"x": "nonsense"}, "'nonsense' is no axis"),
        ({"x_values": "1"}, "has 1 different values"),
        ({"x_values": "1 2 3 4 5 6 7"}, "has 7 different values"),
        ({"x_values": "1, hot"}, "'hot' is no number"),
        ({"x_values": "1, nan"}, "'nan' is no number"),
        ({"x": "top_k.k", "x_values": "1.5, 2"}, "'1.5' is no whole number"),
        ({"y_values": "0.5, 2"}, "decoders: 'nucleus' cannot take p=2"),
        ({"seeds": 99}, "'seeds' is 99"),
        ({"prompts": 0}, "'prompts' is 0"),
        ({"texts": "\n".join(map(str, range(13)))}, "13 prompts were given"),
        ({"tokens": 4000}, "'tokens' is 4000"),
        ({"tokens": 2000, "prompts": 12}, "This map is 96 runs of 2,000 tokens"),
        ({"model": "other"}, "other is not offered"),
        ({"model": ""}, "models.0"),
        ({"texts": 3}, "'texts' is 3"),
    ],
)
def test_what_cannot_be_a_map_is_told_in_words(changes, said) -> None:
    with pytest.raises(ExplorerError) as told:
        desk_of().answer("tab", {"ask": "run", **ASKED, **changes})
    assert said in str(told.value)


def test_questions_that_are_none_are_refused() -> None:
    desk = desk_of()
    for asked, said in (
        ({"ask": "colour"}, "is no question"),
        ({"ask": "job", "job": "x"}, "not kept any more"),
        ({"ask": "choose", "column": "1", "row": "1"}, "no traces"),
    ):
        with pytest.raises(ExplorerError, match=said):
            desk.answer("tab", asked)


def test_every_axis_makes_specs_that_can_be_read() -> None:
    choices = axis_choices()
    assert {"temperature", "nucleus.p", "min_p.p", "top_k.k"} <= set(choices)
    for key, choice in choices.items():
        other = "temperature" if choice.stage != "temperature" else "nucleus.p"
        low, high, _ = choice.field.slider or (1, 2, 1)
        middle = (low + high) / 2
        values = (round(middle), round(high)) if choice.field.type == "int" else (middle, high)
        asked = {**ASKED, "x": other, "x_values": "0.5, 1", "y": key}
        made = map_plan(asked | {"y_values": f"{values[0]}, {values[1]}"}, Limits())
        assert len(made.plan.chains) == 4
        assert all(choice.stage in c.canonical for c in made.plan.chains)


def test_own_prompts_take_the_place_of_the_bundled_ones() -> None:
    assert map_plan({**ASKED, "texts": "a\n\nb"}, Limits()).prompts == ("a", "b")
    bundled = map_plan(ASKED, Limits()).prompts
    assert bundled == tuple(prompt.text for prompt in bundled_prompts()[:2])
