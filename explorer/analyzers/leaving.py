"""Who leaves a loop: what continuations that begin inside one did with it.

A continuation begins at a token of a loop. While its tokens are the periodic continuation it
stays; the first other token is its exit. What follows decides the verdict:

    stays       no other token came.
    ended       the exit is an end mark: the text stopped.
    came back   after the exit the same unit, begun anywhere in it, stood there twice.
    other loop  after the exit another unit stood there twice, long enough.
    escaped     it left, and no loop formed after the exit.

After the exit two copies count in place of detection's three, so that little text is enough: of
the same unit, two copies that fill at least 8 tokens; of another, two copies and two thirds of
detection's fewest tokens. Loops count wherever they form after the exit, also where they were
left again. A text that ended by itself after other tokens has escaped, if nothing looped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from explorer.core.loops import LoopThresholds, find_loops
from explorer.core.types import Loop

COPIES_AFTER = 2
"""Copies after an exit that make a loop."""
SAME_TOKENS = 8
"""Fewest tokens of the same unit's copies: a word said twice is no return."""


class Verdict(StrEnum):
    """What became of a continuation."""

    ESCAPED = "escaped"
    ENDED = "ended"
    OTHER_LOOP = "other loop"
    CAME_BACK = "came back"
    STAYS = "stays"
    FAILED = "failed"


ORDER = (
    Verdict.ESCAPED,
    Verdict.ENDED,
    Verdict.OTHER_LOOP,
    Verdict.CAME_BACK,
    Verdict.STAYS,
    Verdict.FAILED,
)
"""From the best to the worst, as tables are sorted."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens of a continuation that are a loop.

    Attributes:
        first: index of its first token in the continuation.
        end: index after its last.
        same: its unit is that of the loop that was left.
    """

    first: int
    end: int
    same: bool


@dataclass(frozen=True, slots=True)
class Left:
    """What one continuation did.

    Attributes:
        verdict: in a word.
        exit: index of its first token that is not the loop's; None where there is none.
        loops: what looped after the exit, in order.
    """

    verdict: Verdict
    exit: int | None
    loops: tuple[Stretch, ...] = ()


def periodic(unit: Sequence[int], done: int, count: int) -> tuple[int, ...]:
    """The periodic continuation of a loop.

    Args:
        unit: its copy.
        done: tokens of the stretch that stand there, from the unit's first on.
        count: how many to give.

    >>> periodic([5, 6, 7], 4, 4)
    (6, 7, 5, 6)
    """
    return tuple(unit[(done + i) % len(unit)] for i in range(count))


def judge(
    unit: Sequence[int],
    done: int,
    token_ids: Sequence[int],
    *,
    ended: bool = False,
    thresholds: LoopThresholds | None = None,
) -> Left:
    """What a continuation did with the loop it begins in.

    Args:
        unit: the loop's copy.
        done: tokens of the loop before the continuation, at least one copy.
        token_ids: the continuation.
        ended: its last token is an end mark.
        thresholds: what counts as a loop, as detection has it.

    >>> judge([5, 6, 7, 8], 12, [5, 6, 1, 2]).verdict, judge([5, 6], 4, [5, 6, 5]).exit
    (<Verdict.ESCAPED: 'escaped'>, None)
    """
    left = find_exit(unit, done, token_ids)
    if left is None:
        return Left(Verdict.STAYS, None)
    if ended and left == len(token_ids) - 1:
        return Left(Verdict.ENDED, left)
    after = token_ids[left:]
    same = returns(unit, after)
    other = [x for x in _others(unit, after, thresholds) if not _within(x, same)]
    loops = tuple(
        Stretch(x.first + left, x.end + left, x.same)
        for x in sorted([*same, *other], key=lambda x: x.first)
    )
    verdict = Verdict.OTHER_LOOP if loops else Verdict.ESCAPED
    return Left(Verdict.CAME_BACK if same else verdict, left, loops)


def find_exit(unit: Sequence[int], done: int, token_ids: Sequence[int]) -> int | None:
    """Index of the first token that is not the loop's."""
    expected = periodic(unit, done, len(token_ids))
    pairs = zip(token_ids, expected, strict=True)
    return next((i for i, (said, loop) in enumerate(pairs) if said != loop), None)


def returns(unit: Sequence[int], token_ids: Sequence[int]) -> list[Stretch]:
    """Stretches in which a unit stands twice or more, begun anywhere in it.

    >>> returns([1, 2, 3, 4], [9, 3, 4, 1, 2, 3, 4, 1, 2, 3, 9])
    [Stretch(first=1, end=10, same=True)]
    """
    period = len(unit)
    needed = max(COPIES_AFTER * period, SAME_TOKENS)
    found: list[Stretch] = []
    first = 0
    # What repeats itself at this distance is looked at where it ends.
    for i in range(period, len(token_ids) + 1):
        if i < len(token_ids) and token_ids[i] == token_ids[i - period]:
            continue
        if i - first >= needed and _is_rotation(token_ids[first : first + period], unit):
            found.append(Stretch(first, i, same=True))
        first = i - period + 1
    return found


def _is_rotation(one: Sequence[int], unit: Sequence[int]) -> bool:
    """True where one is the unit, begun anywhere in it."""
    twice, length = (*unit, *unit), len(unit)
    return any(twice[i : i + length] == tuple(one) for i in range(length))


def _others(
    unit: Sequence[int], token_ids: Sequence[int], thresholds: LoopThresholds | None
) -> list[Stretch]:
    """Loops under the thresholds after an exit; those of the same unit are left out."""
    usual = thresholds or LoopThresholds()
    share = min(1.0, COPIES_AFTER / usual.min_copies)
    fewest = max(2, math.ceil(usual.min_tokens * share))
    relaxed = replace(usual, min_copies=float(COPIES_AFTER), min_tokens=fewest)
    return [
        Stretch(x.onset, _end(x), same=False)
        for x in find_loops(token_ids, relaxed)
        if x.period != len(unit) or not _is_rotation(token_ids[x.onset : x.onset + x.period], unit)
    ]


def _end(loop: Loop) -> int:
    return loop.onset + round(loop.copies * loop.period)


def _within(one: Stretch, others: Sequence[Stretch]) -> bool:
    """True where most of a stretch is covered by another."""
    shared = (min(one.end, x.end) - max(one.first, x.first) for x in others)
    return any(2 * length > one.end - one.first for length in shared)
