"""Cycles of meaning: mean states of sentences, a yardstick for them, and the desk's question."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest
import torch
from fakes import (
    LetterTokenizer,
    NumberTokenizer,
    OneModel,
    ScriptedModel,
    hashed_script,
    tiny_llama,
)
from meaning_texts import CYCLES, PAIRS, PASSAGES

from explorer.analyzers.paraphrase_loops import paraphrase_loops
from explorer.core.detokenize import piece
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.models import HFModel
from explorer.services.generation import generate
from explorer.services.loading import load_model
from explorer.services.loops import meaning
from explorer.services.loops.desk import LoopDesk
from explorer.services.loops.meaning import meaning_loops, sentence_states, yardstick

# Said anew with other letters between the same pairs: to the scripted states they are alike.
CYCLE = "abababababababab cd. babababababababa cd. ababababababababa cd. bababababababab cd."


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(hashed_script(LetterTokenizer().vocab_size))


def written(model, text: str):
    """A trace that says a text, whatever the model would."""
    ids = model.tokenizer.encode(text)
    trace = generate(model, "x", ["greedy"], len(ids))[0]
    steps = tuple(replace(s, token_id=i) for s, i in zip(trace.steps, ids, strict=True))
    pieces = {i: model.tokenizer.pieces[i] for i in ids}
    return replace(trace, steps=steps, pieces=pieces, loops=(), text=text)


def test_a_sentence_is_the_mean_of_its_last_hidden_states() -> None:
    handle = HFModel.from_parts(tiny_llama(), NumberTokenizer())
    prompt, ids = [40, 41], [5, 9, 13, 17, 21, 30, 31]
    found = sentence_states(handle, prompt, ids, [(0, 3), (3, 7)])
    with torch.inference_mode():
        states = tiny_llama()(
            torch.tensor([[*prompt, *ids]]), output_hidden_states=True
        ).hidden_states[-1][0]
    torch.testing.assert_close(found[0], states[2:5].mean(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[1], states[5:9].mean(0), atol=1e-5, rtol=1e-4)


def test_the_yardstick_is_that_of_unlike_sentences(model) -> None:
    ruler = yardstick(model)
    assert 0 < ruler.deviation < 1
    assert -1 < ruler.mean < 1
    alike = ruler.likeness(torch.stack([torch.arange(6.0), 2 * torch.arange(6.0)]))
    torch.testing.assert_close(alike, torch.ones(2, 2))


def test_sentences_of_like_states_are_a_cycle_and_unlike_ones_are_none(model) -> None:
    # six numbers a state: unlike sentences vary more than a model's
    (found,) = meaning_loops(model, written(model, CYCLE), strictness=1.5)
    assert (found.kind, found.copies, found.onset) == ("meaning", 4, 0)
    assert [CYCLE[i] for i in found.starts] == ["a", " ", " ", " "]
    plain = "the sea is wide today. nobody likes my quick fox. we jump over lazy dogs. exit now zz."
    assert meaning_loops(model, written(model, plain), strictness=1.5) == ()
    assert meaning_loops(model, written(model, "one. two.")) == ()
    assert meaning_loops(model, written(model, CYCLE), strictness=10) == ()


def test_the_desk_adds_what_is_new_to_the_lanes_loops(model, monkeypatch) -> None:
    trace = written(model, CYCLE)
    desk = LoopDesk(OneModel(model), threading.BoundedSemaphore(2), {"compare": lambda _: [trace]})
    desk.answer("s", {"ask": "take", "where": "compare"})
    before = desk.answer("s", {"ask": "anatomy"})["loops"]
    answer = desk.answer("s", {"ask": "meaning", "strictness": 1.5})
    until = time.monotonic() + 20
    while not answer["done"]:
        assert time.monotonic() < until
        time.sleep(0.01)
        answer = desk.answer("s", {"ask": "job", "job": answer["job"]})
    after = desk.answer("s", {"ask": "anatomy"})["loops"]
    assert answer["new"] == len(after) - len(before)
    assert "Cycles of meaning that are new" in answer["said"]
    for wrong in (-1, 11, "x", None, True, float("nan")):
        with pytest.raises(InvalidParams, match="'strictness' is"):
            desk.answer("s", {"ask": "meaning", "strictness": wrong})
    monkeypatch.setattr(meaning, "MOST_TOKENS", 10)
    with pytest.raises(NotCapable, match="too many to be read for meaning"):
        meaning_loops(model, trace)


def test_a_reading_that_was_stopped_says_so(model) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(NotCapable, match="stopped"):
        sentence_states(model, [1], list(range(1, 30)), [(0, 29)], stop)


def traced(model, sentences: list[str]):
    ids = [i for s in sentences for i in model.tokenizer.encode_continuation(f" {s}")]
    trace = generate(model, "x", ["greedy"], 1)[0]
    steps = tuple(replace(trace.steps[0], index=k, token_id=i) for k, i in enumerate(ids))
    return replace(trace, steps=steps, pieces={i: piece(model.tokenizer, i) for i in ids})


def test_words_find_none_of_the_written_texts_and_states_none_of_the_passages() -> None:
    model = load_model("tiny")
    for sentences in (*CYCLES.values(), *PAIRS.values(), *PASSAGES.values()):
        trace = traced(model, sentences)
        assert paraphrase_loops([trace.pieces[i] for i in trace.token_ids]) == ()
    for sentences in PASSAGES.values():
        assert meaning_loops(model, traced(model, sentences)) == ()
