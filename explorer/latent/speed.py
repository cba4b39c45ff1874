"""How fast points become sentences: 10,000 at once against the published scheme, one by one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np

from explorer.latent.ariel import Ariel, Edge
from explorer.latent.automaton import Automaton, Weighting
from explorer.latent.grammar import Grammar
from explorer.latent.laws import GrammarLaws
from explorer.latent.lengths import Row
from explorer.latent.toy import toy_grammar

DIGITS = 100
END = "<EOS>"
NextWords = Callable[[Row], list[str]]


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds a point, from a cold start each.

    Attributes:
        points: decoded at once.
        seconds: for all of them, the reading of the grammar's states included.
        published: seconds a point as published: decimals of 100 digits, the words that may come
            next found anew at every word.
        published_kept: the same, where next words were looked up beforehand: decimals only.
        agree: True where all ways gave the same sentences.
    """

    points: int
    seconds: float
    published: float
    published_kept: float
    agree: bool

    @property
    def ratio(self) -> float:
        """How many times faster than as published."""
        return self.published * self.points / self.seconds

    @property
    def ratio_kept(self) -> float:
        """How many times faster than the published arithmetic alone."""
        return self.published_kept * self.points / self.seconds


def measure(points: int = 10_000, sample: int = 20, dimensions: int = 2, seed: int = 0) -> Speed:
    """Time both on uniform points of the toy language, all next words being equally likely.

    Args:
        points: decoded at once.
        sample: the first of them, which are also decoded as published.
        dimensions: of the cube.
        seed: of the points.
    """
    grammar = toy_grammar()
    drawn = np.random.default_rng(seed).random((points, dimensions)).tolist()
    started = time.perf_counter()
    laws = GrammarLaws(Automaton(grammar, Weighting.WORDS))
    ours = Ariel(laws, dimensions, edge=Edge.BELOW).decode_many(drawn)
    seconds = time.perf_counter() - started

    few = drawn[:sample]
    started = time.perf_counter()
    found = [published_decode(point, lambda prefix: next_words(grammar, prefix)) for point in few]
    published = (time.perf_counter() - started) / sample

    known: dict[Row, list[str]] = {}
    for words in found:
        known |= {words[:n]: next_words(grammar, words[:n]) for n in range(len(words) + 1)}
    started = time.perf_counter()
    again = [published_decode(point, known.__getitem__) for point in few]
    kept = (time.perf_counter() - started) / sample
    agree = found == again == [laws.words(decoded.tokens) for decoded in ours[:sample]]
    return Speed(points, seconds, published, kept, agree)


def published_decode(point: Sequence[float], allowed: NextWords, most: int = 100) -> Row:
    """A point's sentence by the published rules, written from the rules.

    Bounds of every dimension are decimals; the interval is cut into equal parts for the sorted
    words that may come next, and the first closed part that holds the coordinate is taken.

    Raises:
        ArithmeticError: if no end comes within `most` words.
    """
    with localcontext() as context:
        context.prec = DIGITS
        z = [Decimal(value) for value in point]
        low, high = [Decimal(0)] * len(z), [Decimal(1)] * len(z)
        words: Row = ()
        for step in range(most):
            k, choices = step % len(z), allowed(words)
            width = (high[k] - low[k]) / len(choices)
            place = 0
            while place < len(choices) - 1 and z[k] > low[k] + width * (place + 1):
                place += 1
            low[k], high[k] = low[k] + width * place, low[k] + width * (place + 1)
            if choices[place] == END:
                return words
            words = (*words, choices[place])
    raise ArithmeticError(f"no end within {most} words")


def next_words(grammar: Grammar, prefix: Row) -> list[str]:
    """The words that may follow a prefix, sorted, the end first: the rules read from the start."""
    rows: set[Row] = {(grammar.start,)}
    for number, word in enumerate(prefix, 1):
        rows = {
            row[1:]
            for row in _opened(grammar, rows)
            if row and word in grammar.words(row[0]) and _can_end(grammar, row[1:], number)
        }
    number = len(prefix)
    found = {
        word
        for row in _opened(grammar, rows)
        if row and _can_end(grammar, row[1:], number + 1)
        for word in grammar.words(row[0])
    }
    ends = () in rows and number >= grammar.min_words
    return [END, *sorted(found)] if ends else sorted(found)


def _opened(grammar: Grammar, rows: set[Row]) -> set[Row]:
    """The same rows, rules applied until each begins with a word."""
    done: set[Row] = set()
    waiting = list(rows)
    while waiting:
        row = waiting.pop()
        rules = grammar.by_left.get(row[0]) if row else None
        if rules is None:
            done.add(row)
        else:
            waiting += [rule.right + row[1:] for rule in rules]
    return done


def _can_end(grammar: Grammar, row: Row, used: int) -> bool:
    lengths = grammar.counts.of(row)
    return any(lengths[max(0, grammar.min_words - used) : grammar.max_words - used + 1])
