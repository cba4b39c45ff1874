"""A sentence again and again: its figures, whatever is read beside it."""

from __future__ import annotations

import pytest
import torch
from fakes import NumberTokenizer, ScriptedModel, hashed_script, tiny_llama

from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.models import HFModel
from explorer.services.loading import load_model
from explorer.services.loops.self_reinforcement import (
    bundled_sentences,
    curve,
    random_units,
    self_reinforcement,
)


@pytest.fixture(scope="module")
def llama() -> HFModel:
    return HFModel.from_parts(tiny_llama(), NumberTokenizer())


def test_the_figures_are_those_of_one_forward_over_all_copies(llama) -> None:
    rows = [[8, 9, 10], [20, 21, 22, 23, 24], [30]]
    units = self_reinforcement(llama, rows, repetitions=3, base="5 6")
    prompt = llama.tokenizer.encode("5 6")
    for row, unit in zip(rows, units, strict=True):
        text = row * 4
        laws = torch.cat([x for _, x in llama.score([*prompt, *text], len(prompt))]).softmax(-1)
        alone = [float(law[i]) for law, i in zip(laws, text, strict=True)]
        assert [p for copy in unit.probabilities for p in copy] == pytest.approx(alone, abs=1e-5)
        wins = [int(law.argmax()) == i for law, i in zip(laws, text, strict=True)]
        assert [w for copy in unit.wins for w in copy] == wins
        assert unit.token_ids == tuple(row)
        assert len(unit.probabilities) == 4


def test_averages_are_over_tokens_and_compare_with_the_first_occurrence(llama) -> None:
    units = self_reinforcement(llama, [[8, 9, 10], [20, 21, 22, 23, 24]], repetitions=2, base="5")
    second = curve(units)[2]
    pairs = [
        (now, first)
        for u in units
        for now, first in zip(u.probabilities[2], u.probabilities[0], strict=True)
    ]
    assert second.tp.value == pytest.approx(sum(p for p, _ in pairs) / 8)
    assert second.ip.value == sum(p > q for p, q in pairs) / 8
    assert second.tp.low <= second.tp.value <= second.tp.high
    assert second.tp.n == 8
    assert set(second.as_data()) == {
        "repetition", "tokens", "tp", "tp_95", "ip", "ip_95", "wr", "wr_95",
    }  # fmt: skip
    alone = curve(units[:1])[0]
    assert (alone.wr.low, alone.wr.high) == (0, 1)  # one sentence says nothing of others


def test_the_shipped_model_learns_a_sentence_by_its_copies() -> None:
    model = load_model("tiny")
    natural = curve(self_reinforcement(model, bundled_sentences()[:8], repetitions=3))
    first, last = natural[0], natural[-1]
    assert first.ip.value == 0
    assert last.tp.value > 1.5 * first.tp.value
    assert last.ip.low > 0.5  # tokens likelier than before are the rule
    assert last.wr.value > first.wr.value


def test_the_sentences_are_32_and_random_ones_hold_no_mark() -> None:
    assert len(set(bundled_sentences())) == 32
    model = ScriptedModel(hashed_script(38))
    units = random_units(model.tokenizer, 50, 6, seed=3)
    assert units == random_units(model.tokenizer, 50, 6, seed=3)
    assert {len(u) for u in units} == {6}
    assert all(not model.tokenizer.is_special(i) for u in units for i in u)


@pytest.mark.parametrize(
    ("sentences", "more", "message"),
    [
        ([], {}, "0 sentences were given"),
        (["abc", " "], {}, "Sentence 2 holds no token"),
        ([[]], {}, "Sentence 1 holds no token"),
        (["abc"], {"repetitions": 0}, "repetitions must be at least 1"),
        ([7], {}, "Sentence 1"),
    ],
)
def test_what_cannot_be_repeated_is_named(sentences, more, message) -> None:
    with pytest.raises(InvalidParams, match=message):
        self_reinforcement(ScriptedModel(hashed_script(38)), sentences, **more)


def test_too_many_copies_for_the_context_are_refused_before_anything_is_read() -> None:
    model = ScriptedModel(hashed_script(38), context_length=64)
    with pytest.raises(NotCapable):
        self_reinforcement(model, ["abcdefgh"], repetitions=20)
    one = self_reinforcement(model, ["ab"], repetitions=1, base="a")
    two = self_reinforcement(model, ["ab"], repetitions=2, base="a")
    with pytest.raises(InvalidParams, match="2 sentences have 2 different"):
        curve([*one, *two])
