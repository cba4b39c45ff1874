"""The experiment of sentences that feed themselves, asked of the desk."""

from __future__ import annotations

import json
import threading
import time

import pytest
from fakes import LetterTokenizer, OneModel, ScriptedModel, hashed_script

from explorer.core.errors import InvalidParams, NotCapable
from explorer.services.loops import experiment_answers
from explorer.services.loops.desk import LoopDesk
from explorer.services.loops.experiment_answers import read_in_groups
from explorer.services.loops.self_reinforcement import curve, random_units, self_reinforcement


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(hashed_script(LetterTokenizer().vocab_size))


@pytest.fixture
def desk(model) -> LoopDesk:
    return LoopDesk(OneModel(model), threading.BoundedSemaphore(2), {})


def done(desk: LoopDesk, answer: dict, **more: object) -> dict:
    until = time.monotonic() + 30
    while not answer["done"]:
        assert time.monotonic() < until
        time.sleep(0.01)
        answer = desk.answer("s", {"ask": "job", "job": answer["job"], **more})
    return answer


def test_every_source_is_a_series_with_the_figures_of_the_module(desk, model) -> None:
    asked = {"ask": "experiment", "model": "m", "typed": "the sea\n\n the old sea ", "random": 3}
    found = done(desk, desk.answer("s", {**asked, "length": 5, "repetitions": 2}))
    json.dumps(found, allow_nan=False)
    typed, random = found["series"]
    assert (typed["name"], typed["sentences"], typed["read"]) == ("typed", 2, 2)
    assert random["name"] == "3 of 5 random tokens"
    expected = curve(self_reinforcement(model, ["the sea", "the old sea"], repetitions=2))
    assert typed["repetitions"] == [r.as_data() for r in expected]
    units = self_reinforcement(model, random_units(model.tokenizer, 3, 5), repetitions=2)
    assert random["repetitions"] == [r.as_data() for r in curve(units)]


def test_groups_are_the_whole_read_in_parts(model) -> None:
    units = random_units(model.tokenizer, 20, 6, seed=4)
    groups = list(read_in_groups(model, units, 2))
    assert [len(g) for g in groups] == [8, 8, 4]
    whole = self_reinforcement(model, units, repetitions=2)
    assert [u for g in groups for u in g] == list(whole)


def test_a_stopped_experiment_keeps_what_it_read(desk, model, monkeypatch) -> None:
    begun = threading.Event()
    go = threading.Event()
    real = experiment_answers.self_reinforcement

    def slow(*args: object, **kwargs: object):
        begun.set()
        go.wait(10)
        return real(*args, **kwargs)

    monkeypatch.setattr(experiment_answers, "self_reinforcement", slow)
    answer = desk.answer(
        "s", {"ask": "experiment", "model": "m", "random": 20, "length": 3, "repetitions": 1}
    )
    assert begun.wait(10)
    with pytest.raises(NotCapable, match="under way"):
        desk.answer("s", {"ask": "experiment", "model": "m", "random": 1})
    desk.answer("s", {"ask": "job", "job": answer["job"], "stop": True})
    go.set()
    found = done(desk, answer)
    assert found["stopped"]
    assert (found["series"][0]["read"], found["series"][0]["sentences"]) == (8, 20)
    assert "8 of 20" in found["said"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "No sentence was asked for"),
        ({"typed": "  \n "}, "No sentence was asked for"),
        ({"typed": "a\n" * 65}, "65 sentences were typed"),
        ({"typed": 7}, "'typed' is 7"),
        ({"random": 65}, "'random' is 65"),
        ({"random": True}, "'random' is True"),
        ({"random": 2, "length": 0}, "'length' is 0"),
        ({"bundled": True, "repetitions": 101}, "'repetitions' is 101"),
        ({"bundled": True, "model": 3}, "'model' is 3"),
        ({"typed": "\ud800"}, "half of a character"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(desk, more, message) -> None:
    with pytest.raises(InvalidParams, match=message):
        desk.answer("s", {"ask": "experiment", "model": "m", **more})


def test_models_that_are_not_offered_and_texts_too_long_are_refused(desk) -> None:
    with pytest.raises(NotCapable, match="not offered"):
        desk.answer("s", {"ask": "experiment", "model": "secret", "bundled": True})
    long = desk.answer(
        "s", {"ask": "experiment", "model": "m", "typed": "a" * 4_000, "repetitions": 20}
    )
    with pytest.raises(NotCapable, match=r"84,0\d\d tokens"):
        done(desk, long)
    deep = desk.answer(
        "s", {"ask": "experiment", "model": "m", "typed": "a" * 400, "repetitions": 100}
    )
    with pytest.raises(NotCapable):  # past the model's context
        done(desk, deep)
