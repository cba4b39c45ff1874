"""Exact periodic stretches of a token sequence, found online in O(max_period) a token.

A stretch is periodic with period d while every token equals the one d places before it. Serving
engines stop on the same condition (vLLM's repetition detection); here it is also kept, measured
and shown: onset, period, copies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from explorer.core.types import Loop

LONGEST_PERIOD = 10_000
"""Every token is compared with so many before it, at most."""
MOST_TOKENS = 10**9
"""Longer than any text; beyond the machine's own numbers a comparison would fail."""


@dataclass(frozen=True, slots=True)
class LoopThresholds:
    """When a periodic stretch counts as a loop.

    Attributes:
        max_period: longest unit looked for, tokens.
        min_copies: fewest copies of the unit, the first included.
        min_tokens: fewest tokens in the whole stretch, the first copy included.
    """

    max_period: int = 128
    min_copies: float = 3.0
    min_tokens: int = 48

    def __post_init__(self) -> None:
        given = (self.max_period, self.min_copies, self.min_tokens)
        whole = all(isinstance(x, int) for x in (self.max_period, self.min_tokens))
        numbers = whole and isinstance(self.min_copies, (int, float))
        if not (
            numbers
            and 1 <= self.max_period <= LONGEST_PERIOD
            and 2 <= self.min_copies <= LONGEST_PERIOD  # false for NaN
            and 2 <= self.min_tokens <= MOST_TOKENS
        ):
            raise ValueError(
                f"loop thresholds need max_period from 1 to {LONGEST_PERIOD:,}, min_copies from 2"
                f" to {LONGEST_PERIOD:,} and min_tokens from 2 to {MOST_TOKENS:,}, got {given}"
            )


class LoopDetector:
    """Watches one row; `push` a token at a time, `copy` it where a beam fans out.

    For every period d it keeps how many of the latest tokens equal the token d before them. The
    smallest period that qualifies opens a loop, which stays one loop while it goes on: a shorter
    one inside every copy of its unit is not listed beside it.
    """

    def __init__(self, thresholds: LoopThresholds | None = None) -> None:
        self.thresholds = thresholds or LoopThresholds()
        limit = self.thresholds.max_period
        self._periods = np.arange(1, limit + 1)
        self._needed = np.maximum(
            np.ceil((self.thresholds.min_copies - 1.0) * self._periods),
            self.thresholds.min_tokens - self._periods,
        ).astype(np.int64)
        self._matches = np.zeros(limit, dtype=np.int64)
        self._recent = np.full(limit, -1, dtype=np.int64)  # latest token first; -1 is no id
        self._length = 0
        self._closed: list[Loop] = []
        self._open: Loop | None = None

    def push(self, token_id: int) -> Loop | None:
        """Add a token; the loop it is part of, if it is in one."""
        same = self._recent == token_id
        self._matches = np.where(same, self._matches + 1, 0)
        self._recent[1:] = self._recent[:-1].copy()
        self._recent[0] = token_id
        self._length += 1
        qualifies = np.flatnonzero(self._matches >= self._needed)
        current = None
        if qualifies.size:
            place = int(qualifies[0])
            if self._open is not None and self._open.period - 1 in qualifies:
                place = self._open.period - 1
            period = int(self._periods[place])
            span = int(self._matches[place]) + period
            current = Loop(onset=self._length - span, period=period, copies=span / period)
        if self._open is not None and (current is None or current.period != self._open.period):
            self._closed.append(self._open)
        self._open = current
        return current

    @property
    def current(self) -> Loop | None:
        """The loop that the latest token is part of."""
        return self._open

    @property
    def loops(self) -> tuple[Loop, ...]:
        """All loops so far, by end; the last may still be going on."""
        return (*self._closed, *([self._open] if self._open else []))

    def copy(self) -> LoopDetector:
        """An independent detector with the same past."""
        twin = LoopDetector(self.thresholds)
        twin._matches = self._matches.copy()
        twin._recent = self._recent.copy()
        twin._length = self._length
        twin._closed = list(self._closed)
        twin._open = self._open
        return twin


def find_loops(
    token_ids: Iterable[int], thresholds: LoopThresholds | None = None
) -> tuple[Loop, ...]:
    """All loops of a finished sequence.

    >>> find_loops([9, 9, 1] + [5, 6, 7, 8] * 13)
    (Loop(onset=3, period=4, copies=13.0),)
    """
    detector = LoopDetector(thresholds)
    for token_id in token_ids:
        detector.push(token_id)
    return detector.loops
