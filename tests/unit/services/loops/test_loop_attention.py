"""Where a copy looks, asked of the desk and of small models."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest
import torch
from fakes import LetterTokenizer, NumberTokenizer, OneModel, ScriptedModel, tiny_llama

from explorer.analyzers.loop_attention import head_looks, ranked
from explorer.analyzers.loop_copies import Stretch
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.handle import Capability
from explorer.core.models import HFModel
from explorer.services.generation import generate
from explorer.services.loops import attention
from explorer.services.loops.attention import attention_of
from explorer.services.loops.desk import LoopDesk

UNIT = "abcdefghijklmnopqr"


def alphabet_model() -> ScriptedModel:
    """Says the alphabet to r again and again: every letter stands once in a copy."""
    tokenizer = LetterTokenizer()
    ids = tokenizer.encode(UNIT)

    def script(history):
        logits = [0.0] * tokenizer.vocab_size
        last = history[-1]
        after = ids[(ids.index(last) + 1) % len(ids)] if last in ids else ids[0]
        logits[after] = 5.0
        return logits

    return ScriptedModel(script, tokenizer)


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return alphabet_model()


@pytest.fixture
def desk(model) -> LoopDesk:
    trace = generate(model, "x", ["greedy"], 18 * 4 + 5)[0]
    desk = LoopDesk(OneModel(model), threading.BoundedSemaphore(2), {"compare": lambda _: [trace]})
    desk.answer("s", {"ask": "take", "where": "compare"})
    return desk


def done(desk: LoopDesk, answer: dict) -> dict:
    until = time.monotonic() + 20
    while not answer["done"]:
        assert time.monotonic() < until
        time.sleep(0.01)
        answer = desk.answer("s", {"ask": "job", "job": answer["job"]})
    return answer


def test_heads_are_ranked_by_where_they_look(desk) -> None:
    found = done(desk, desk.answer("s", {"ask": "attention"}))["attention"]
    json.dumps(found, allow_nan=False)
    assert (found["copy"], found["first"], found["copies"]) == (3, 54, 3)
    assert "".join(found["pieces"]) == UNIT
    best = found["same"][0]
    assert (best["layer"], best["head"], best["total"]) == (0, 1, 1.0)
    assert best["back"] == [1.0, 0, 0]
    follows = found["after"][0]
    assert (follows["layer"], follows["head"]) == (1, 0)
    assert follows["back"] == [1.0, 0, 0]
    even = next(h for h in found["same"] if (h["layer"], h["head"]) == (0, 0))
    assert 0 < even["back"][0] < 0.02
    itself = next(h for h in found["same"] if (h["layer"], h["head"]) == (1, 1))
    assert (itself["total"], itself["own"]) == (0, 1)


def test_a_head_is_looked_into_token_by_token(desk) -> None:
    with pytest.raises(NotCapable, match="not read yet"):
        desk.answer("s", {"ask": "look", "layer": 0, "head": 1, "place": 0})
    done(desk, desk.answer("s", {"ask": "attention", "copy": 2}))
    found = desk.answer("s", {"ask": "look", "layer": 0, "head": 1, "place": 4})
    assert found["best"][0] == {"index": 18 + 4, "piece": "e", "mass": 1.0}
    assert found["prompt"] == 1
    assert found["same"] == [1 + 18 + 4, 1 + 4]
    assert sum(found["weights"]) == pytest.approx(1, abs=1e-3)
    assert len(found["weights"]) == 1 + 36 + 5
    for wrong in ({"layer": 7, "head": 0, "place": 0}, {"layer": 0, "head": 1, "place": 18}):
        with pytest.raises(InvalidParams, match="is not shown"):
            desk.answer("s", {"ask": "look", **wrong})
    with pytest.raises(InvalidParams, match="'place' is None"):
        desk.answer("s", {"ask": "look", "layer": 0, "head": 1})


def test_what_cannot_be_read_is_refused_in_words(desk, model, monkeypatch) -> None:
    with pytest.raises(InvalidParams, match="Copy 1 of 5 has none before it"):
        done(desk, desk.answer("s", {"ask": "attention", "copy": 0}))
    with pytest.raises(InvalidParams, match="'copy' is 9"):
        desk.answer("s", {"ask": "attention", "copy": 9})
    monkeypatch.setattr(attention, "MOST_PAIRS", 100)
    with pytest.raises(NotCapable, match="1,314 pairs; at most 100"):
        done(desk, desk.answer("s", {"ask": "attention"}))
    monkeypatch.undo()
    trace = generate(model, "x", ["greedy"], 80)[0]
    stretch = Stretch("exact", (0, 18, 36, 54), 72, 4)
    blind = alphabet_model()
    blind.capabilities = frozenset({Capability.CACHE_SELECT})
    with pytest.raises(NotCapable, match="scripted does not show its attention"):
        attention_of(blind, trace, stretch, 2)
    stop = threading.Event()
    stop.set()
    with pytest.raises(NotCapable, match="stopped"):
        attention_of(model, trace, stretch, 2, cancel=stop)
    other = replace(trace, model=replace(trace.model, digest="sha256:other"))
    desk.put(desk.tabs["s"], [other], "another")
    with pytest.raises(NotCapable, match="other weights"):
        desk.answer("s", {"ask": "attention"})


def test_the_masses_of_a_true_model_are_sums_of_its_weights() -> None:
    handle = HFModel.from_parts(tiny_llama(), NumberTokenizer())
    unit = [5, 9, 13, 17, 21]
    ids = unit * 4
    trace = generate(handle, "40 41", ["greedy"], 20)[0]
    steps = tuple(replace(s, token_id=i) for s, i in zip(trace.steps, ids, strict=True))
    stretch = Stretch("exact", (0, 5, 10, 15), 20, 4)
    found = attention_of(handle, replace(trace, steps=steps), stretch, 3)
    plain = tiny_llama()
    plain.set_attn_implementation("eager")
    with torch.inference_mode():
        whole = plain(torch.tensor([[40, 41, *ids]]), output_attentions=True).attentions
    for look in found.same:
        weights = whole[look.layer][0, look.head]
        for back, mass in enumerate(look.same, 1):
            expected = sum(float(weights[17 + i, 17 + i - 5 * back]) for i in range(5)) / 5
            assert mass == pytest.approx(expected, abs=1e-5)
        for back, mass in enumerate(look.after, 1):
            expected = sum(float(weights[17 + i, 18 + i - 5 * back]) for i in range(5)) / 5
            assert mass == pytest.approx(expected, abs=1e-5)
    totals = [sum(look.same) for look in found.same]
    assert totals == sorted(totals, reverse=True)


def test_in_a_loop_of_one_token_the_token_itself_is_no_memory() -> None:
    weights = torch.full((1, 1, 1, 4), 0.25)
    (found,) = head_looks(weights, [[2], [1], [0]])
    assert found.same == (0.25, 0.25, 0.25)
    assert found.after == (0, 0.25, 0.25)
    assert ranked([found], after=True) == (found,)
