"""The copies of a loop under each other: where each begins, and which tokens are one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.analyzers.counting_loops import counting_loops
from explorer.analyzers.near_loops import NearLoop, edited_loops
from explorer.analyzers.paraphrase_loops import paraphrase_loops
from explorer.core.loops import LoopThresholds
from explorer.core.types import Loop

Ids = NDArray[np.int64]
JUDGES = 9
"""Copies of which the one that is nearest to the others is taken for the unit."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A loop as the copies it consists of.

    Attributes:
        kind: "exact", or how a near-loop was found: "edited", "counting", "paraphrase", "meaning".
        starts: index of the first token of every copy, ascending; the last may be incomplete.
        end: index after the last token.
        whole: how many copies are complete; the first `whole` ones.
    """

    kind: str
    starts: tuple[int, ...]
    end: int
    whole: int

    @property
    def onset(self) -> int:
        """Index of the first token."""
        return self.starts[0]

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """(first, after the last) token of every copy."""
        return tuple(zip(self.starts, (*self.starts[1:], self.end), strict=True))

    @property
    def period(self) -> float:
        """Mean length of a complete copy, tokens."""
        first, last = self.starts[0], self.spans[self.whole - 1][1]
        return (last - first) / self.whole


@dataclass(frozen=True, slots=True)
class CopyTable:
    """Copies aligned with one of them, the unit.

    Attributes:
        unit: per column the index of the unit's token; None where only other copies have one.
        rows: per copy, per column, the index of its token; None for a gap.
    """

    unit: tuple[int | None, ...]
    rows: tuple[tuple[int | None, ...], ...]


def stretches(
    token_ids: Sequence[int],
    pieces: Sequence[str],
    loops: Sequence[Loop],
    thresholds: LoopThresholds | None = None,
) -> tuple[Stretch, ...]:
    """All loops of a text, exact and near ones, by onset.

    What is not periodic as a given loop says is left out: traces come from strangers too. A
    near-loop of which more than half is in one that was found before it is not listed: exact
    loops come first, then lists that count, edited loops, paraphrases.

    Args:
        token_ids: of the text.
        pieces: text of every token.
        loops: the exact ones.
        thresholds: what counts as a near-loop.
    """
    found = [s for loop in loops if (s := _exact(token_ids, loop)) is not None]
    near = (
        *counting_loops(pieces, thresholds),
        *edited_loops(token_ids, thresholds),
        *paraphrase_loops(pieces, thresholds),
    )
    found = with_new(found, [near_stretch(token_ids, loop) for loop in near])
    return tuple(found)


def with_new(known: Sequence[Stretch], more: Sequence[Stretch]) -> list[Stretch]:
    """Loops and those of `more` of which at most half is in one before; by onset."""
    kept = list(known)
    for new in more:
        shared = (min(new.end, old.end) - max(new.onset, old.onset) for old in kept)
        if max(shared, default=0) <= (new.end - new.onset) / 2:
            kept.append(new)
    return sorted(kept, key=lambda s: (s.onset, s.end))


def near_stretch(token_ids: Sequence[int], loop: NearLoop) -> Stretch:
    """A near-loop with what follows it, as far as that is the beginning of its last copy."""
    begin, end = loop.starts[-1], loop.end
    tail = 0
    while end + tail < len(token_ids) and token_ids[end + tail] == token_ids[begin + tail]:
        tail += 1
        if begin + tail == end:
            break
    starts = (*loop.starts, end) if tail else loop.starts
    is_whole = tail == end - begin
    return Stretch(loop.kind, starts, end + tail, len(loop.starts) + is_whole)


def _exact(ids: Sequence[int], loop: Loop) -> Stretch | None:
    onset, period = loop.onset, loop.period
    end = onset + round(loop.copies * period)
    if not (onset >= 0 and period >= 1 and onset + period <= end <= len(ids)):
        return None
    if list(ids[onset + period : end]) != list(ids[onset : end - period]):
        return None
    return Stretch("exact", tuple(range(onset, end, period)), end, (end - onset) // period)


def copy_table(token_ids: Sequence[int], stretch: Stretch) -> CopyTable:
    """Tokens of all copies in columns, one a place of the unit.

    Copies of an exact loop stand as they are. Others are aligned, by edit distance, with the
    complete copy that is nearest to the others; what they have more gets columns of its own.

    >>> copy_table([1, 2, 3, 1, 2, 9, 3], Stretch("edited", (0, 3), 7, 2)).rows
    ((0, 1, None, 2), (3, 4, 5, 6))
    """
    spans = stretch.spans
    if stretch.kind == "exact":
        width = spans[0][1] - spans[0][0]
        rows = tuple((*range(a, b), *[None] * (width - (b - a))) for a, b in spans)
        return CopyTable(rows[0], rows)
    copies = [np.asarray(token_ids[a:b], dtype=np.int64) for a, b in spans]
    center = _nearest_to_all(copies[: stretch.whole])
    pairs = [aligned(copies[center], copy) for copy in copies]
    return _columns(pairs, spans, center)


def _nearest_to_all(copies: Sequence[Ids]) -> int:
    places = np.unique(np.linspace(0, len(copies) - 1, min(JUDGES, len(copies))).round()).astype(
        int
    )
    costs = [sum(_distances(copies[i], copies[j])[-1, -1] for j in places) for i in places]
    return int(places[int(np.argmin(costs))])


def _columns(
    pairs: Sequence[Sequence[int | None]], spans: Sequence[tuple[int, int]], center: int
) -> CopyTable:
    """Once a gap always a gap: a column for every place, and before it for what is added there."""
    length = spans[center][1] - spans[center][0]
    widths = [0] * (length + 1)
    grouped = []
    for pair in pairs:
        own: list[int | None] = [None] * length
        added: list[list[int]] = [[] for _ in range(length + 1)]
        gap = 0
        for offset, place in enumerate(pair):
            if place is None:
                added[gap].append(offset)
            else:
                own[place], gap = offset, place + 1
        widths = [max(w, len(a)) for w, a in zip(widths, added, strict=True)]
        grouped.append((own, added))
    rows = []
    for (own, added), (first, _) in zip(grouped, spans, strict=True):
        row: list[int | None] = []
        for gap, width in enumerate(widths):
            row += [*(first + o for o in added[gap]), *[None] * (width - len(added[gap]))]
            if gap < length:
                at = own[gap]
                row.append(None if at is None else first + at)
        rows.append(tuple(row))
    return CopyTable(rows[center], tuple(rows))


def aligned(unit: Sequence[int] | Ids, copy: Sequence[int] | Ids) -> tuple[int | None, ...]:
    """For every token of a copy the place of the unit it stands at; None where it was added.

    By the fewest edits; of equally few, the most tokens stand at an equal one.

    >>> aligned([1, 2, 3], [1, 9, 2, 3])
    (0, None, 1, 2)
    """
    one, two = np.asarray(unit), np.asarray(copy)
    cost, gap = _distances(one, two), _gap(one, two)
    places: list[int | None] = [None] * len(two)
    i, j = len(one), len(two)
    while i and j:
        if cost[i, j] == cost[i - 1, j - 1] + (gap + 1) * (one[i - 1] != two[j - 1]):
            i, j = i - 1, j - 1
            places[j] = i
        elif cost[i, j] == cost[i, j - 1] + gap:
            j -= 1
        else:
            i -= 1
    return tuple(places)


def _gap(one: Ids, two: Ids) -> int:
    """What an edit costs; a change costs 1 more, which decides where edits are equally many."""
    return len(one) + len(two) + 1


def _distances(one: Ids, two: Ids) -> Ids:
    """What the edits between all prefixes cost, int64 [len(one) + 1, len(two) + 1]."""
    gap = _gap(one, two)
    steps = gap * np.arange(len(two) + 1)
    table = np.empty((len(one) + 1, len(two) + 1), dtype=np.int64)
    table[0] = steps
    for i, token in enumerate(one, 1):
        row = table[i - 1] + gap
        row[1:] = np.minimum(row[1:], table[i - 1, :-1] + (gap + 1) * (two != token))
        # adding tokens is a running minimum once each place's own number is taken off
        table[i] = np.minimum.accumulate(row - steps) + steps
    return table
