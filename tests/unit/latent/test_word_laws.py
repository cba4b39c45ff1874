"""AriEL over a trained model of words: the same law in every company, so sentences come back."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from latent_nets import VOCABULARY, loaded
from latent_small import chi_square

from explorer.latent.ariel import Ariel
from explorer.latent.law import Law
from explorer.latent.nets import padded
from explorer.latent.space import ArielSpace, Words
from explorer.latent.word_laws import WordLaws
from explorer.latent.word_lm import WordModel


@pytest.fixture(scope="module")
def net(tmp_path_factory) -> WordModel:
    return loaded(tmp_path_factory.mktemp("lm"), "lm", 0)


def same(one: Law, other: Law) -> bool:
    return bool((one.cumulative == other.cumulative).all() and (one.ids == other.ids).all())


def test_a_law_is_the_same_to_the_last_bit_alone_and_among_hundreds(net):
    random = np.random.default_rng(0)
    places = [()] + [
        tuple(int(i) for i in random.integers(1, 12, random.integers(1, 9))) for _ in range(500)
    ]
    together = WordLaws(net).laws(places)
    again = WordLaws(net, recent=4).laws(places[::-1])[::-1]
    alone = [WordLaws(net).laws([place])[0] for place in places[:60]]
    assert all(map(same, together, again))
    assert all(map(same, together, alone))


@pytest.mark.parametrize("dimensions", [1, 2, 16, 64])
def test_two_hundred_words_come_back(net, dimensions):
    tokens = tuple(int(i) for i in np.random.default_rng(dimensions).integers(1, 12, 200))
    point = Ariel(WordLaws(net), dimensions).encode(tokens)
    decoded = Ariel(WordLaws(net, recent=4), dimensions).decode(point)
    assert (decoded.tokens, decoded.ended) == (tokens, True)


def test_volumes_are_the_probabilities_of_the_model(net):
    for tokens in ((1,), (3, 4, 5), (11, 1)):
        ids = padded([tokens])
        law = net.logits(ids).log_softmax(-1)
        own = float(law.gather(-1, ids.unsqueeze(-1)).sum())
        bits = Ariel(WordLaws(net), 2).box(tokens).bits
        assert bits * np.log(2) == pytest.approx(-own, abs=2e-2)  # rounded states: see recurrent


@pytest.mark.parametrize("dimensions", [1, 2, 16])
def test_uniform_points_are_ancestral_samples(net, dimensions):
    space = ArielSpace(WordLaws(net), Words(VOCABULARY), dimensions, max_words=3)
    points = np.random.default_rng(5).random((4000, dimensions))
    drawn = Counter(reading.words[:2] for reading in space.decode(points))
    laws = WordLaws(net)
    expected: dict[object, float] = {}
    for first in range(12):
        p = laws.laws([()])[0].probability(first)
        if first == 0:
            expected[()] = 4000 * p
            continue
        law = laws.laws([(first,)])[0]
        for second in range(12):
            words = space.words.words((first, second) if second else (first,))
            expected[words] = 4000 * p * law.probability(second)
    rare = [words for words, number in expected.items() if number < 5]
    observed: dict[object, int] = dict(drawn)
    observed["rare"] = sum(observed.pop(words, 0) for words in rare)
    expected["rare"] = sum(expected.pop(words) for words in rare)
    observed = {words: observed.get(words, 0) for words in expected}
    assert sum(observed.values()) == 4000
    statistic, limit = chi_square(observed, expected)
    assert statistic < limit
