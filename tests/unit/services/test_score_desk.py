"""The Score page's questions, with a scripted model."""

from __future__ import annotations

import json
import math
import threading
from typing import Any

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.core.errors import ExplorerError, ModelUnavailable, NotCapable
from explorer.services.score_desk import ScoreDesk


class Models:
    """One scripted model; others are refused."""

    def __init__(self) -> None:
        self.model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
        self.is_ready = True

    def allow(self, name: str) -> None:
        if name == "secret":
            raise ModelUnavailable("The model 'secret' is not offered here.", "Choose another.")

    def ready(self, name: str) -> ScriptedModel | None:
        return self.model if self.is_ready else None


@pytest.fixture
def models() -> Models:
    return Models()


def twin(name: str, dtype: str) -> ScriptedModel:
    """The same model again; in "float16" another one, as a type that fails might make it."""
    size = LetterTokenizer().vocab_size
    script = hashed_script(size)
    if dtype == "float16":
        return ScriptedModel(lambda history: script([*history, 1]))
    return ScriptedModel(script)


@pytest.fixture
def desk(models: Models) -> ScoreDesk:
    return ScoreDesk(models, threading.BoundedSemaphore(1), twin)


def ask(desk: ScoreDesk, kind: str, **fields: Any) -> dict[str, Any]:
    return desk.answer("tab", {"ask": kind, **fields})


def test_a_text_is_scored_and_profiled(desk) -> None:
    found = ask(desk, "score", text="abc cab", before="b", model="scripted")
    tokens = [x for x in map(json.loads, found["ndjson"].splitlines()) if "x" in x]
    assert "".join(x["x"] for x in tokens) == "abc cab" == "".join(found["pieces"])
    mean = math.fsum(x["s"] for x in tokens) / len(tokens)
    assert found["profile"]["surprise"]["log_perplexity"] == pytest.approx(mean, abs=1e-5)
    assert sum(found["profile"]["ranks"]["counts"]) == 7
    assert found["windows"] is None
    json.dumps(found, allow_nan=False)


def test_chains_and_probes_are_asked_of_the_scored_text(desk) -> None:
    ask(desk, "score", text="abc cab", model="scripted")
    found = ask(desk, "could", specs=["temperature", " ", "greedy"])
    assert [chain["decoder"] for chain in found["chains"]][1] == "greedy"
    assert found["chains"][0]["total"] < 0
    assert found["hardest"]["top_k"] >= 1
    probed = ask(desk, "probe", text="c")
    assert len(probed["probe"]["log_p"]) == 7
    assert probed["best"] == max(range(7), key=probed["probe"]["log_p"].__getitem__)
    json.dumps([found, probed], allow_nan=False)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ask": "sing"}, "no question"),
        ({"ask": "score", "text": " ", "model": "scripted"}, "no text"),
        ({"ask": "score", "text": 5, "model": "scripted"}, "'text' is 5"),
        ({"ask": "score", "text": "a" * 70_000, "model": "scripted"}, "70,000 characters"),
        (
            {"ask": "score", "text": "a", "before": "a" * 20_000, "model": "scripted"},
            "before it.*20,000 tokens",
        ),
        ({"ask": "score", "text": "a" * 20_000, "model": "scripted"}, "20,000 tokens"),
        ({"ask": "score", "text": "abc", "model": "secret"}, "not offered"),
        ({"ask": "score", "text": "\ud800", "model": "scripted"}, "half of a character"),
        ({"ask": "could", "specs": []}, "0 methods"),
        ({"ask": "could", "specs": ["greedy"] * 9}, "9 methods"),
        ({"ask": "could", "specs": "greedy"}, "'specs'"),
        ({"ask": "could", "specs": ["nuclius"]}, "nucleus"),
        ({"ask": "probe", "text": ""}, "no token"),
    ],
)
def test_questions_that_cannot_be_answered_say_why(desk, fields, words) -> None:
    ask(desk, "score", text="abc", model="scripted")
    with pytest.raises(ExplorerError, match=words):
        desk.answer("tab", fields)


def test_what_stands_before_counts_for_the_windows(desk) -> None:
    found = ask(desk, "score", text="abc" * 600, before="b" * 600, model="scripted")
    assert found["windows"] == [2_048, 1_024]
    assert len(found["pieces"]) == 1_800


@pytest.mark.parametrize(
    "fields", [{"ask": "probe", "text": "a"}, {"ask": "could", "specs": ["greedy"]}]
)
def test_a_text_read_by_windows_is_told_what_cannot_be_asked(desk, fields) -> None:
    ask(desk, "score", text="abc" * 700, model="scripted")
    with pytest.raises(NotCapable, match=r"read by windows.*shorter part"):
        desk.answer("tab", fields)


def test_what_was_not_scored_or_is_not_loaded_is_said(desk, models) -> None:
    with pytest.raises(NotCapable, match="No text is scored"):
        ask(desk, "probe", text="a")
    models.is_ready = False
    with pytest.raises(NotCapable, match="not loaded"):
        ask(desk, "score", text="abc", model="scripted")
    desk.forget("tab")


def test_a_scored_text_stays_the_tab_s_own(desk) -> None:
    ask(desk, "score", text="abc", model="scripted")
    assert desk.trace("tab").text == "abc"
    with pytest.raises(NotCapable):
        desk.trace("another")


def test_the_parity_light_tells_a_sound_type_from_one_that_says_something_else(desk) -> None:
    ask(desk, "score", text="abc cab", model="scripted")
    same = ask(desk, "parity", dtype="bfloat16")["parity"]
    assert same["light"] == "green"
    assert same["largest"] == 0
    other = ask(desk, "parity", dtype="float16")["parity"]
    assert other["light"] == "red"
    assert other["first_flipped"] is not None
    json.dumps([same, other], allow_nan=False)


def test_a_type_that_is_none_is_refused() -> None:
    desk = ScoreDesk(Models(), threading.BoundedSemaphore(1))
    ask(desk, "score", text="abc", model="scripted")
    with pytest.raises(ExplorerError, match="is no type"):
        ask(desk, "parity", dtype="float7")
