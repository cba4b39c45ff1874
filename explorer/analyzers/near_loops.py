"""Near-loops: units that come again with a few tokens changed, added or left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from explorer.core.loops import LoopThresholds

SEED = 3
"""Tokens that must come again unchanged before a unit is compared at all."""


@dataclass(frozen=True, slots=True)
class NearLoop:
    """A stretch that repeats itself, though not token by token.

    Attributes:
        kind: "edited", "counting" or "paraphrase".
        onset: index of its first token.
        end: index after its last.
        period: mean length of a copy, tokens.
        copies: how many, the first included.
        likeness: how alike neighbouring copies are, mean; 1 is the same.
        starts: index of the first token of every copy.
    """

    kind: str
    onset: int
    end: int
    period: float
    copies: int
    likeness: float
    starts: tuple[int, ...]


def edited_loops(
    token_ids: Sequence[int],
    thresholds: LoopThresholds | None = None,
    max_edits: float = 0.15,
) -> tuple[NearLoop, ...]:
    """Loops in which each copy is a few edits away from the one before.

    A copy counts while its edit distance to the copy before it is at most
    `floor(max_edits * length)` of that copy, so units shorter than 1 / max_edits tokens must come
    again exactly; what never changes is left to `explorer.core.loops`. Copies that are each a third
    of that away from one unit are found for certain enough to be tested; nearer the limit, a
    copy's end may be misjudged and the loop cut. A unit is aligned only
    where it shares so many pairs of tokens with what follows that it may be that near, and only
    where a stretch that comes again begins: text without loops costs a look a token.

    Args:
        token_ids: of the text.
        thresholds: longest unit, fewest copies, fewest tokens.
        max_edits: share of a copy's tokens.

    Raises:
        ValueError: for a share that is not in (0, 0.5].

    Oracle: planted loops, and none in de Bruijn sequences
        (tests/unit/analyzers/test_near_loops.py).
    """
    if not 0 < max_edits <= 0.5:
        raise ValueError(f"max_edits is a share in (0, 0.5], got {max_edits}")
    given = thresholds or LoopThresholds()
    found: list[NearLoop] = []
    latest: dict[tuple[int, ...], int] = {}
    before = 0
    free = 0
    for i in range(len(token_ids) - SEED + 1):
        word = tuple(token_ids[i : i + SEED])
        lag = i - latest.get(word, i)
        latest[word] = i
        # only where a stretch that comes again begins: one place later nothing new is to be seen
        is_start = lag not in (0, before)
        before = lag
        if not is_start or lag > given.max_period or i - lag < free:
            continue
        ends, edits = _follow(token_ids, i - lag, lag, max_edits)
        copies, span = len(ends) - 1, ends[-1] - ends[0]
        if copies < given.min_copies or span < given.min_tokens:
            continue
        free = ends[-1]
        if edits:
            likeness = 1.0 - edits / (span - (ends[1] - ends[0]))
            *starts, end = ends
            found.append(
                NearLoop(
                    "edited",
                    starts[0],
                    end,
                    span / copies,
                    copies,
                    max(0.0, likeness),
                    tuple(starts),
                )
            )
    return tuple(found)


def _follow(ids: Sequence[int], start: int, period: int, max_edits: float) -> tuple[list[int], int]:
    """Where copies end, from the first's beginning on, and the edits between neighbours."""
    ends, edits = [start, start + period], 0
    while True:
        unit = ids[ends[-2] : ends[-1]]
        budget = int(max_edits * len(unit))
        rest = ids[ends[-1] : ends[-1] + len(unit) + budget]
        if len(rest) < len(unit) - budget or not _may_be_near(unit, rest, budget):
            return ends, edits
        distance, length = nearest_prefix(unit, rest, budget)
        if distance > budget or length == 0:
            return ends, edits
        edits += distance
        ends.append(ends[-1] + length)


def _may_be_near(unit: Sequence[int], text: Sequence[int], budget: int) -> bool:
    """The q-gram lemma for pairs: an edit spoils at most two of a unit's."""
    pairs = Counter(pairwise(unit))
    others = Counter(pairwise(text))
    return (pairs & others).total() >= len(unit) - 1 - 2 * budget


def nearest_prefix(unit: Sequence[int], text: Sequence[int], budget: int) -> tuple[int, int]:
    """Edit distance of a unit to the prefix of a text that is nearest, and its length.

    Of equally near prefixes the one whose length is nearest to the unit's is taken. Levenshtein's
    distance within a band of `budget` about the diagonal; beyond it, budget + 1 is returned.

    >>> nearest_prefix([1, 2, 3, 4], [1, 9, 3, 4, 5], 1)
    (1, 4)
    """
    far = budget + 1
    row = [j if j <= budget else far for j in range(len(text) + 1)]
    for i, token in enumerate(unit, 1):
        low, high = max(1, i - budget), min(len(text), i + budget)
        new = [far] * (len(text) + 1)
        if i <= budget:
            new[0] = i
        for j in range(low, high + 1):
            new[j] = min(row[j - 1] + (token != text[j - 1]), row[j] + 1, new[j - 1] + 1, far)
        row = new
    length = min(range(len(row)), key=lambda j: (row[j], abs(j - len(unit))))
    return row[length], length
