"""What a row of symbols derives, by number of words: counts or probabilities, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction

Number = int | Fraction
"""Counts are integers, probabilities fractions; both are exact."""

Row = tuple[str, ...]
Choices = Callable[[str], Iterable[tuple[Number, Row]] | None]
"""The weighted right sides of a symbol; None for a terminal, which is one word."""


class Lengths:
    """Dynamic programming over rows of symbols and numbers of words.

    Args:
        choices: the weighted right sides of a symbol.
        leaf: the summed weight of the words of a terminal.
        max_words: longer derivations are not looked at.

    >>> rules = {"s": [(1, ("a",)), (1, ("a", "s"))]}
    >>> Lengths(rules.get, lambda terminal: 2, max_words=4).of(("s",))
    (0, 2, 4, 8, 16)
    """

    def __init__(self, choices: Choices, leaf: Callable[[str], Number], max_words: int) -> None:
        self._choices, self._leaf, self._max_words = choices, leaf, max_words
        self._known: dict[tuple[Row, int], Number] = {}
        self._tables: dict[Row, tuple[Number, ...]] = {}

    def of(self, row: Row) -> tuple[Number, ...]:
        """The weight of all derivations with 0, 1, … `max_words` words."""
        table = self._tables.get(row)
        if table is None:
            table = tuple(self._exactly(row, words) for words in range(self._max_words + 1))
            self._tables[row] = table
        return table

    def _exactly(self, row: Row, words: int) -> Number:
        if not row or words < len(row):
            return int(not row and not words)
        known = self._known.get((row, words))
        if known is None:
            known = self._symbol(row[0], words) if len(row) == 1 else self._split(row, words)
            self._known[row, words] = known
        return known

    def _symbol(self, symbol: str, words: int) -> Number:
        choices = self._choices(symbol)
        if choices is None:
            return self._leaf(symbol) if words == 1 else 0
        weights: list[Number] = [w * self._exactly(row, words) for w, row in choices]
        return sum(weights)

    def _split(self, row: Row, words: int) -> Number:
        total: Number = 0
        for first in range(1, words - len(row) + 2):
            # The rest first: where it derives nothing, the recursion on the left need not run.
            rest = self._exactly(row[1:], words - first)
            if rest:
                total += rest * self._exactly(row[:1], first)
        return total
