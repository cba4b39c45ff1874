"""All repeated spans of a token sequence, by a suffix automaton: O(n) states and steps."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch that stands more than once, and whose places agree no further on either side.

    Attributes:
        first: index where its first copy begins.
        length: tokens.
        count: how often it stands; copies may overlap.
    """

    first: int
    length: int
    count: int


def repeated_spans(tokens: Sequence[Hashable], min_length: int = 2) -> tuple[Span, ...]:
    """Every maximal repeat, the longest first, then by place.

    A repeat is maximal where no token before it, and none after it, is the same at all its
    places; every other repeated stretch lies inside one of these as often.

    Args:
        tokens: ids, or anything that can be compared.
        min_length: shortest span listed, tokens.

    Raises:
        ValueError: for a length below 1.

    Source: Blumer et al., "The smallest automaton recognizing the subwords of a text", 1985;
        maximal repeats after Gusfield, "Algorithms on Strings, Trees and Sequences", 7.12.
    Oracle: the scan of all pairs of places (tests/unit/analyzers/test_repeats.py).

    >>> repeated_spans([7, 1, 2, 3, 8, 1, 2, 3, 9, 2, 3])
    (Span(first=1, length=3, count=2), Span(first=2, length=2, count=3))
    """
    if min_length < 1:
        raise ValueError(f"a span has at least 1 token, got min_length {min_length}")
    automaton = _Automaton(tokens)
    counts = automaton.counts()
    spans = [
        Span(automaton.ends[state] - automaton.lengths[state] + 1, automaton.lengths[state], count)
        for state, count in enumerate(counts)
        if count > 1
        and automaton.lengths[state] >= min_length
        and all(counts[after] < count for after in automaton.steps[state].values())
    ]
    spans.sort(key=lambda span: (-span.length, span.first))
    return tuple(spans)


def places(tokens: Sequence[Hashable], span: Span) -> tuple[int, ...]:
    """Where the copies of a span begin, in order; O(n) by Knuth, Morris and Pratt.

    >>> places([1, 1, 1, 2, 1, 1], Span(0, 2, 3))
    (0, 1, 4)
    """
    unit = tokens[span.first : span.first + span.length]
    border = [0] * len(unit)
    held = 0
    for i in range(1, len(unit)):
        while held and unit[i] != unit[held]:
            held = border[held - 1]
        held += unit[i] == unit[held]
        border[i] = held
    found, held = [], 0
    for i, token in enumerate(tokens):
        while held and token != unit[held]:
            held = border[held - 1]
        held += token == unit[held]
        if held == len(unit):
            found.append(i - held + 1)
            held = border[held - 1]
    return tuple(found)


class _Automaton:
    """States are sets of places where the same stretches end; state 0 is the empty stretch.

    Attributes:
        lengths: of the longest stretch of a state.
        links: the state of the longest stretch that is shorter and ends at more places.
        ends: the first place where a state's stretches end.
        steps: per state, token to state.
    """

    def __init__(self, tokens: Sequence[Hashable]) -> None:
        self.lengths, self.links, self.ends = [0], [-1], [-1]
        self.steps: list[dict[Hashable, int]] = [{}]
        self._prefixes: list[int] = []
        last = 0
        for place, token in enumerate(tokens):
            last = self._append(last, token, place)
            self._prefixes.append(last)

    def _append(self, last: int, token: Hashable, place: int) -> int:
        steps, links, lengths = self.steps, self.links, self.lengths
        new = self._state(lengths[last] + 1, place, {})
        state = last
        while state >= 0 and token not in steps[state]:
            steps[state][token] = new
            state = links[state]
        if state < 0:
            links[new] = 0
            return new
        target = steps[state][token]
        if lengths[state] + 1 != lengths[target]:
            target = self._split(state, token, target)
        links[new] = target
        return new

    def _split(self, state: int, token: Hashable, target: int) -> int:
        """Part the shorter stretches of a state from the longer, which end at fewer places."""
        steps, links = self.steps, self.links
        clone = self._state(self.lengths[state] + 1, self.ends[target], dict(steps[target]))
        links[clone], links[target] = links[target], clone
        while state >= 0 and steps[state].get(token) == target:
            steps[state][token] = clone
            state = links[state]
        return clone

    def _state(self, length: int, end: int, steps: dict[Hashable, int]) -> int:
        self.lengths.append(length)
        self.ends.append(end)
        self.links.append(0)
        self.steps.append(steps)
        return len(self.lengths) - 1

    def counts(self) -> list[int]:
        """Per state, at how many places its stretches end."""
        counts = [0] * len(self.lengths)
        for state in self._prefixes:
            counts[state] = 1
        by_length: list[list[int]] = [[] for _ in range(len(self._prefixes) + 1)]
        for state, length in enumerate(self.lengths):
            by_length[length].append(state)
        for states in reversed(by_length[1:]):
            for state in states:
                counts[self.links[state]] += counts[state]
        counts[0] = 0  # the empty stretch
        return counts
