"""What the Labs page asks: gallery, code, a run followed to its end, stops, errors."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from fakes import OneModel

from explorer.core.errors import ExplorerError, InvalidParams, NotCapable, UnknownName
from explorer.services.generation import Run, RunOptions
from explorer.services.labs.desk import LabDesk
from explorer.services.loading import load_model

SMALL = {"openings": 2, "draws": 2, "tokens": 16}
SLOW_S = 60.0


class Models(OneModel):
    def __init__(self) -> None:
        super().__init__(load_model("tiny"))

    def allow(self, name: str) -> None:
        if name != "tiny":
            raise InvalidParams(f"{name} is not offered.")

    def get(self, name: str) -> Any:
        self.allow(name)
        return self.model


@pytest.fixture(scope="module")
def models() -> Models:
    return Models()


@pytest.fixture
def desk(models: Models, tmp_path) -> LabDesk:
    return LabDesk(models, threading.BoundedSemaphore(2), tmp_path)


def begin(desk: LabDesk, **changed: Any) -> dict[str, Any]:
    question = {"ask": "run", "lab": "human_or_machine", "params": SMALL, "seed": 1}
    return desk.answer("tab", {**question, "model": "tiny", **changed})


def ended(desk: LabDesk, job: str, **more: Any) -> dict[str, Any]:
    until = time.monotonic() + SLOW_S
    while time.monotonic() < until:
        found = desk.answer("tab", {"ask": "job", "job": job, **more})
        if found["done"]:
            return found
        time.sleep(0.02)
    raise AssertionError("the lab did not end")


def test_the_gallery_has_every_lab_with_its_form(desk: LabDesk) -> None:
    found = desk.answer("tab", {"ask": "gallery", "model": "tiny"})
    (lab,) = [x for x in found["labs"] if x["name"] == "human_or_machine"]
    assert lab["measured"] is False
    assert {"openings", "tokens"} <= {field["name"] for field in lab["params"]}
    assert lab["papers"][0]["url"].startswith("https://arxiv.org/abs/")
    assert found["work"] is None
    modules = desk.answer("tab", {"ask": "code", "lab": "human_or_machine"})["modules"]
    assert "def statistic" in modules[0]["code"]


def test_a_run_is_followed_to_its_results_and_traces(desk: LabDesk) -> None:
    with pytest.raises(NotCapable, match="nothing to save"):
        desk.run_of("tab")
    found = ended(desk, begin(desk)["job"])
    kinds = {result["kind"] for result in found["run"]["results"]}
    assert {"series", "table", "points", "traces", "scalar"} <= kinds
    assert found["run"]["claims"]
    assert desk.run_of("tab").done
    told = desk.answer("tab", {"ask": "traces", "name": "Four ways to go on"})["ndjson"]
    assert "the model's own draws" in told.splitlines()[0]
    with pytest.raises(NotCapable, match="no such continuation"):
        desk.answer("tab", {"ask": "traces", "name": "Whose text is it?"})
    assert len(desk.traces("tab")) == 4
    # the usual parameters were not used: no time is kept
    assert not desk.answer("tab", {"ask": "gallery", "model": "tiny"})["labs"][0]["measured"]


def test_one_run_at_a_time_and_it_stops_when_told(desk: LabDesk) -> None:
    job = begin(desk, params={"openings": 12, "draws": 16, "tokens": 256})["job"]
    with pytest.raises(NotCapable, match="under way"):
        begin(desk)
    found = ended(desk, job, stop=True)
    assert found["stopped"] is True
    # long before its end: no claim was reached
    assert found.get("run", {"claims": []})["claims"] == []
    desk.forget("tab")
    assert desk.traces("tab") == ()


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"lab": "humn_or_machine"}, UnknownName),
        ({"params": {"tokens": 10**9}}, InvalidParams),
        ({"params": {"tokens": [1]}}, InvalidParams),
        ({"params": ["tokens"]}, InvalidParams),
        ({"seed": -1}, InvalidParams),
        ({"model": "/etc/passwd"}, InvalidParams),
        ({"ask": "nothing"}, InvalidParams),
        ({"ask": ["run"]}, InvalidParams),
    ],
)
def test_a_question_that_cannot_be_meant_is_refused(desk, changed, error) -> None:
    with pytest.raises(error):
        begin(desk, **changed)


def test_a_lab_that_fails_says_why_and_the_page_goes_on(desk: LabDesk, models) -> None:
    job = begin(desk, params={**SMALL, "other": "nowhere"})["job"]
    with pytest.raises(ExplorerError, match="nowhere is not offered"):
        ended(desk, job)
    assert ended(desk, begin(desk)["job"])["run"]["claims"]


SHARPENING = {"openings": 2, "n": 2, "rounds": 64, "tokens": 8, "epochs": 1}


def test_a_tuned_model_runs_in_compare_until_the_visit_ends(desk: LabDesk, models) -> None:
    found = ended(desk, begin(desk, lab="sharpening", params=SHARPENING)["job"])
    assert found["run"]["tuned"] == [
        {"id": "tiny-sharpened", "about": "trained on its own best answers"}
    ]
    (name,) = models.lent
    assert name.startswith("tiny-sharpened-")
    told = desk.answer("tab", {"ask": "compare", "tuned": "tiny-sharpened"})
    lanes = told["state"]["lanes"]
    assert lanes[:2] == ["greedy", f'mixture:model="{name}",weight=1+greedy']
    assert told["state"]["model"] == "tiny"
    # its continuations too, by the same means
    (lane,) = desk.answer("tab", {"ask": "compare", "name": "Greedy, sharpened"})["state"]["lanes"]
    assert lane == lanes[1]
    with pytest.raises(NotCapable, match="not kept"):
        desk.answer("other tab", {"ask": "compare", "tuned": "tiny-sharpened"})
    desk.forget("tab")
    assert not models.lent


def test_a_second_run_takes_the_place_of_what_the_first_tuned(desk: LabDesk, models) -> None:
    for _ in range(2):
        ended(desk, begin(desk, lab="sharpening", params=SHARPENING)["job"])
    assert len(models.lent) == 1
    desk.forget("tab")


def test_continuations_are_made_again_by_compare(desk: LabDesk, models) -> None:
    ended(desk, begin(desk)["job"])
    state = desk.answer("tab", {"ask": "compare", "name": "Four ways to go on"})["state"]
    shown = desk.traces("tab")
    run = Run(
        models.model,
        state["prompt"],
        state["lanes"],
        RunOptions(max_new_tokens=state["max_new_tokens"], seed=int(state["seed"])),
    )
    list(run.columns())
    assert [t.token_ids for t in run.traces()] == [t.token_ids for t in shown]
