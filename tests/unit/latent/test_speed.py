"""The promise of speed, and the published rules as a second opinion on every sentence."""

from __future__ import annotations

import pytest
from latent_small import dogs, lists

from explorer.latent.speed import END, measure, next_words, published_decode


def test_many_points_are_fast_and_say_what_the_published_rules_say():
    speed = measure(points=10_000, sample=12)
    assert speed.agree
    assert speed.seconds < 10
    assert speed.ratio > 50


@pytest.mark.parametrize("dimensions", [1, 3])
def test_other_dimensions_agree(dimensions):
    assert measure(points=8, sample=8, dimensions=dimensions).agree


def test_next_words_by_hand():
    assert next_words(dogs(), ("a", "cat")) == ["chased", "sat"]
    assert next_words(dogs(), ("a", "cat", "sat", "the", "dog")) == [END]
    assert next_words(lists(), ("a", "and", "b")) == [END, "and"]
    assert next_words(lists(), ("a",)) == ["and"]


def test_a_text_that_never_ends_is_refused():
    with pytest.raises(ArithmeticError, match="no end within 100 words"):
        published_decode([0.3], lambda _: ["a", "b"])
