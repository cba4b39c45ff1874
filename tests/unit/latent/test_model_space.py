"""AriEL over language models: the shipped one, and a scripted one with odd tokens."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.core.errors import InvalidParams
from explorer.core.handle import ModelHandle
from explorer.latent.model_space import TokenWords, model_language, model_space
from explorer.services.loading import load_model


@pytest.fixture(scope="module")
def tiny() -> ModelHandle:
    return load_model("tiny")


def test_a_continuation_comes_back_and_its_box_is_its_probability(
    tiny,
) -> None:
    space = model_space(tiny, 2, prompt="Once upon a time")
    words = model_language(tiny).split(", there was a little girl.")
    back = space.decode(space.encode([words]))[0]
    assert back.words == words
    assert back.ended
    box = space.ariel.box(space.ids(words))
    *_, logits = _laws(tiny, "Once upon a time", space.ids(words))
    assert len(logits) == len(words) + 1
    assert box.bits == pytest.approx(sum(logits), abs=1e-3)


def _laws(model, prompt, ids):
    """Surprisals in bits of a continuation and its end, by teacher forcing."""
    start = model.tokenizer.encode(prompt)
    end = min(model.tokenizer.eos_ids)
    whole = [*start, *ids, end]
    found = []
    for position, logits in model.score(whole, len(start)):
        rows = logits.double().log_softmax(-1)
        for k, row in enumerate(rows):
            found.append(float(-row[whole[position + k]] / np.log(2)))
    return [found]


def test_many_threads_may_ask_one_space(tiny) -> None:
    space = model_space(tiny, 2, prompt="Once upon a time", max_tokens=6)
    points = np.random.default_rng(1).random((6, 2))
    alone = [space.decode(point[None])[0] for point in points]
    together: dict[int, object] = {}

    def read(number: int) -> None:
        together[number] = space.decode(points[number][None])[0]

    threads = [threading.Thread(target=read, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[n] for n in range(6)] == alone


def test_the_longest_continuation_is_cut_and_says_so(tiny) -> None:
    space = model_space(tiny, 1, prompt="Once upon a time", max_tokens=3)
    reading = space.decode(np.array([[0.5]]))[0]
    assert len(reading.words) == 3
    assert not reading.ended


def test_every_token_has_a_name_of_its_own(tiny) -> None:
    words = TokenWords(tiny)
    assert len(set(words.by_id)) == len(words) == tiny.info.vocab_size
    ids = (5, 300, 4000)
    assert words.ids(words.words(ids), 10) == ids
    text = "Ünïcode 🦉 stays"
    assert words.join(words.split(text)) == text


def test_a_prompt_that_does_not_fit_is_refused() -> None:
    model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
    limit = model.info.context_length
    if limit:
        with pytest.raises(InvalidParams, match="Shorten"):
            model_space(model, 2, prompt="a" * (limit + 1))
    with pytest.raises(InvalidParams, match="0"):
        model_space(model, 0, prompt="a")
