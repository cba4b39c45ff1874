"""Lists that count: the same line again and again, with a number that goes up or down."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from explorer.analyzers.near_loops import NearLoop
from explorer.core.loops import LoopThresholds, find_loops

_NUMBER = "#"
_DIGITS = 18
"""Longer numbers are read by their last digits: no list counts so far."""


def counting_loops(
    pieces: Sequence[str], thresholds: LoopThresholds | None = None
) -> tuple[NearLoop, ...]:
    """Loops that are exact once every number is taken for the same word, and whose numbers count.

    Digits are joined first, so that 9 and 10 are one number each whatever the tokenizer does. At
    least one number of the unit must move by the same step, not 0, from every copy to the next.

    Args:
        pieces: text of every token.
        thresholds: of the exact loops; lengths count words, a number being one.

    Oracle: planted lists of any step and start (tests/unit/analyzers/test_near_loops.py).

    >>> pieces = [p for n in range(8, 20) for p in ("Step", " ", *str(n), ":", " go", ".")]
    >>> (found,) = counting_loops(pieces)
    >>> found.onset, found.copies, found.end == len(pieces)
    (0, 12, True)
    """
    words, starts = _words(pieces)
    numbers: dict[str, int] = {}
    ids = [
        numbers.setdefault(_NUMBER if word.strip().isdecimal() else f"w{word}", len(numbers))
        for word in words
    ]
    ends = [*starts[1:], len(pieces)] if starts else []
    found = []
    for loop in find_loops(ids, thresholds):
        copies = int(loop.copies + 1e-9)
        last = loop.onset + copies * loop.period
        units = [words[a : a + loop.period] for a in range(loop.onset, last, loop.period)]
        if not _counts(units):
            continue
        onset, end = starts[loop.onset], ends[last - 1]
        changed = sum(a != b for one, two in pairwise(units) for a, b in zip(one, two, strict=True))
        likeness = 1.0 - changed / (loop.period * (copies - 1))
        firsts = tuple(starts[a] for a in range(loop.onset, last, loop.period))
        period = (end - onset) / copies
        found.append(NearLoop("counting", onset, end, period, copies, likeness, firsts))
    return tuple(found)


def _counts(units: Sequence[Sequence[str]]) -> bool:
    for column in zip(*units, strict=True):
        if not all(word.strip().isdecimal() for word in column):
            continue
        values = [int(word.strip()[-_DIGITS:]) for word in column]
        steps = {b - a for a, b in pairwise(values)}
        if len(steps) == 1 and 0 not in steps:
            return True
    return False


def _words(pieces: Sequence[str]) -> tuple[list[str], list[int]]:
    """Pieces with the digits of a number joined, and the token each begins at."""
    words: list[str] = []
    starts: list[int] = []
    for place, piece in enumerate(pieces):
        if words and piece.isdecimal() and words[-1].strip().isdecimal():
            words[-1] += piece
            continue
        words.append(piece)
        starts.append(place)
    return words, starts
