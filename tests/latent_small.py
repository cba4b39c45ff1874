"""Small languages that can be written out in full."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from explorer.latent.grammar import Grammar
from explorer.latent.lengths import Row
from explorer.latent.notation import grammar_of
from explorer.latent.toy import FEATURES, MAX_WORDS, MIN_WORDS, RULES
from explorer.latent.toy_words import classes

DOGS = """
sentence 1: S[] -> NP[] VP[]
verb 1: VP[] -> V[] NP[]
noun 1: NP[] -> Det[] N[]
"""
DOG_WORDS = {"Det[]": ("a", "the"), "N[]": ("cat", "dog"), "V[]": ("chased", "sat")}


def dogs() -> Grammar:
    """32 sentences: the grammar of the published numbers."""
    return grammar_of(DOGS, DOG_WORDS, {})


def lists() -> Grammar:
    """Recursive, kept finite by its length: a or b, joined by "and", 3 to 7 words."""
    text = "one 2: list[] -> item[]\nmore 1: list[] -> item[] and list[]"
    return grammar_of(text, {"item[]": ("a", "b")}, {}, (3, 7))


def small_toy() -> Grammar:
    """The toy language cut down: one word a class, short noun phrases."""
    few = {name: found[:1] for name, found in classes().items()}
    dropped = ("whole_", "noun_size", "noun_quality", "group_", "simple_", "actor_", "object_")
    kept = (
        "whole_simple",
        "whole_relative",
        "group_plain",
        "group_colour",
        "simple_the ",
        "simple_amount",
        "simple_this",
        "actor_an ",
        "actor_the_many",
        "object_one",
    )
    lines = [
        line for line in RULES.splitlines() if not line.startswith(dropped) or line.startswith(kept)
    ]
    return grammar_of("\n".join(lines), few, FEATURES, (MIN_WORDS, MAX_WORDS))


def written_out(grammar: Grammar) -> list[Row]:
    """All derivations of a grammar as rows of words: repeats are sentences with two readings."""

    def rows(symbols: Row, room: int) -> Iterator[Row]:
        if not symbols:
            yield ()
        elif len(symbols) <= room:
            for head in one(symbols[0], room - len(symbols) + 1):
                yield from ((*head, *rest) for rest in rows(symbols[1:], room - len(head)))

    def one(symbol: str, room: int) -> Iterator[Row]:
        rules = grammar.by_left.get(symbol)
        if rules is None:
            return ((word,) for word in grammar.words(symbol))
        return itertools.chain.from_iterable(rows(rule.right, room) for rule in rules)

    found = one(grammar.start, grammar.max_words)
    return [words for words in found if len(words) >= grammar.min_words]


def chi_square(observed: dict[object, int], expected: dict[object, float]) -> tuple[float, float]:
    """The statistic, and what it exceeds once in some millions: mean and five deviations."""
    assert set(observed) <= set(expected)
    statistic = sum((observed.get(key, 0) - n) ** 2 / n for key, n in expected.items())
    freedom = len(expected) - 1
    return statistic, freedom + 5 * (2 * freedom) ** 0.5
