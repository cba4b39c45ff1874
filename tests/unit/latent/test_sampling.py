"""Exact draws, and splits that no sentence crosses."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from latent_small import chi_square, dogs, lists, written_out

from explorer.core.errors import InvalidParams
from explorer.latent.automaton import Automaton, Weighting
from explorer.latent.judge import Judge
from explorer.latent.sampling import draw_below, is_held_out, sample, samples
from explorer.latent.toy import toy_grammar


@pytest.mark.parametrize("make", [dogs, lists])
def test_the_uniform_sampler_is_uniform(make):
    grammar = make()
    sentences = written_out(grammar)
    draws = Counter(samples(Automaton(grammar), 3, 200 * len(sentences)))
    statistic, limit = chi_square(draws, dict.fromkeys(sentences, 200.0))
    assert statistic < limit


def test_the_weighted_sampler_follows_the_weights():
    grammar, count = lists(), 10_000
    draws = Counter(samples(Automaton(grammar, Weighting.RULES), 0, count))
    whole = 1 / 3 + 1 / 9 + 1 / 27
    expected = {
        words: count * (1 / 3) ** (len(words) // 2) / whole / 2 ** (len(words) // 2 + 1)
        for words in written_out(grammar)
    }
    assert math.isclose(sum(expected.values()), count)
    statistic, limit = chi_square(draws, expected)
    assert statistic < limit


def test_a_sample_is_a_function_of_its_key_and_valid():
    automaton, judge = Automaton(toy_grammar(), Weighting.RULES), Judge(toy_grammar())
    first = list(samples(automaton, 1, 300))
    assert [sample(automaton, 1, number) for number in (0, 299)] == [first[0], first[-1]]
    assert first != list(samples(automaton, 2, 300))
    verdicts = [judge.judge(words) for words in first]
    assert all(verdict.valid for verdict in verdicts)
    assert len({name for verdict in verdicts for name in verdict.rules}) > 80


def test_draws_of_any_size():
    draws = Counter(draw_below(6, "die", number) for number in range(6000))
    statistic, limit = chi_square(draws, dict.fromkeys(range(6), 1000.0))
    assert statistic < limit
    large = [draw_below(10**400, number) for number in range(50)]
    assert max(large) > 10**399
    assert len({*large}) == 50
    assert draw_below(1, "x") == 0
    with pytest.raises(InvalidParams, match="from 0 to below 0"):
        draw_below(0)


def test_the_split_is_decided_by_the_words_alone():
    sentences = list(samples(Automaton(toy_grammar()), 0, 2000))
    held = [is_held_out(words, 0.25) for words in sentences]
    assert held == [is_held_out(list(words), 0.25) for words in sentences]
    assert 420 < sum(held) < 580
    assert held != [is_held_out(words, 0.25, "other") for words in sentences]
    assert not any(is_held_out(words, 0) for words in sentences)
    assert all(is_held_out(words, 1) for words in sentences)
    with pytest.raises(InvalidParams, match=r"A share of 1\.5"):
        is_held_out(("a",), 1.5)
