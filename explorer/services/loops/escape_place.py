"""Where an escape board begins: a point of a trace inside one of its loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.core.errors import InvalidParams
from explorer.core.types import Loop, Trace
from explorer.services import checks

USUAL_COPY = 3
"""The copy after which a board begins, where nothing else is asked."""


@dataclass(frozen=True, slots=True)
class Place:
    """A point of a trace inside one of its loops.

    Attributes:
        at: tokens of the trace before it.
        loop: the loop.
        unit: ids of its first copy.
        least: smallest `at` of the loop: its first copy stands there.
        most: largest: the loop's end.
    """

    at: int
    loop: Loop
    unit: tuple[int, ...]
    least: int
    most: int

    @property
    def done(self) -> int:
        """Tokens of the loop before the point."""
        return self.at - self.loop.onset


def find_place(trace: Trace, at: int | None = None) -> Place:
    """A point inside a loop of a trace.

    Args:
        trace: one with an exact loop.
        at: tokens before the point: anywhere in a loop from the end of its first copy on. None
            is the end of the third copy of the last loop, or of a later one: that after which
            each of the loop's tokens was the likeliest until its end, so that greedy decoding
            stays. Loops with fewer copies give their last whole one.

    Raises:
        InvalidParams: for a trace without a loop, or a point that is in none.
    """
    loops = [(loop, *_span(loop)) for loop in real_loops(trace)]
    if not loops:
        raise InvalidParams(
            "This lane has no loop to leave.",
            "Run it for more tokens, or take a lane whose text repeats itself.",
        )
    if at is None:
        loop, least, most = loops[-1]
        return _place(trace, _usual(trace, loop, most), loop, least, most)
    at = checks.whole("at", at, 0, len(trace.steps))
    holding = [entry for entry in loops if entry[1] <= at <= entry[2]]
    if not holding:
        spans = " or ".join(f"{least:,} to {most:,}" for _, least, most in loops)
        raise InvalidParams(
            f"After {at:,} tokens this lane is in no loop that has been around once.",
            f"Choose from {spans}.",
        )
    return _place(trace, at, *holding[-1])


def real_loops(trace: Trace) -> tuple[Loop, ...]:
    """The loops of a trace that its tokens bear out: a file is a stranger's, and may claim any."""
    ids = trace.token_ids
    return tuple(loop for loop in trace.loops if _holds(loop, ids))


def _holds(loop: Loop, ids: Sequence[int]) -> bool:
    least, most = _span(loop)
    is_inside = loop.onset >= 0 and least <= most <= len(ids)
    return is_inside and all(ids[i] == ids[i - loop.period] for i in range(least, most))


def _span(loop: Loop) -> tuple[int, int]:
    return loop.onset + loop.period, loop.onset + round(loop.copies * loop.period)


def _place(trace: Trace, at: int, loop: Loop, least: int, most: int) -> Place:
    return Place(at, loop, trace.token_ids[loop.onset : loop.onset + loop.period], least, most)


def _usual(trace: Trace, loop: Loop, end: int) -> int:
    whole = (end - loop.onset) // loop.period
    caught = 1
    for index in range(loop.onset, end):
        if trace.steps[index].rank:
            caught = (index - loop.onset) // loop.period + 2
    return loop.onset + min(whole, max(USUAL_COPY, caught)) * loop.period
