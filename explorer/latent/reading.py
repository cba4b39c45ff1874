"""Readings of a sentence: which rules write it, and in how many ways. O(words^3) a rule."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.latent.grammar import Grammar, Rule
from explorer.latent.lengths import Row


class Reader:
    """All readings of one row of words, by spans.

    Another way to the same judgement as `Automaton`, which knows no rules by name.

    Args:
        grammar: the grammar; its bounds on the number of words are not looked at.
        words: the row.
    """

    def __init__(self, grammar: Grammar, words: Sequence[str]) -> None:
        self._grammar, self._words = grammar, tuple(words)
        self._ends: dict[tuple[Row, int], dict[int, int]] = {}

    def readings(self) -> int:
        """In how many ways the rules write these words; 0 where they do not."""
        return self._row((self._grammar.start,), 0).get(len(self._words), 0)

    def rules(self) -> tuple[Rule, ...]:
        """The rules of one reading, from the top down and from left to right; empty if none."""
        if not self.readings():
            return ()
        found: list[Rule] = []
        waiting = [(self._grammar.start, 0, len(self._words))]
        while waiting:
            symbol, first, end = waiting.pop()
            rules = self._grammar.by_left.get(symbol)
            if rules is not None:
                rule = next(r for r in rules if end in self._row(r.right, first))
                found.append(rule)
                waiting += reversed(self._spans(rule.right, first, end))
        return tuple(found)

    def _spans(self, row: Row, first: int, end: int) -> list[tuple[str, int, int]]:
        spans = []
        while row:
            head, rest = row[:1], row[1:]
            cut = next(c for c in self._row(head, first) if end in self._row(rest, c))
            spans.append((head[0], first, cut))
            row, first = rest, cut
        return spans

    def _row(self, row: Row, first: int) -> dict[int, int]:
        """Ends of what a row can write from a word on, with the number of ways."""
        if not row:
            return {first: 1}
        known = self._ends.get((row, first))
        if known is None:
            known = {}
            for cut, ways in self._symbol(row[0], first).items():
                for end, more in self._row(row[1:], cut).items():
                    known[end] = known.get(end, 0) + ways * more
            self._ends[row, first] = known
        return known

    def _symbol(self, symbol: str, first: int) -> dict[int, int]:
        rules = self._grammar.by_left.get(symbol)
        if rules is None:
            here = first < len(self._words) and self._words[first] in self._grammar.words(symbol)
            return {first + 1: 1} if here else {}
        found: dict[int, int] = {}
        for rule in rules:
            for end, ways in self._row(rule.right, first).items():
                found[end] = found.get(end, 0) + ways
        return found
