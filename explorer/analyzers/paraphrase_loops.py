"""Paraphrase cycles: sentences that say again what was said, in nearly the same words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise

from explorer.analyzers.near_loops import NearLoop
from explorer.core.loops import LoopThresholds

ENDS = frozenset(".!?\n")
MAX_CYCLE = 4
"""Most sentences in a cycle."""
_SHORTEST = 4


def sentences(pieces: Sequence[str]) -> list[tuple[int, int]]:
    """(first, after the last) token of every sentence: up to a piece that holds one of `ENDS`.

    Fewer than 4 tokens are joined to the sentence before ("Mr.", "3.").
    """
    found: list[tuple[int, int]] = []
    begin = 0
    for place, piece in enumerate(pieces, 1):
        if place < len(pieces) and not ENDS & set(piece):
            continue
        if place - begin < _SHORTEST and found:
            found[-1] = (found[-1][0], place)
        else:
            found.append((begin, place))
        begin = place
    return found


def overlap(first: Sequence[str], second: Sequence[str]) -> float:
    """How much of two sentences is in both: Dice's coefficient over words and pairs of words.

    Letters' case and order of far-away words do not count.

    >>> round(overlap(["the", " cat", " sat", " up"], ["the", " cat", " lay", " up"]), 3)
    0.571
    """
    one, two = _grams(first), _grams(second)
    total = one.total() + two.total()
    return 2 * (one & two).total() / total if total else 0.0


def _grams(pieces: Sequence[str]) -> Counter[tuple[str, ...]]:
    words = [piece.strip().lower() for piece in pieces if piece.strip()]
    single = Counter((word,) for word in words)
    return single + Counter(pairwise(words))


def paraphrase_loops(
    pieces: Sequence[str],
    thresholds: LoopThresholds | None = None,
    min_overlap: float = 0.5,
) -> tuple[NearLoop, ...]:
    """Runs of sentences, each much like the one k sentences before, k from 1 to 4.

    Where neighbouring copies are all the same, it is an exact loop and not listed here. Lists
    that count, and edited loops of whole sentences, are paraphrases too.

    Args:
        pieces: text of every token.
        thresholds: longest unit in tokens, fewest copies, fewest tokens.
        min_overlap: least `overlap` of neighbouring copies of a sentence.

    Raises:
        ValueError: for an overlap that is not in (0, 1].

    Oracle: planted cycles, none among unlike sentences (tests/unit/analyzers/test_near_loops.py).
    """
    if not 0 < min_overlap <= 1:
        raise ValueError(f"min_overlap is a share in (0, 1], got {min_overlap}")
    spans = sentences(pieces)
    texts = [pieces[a:b] for a, b in spans]
    found = sentence_cycles(
        "paraphrase",
        spans,
        lambda i, j: overlap(texts[i], texts[j]),
        min_overlap,
        thresholds or LoopThresholds(),
    )
    return tuple(loop for loop in found if loop.likeness < 1)


def sentence_cycles(
    kind: str,
    spans: Sequence[tuple[int, int]],
    likeness: Callable[[int, int], float],
    least: float,
    given: LoopThresholds,
) -> tuple[NearLoop, ...]:
    """Runs of sentences, each at least so like the one k sentences before, k from 1 to 4.

    Args:
        kind: what to call them.
        spans: (first, after the last) token of every sentence, one after another.
        likeness: of two sentences, by their numbers.
        least: that counts as like.
        given: longest unit in tokens, fewest copies, fewest tokens.
    """
    cycles = [_Cycle(len(spans), k, likeness, least) for k in range(1, MAX_CYCLE + 1)]
    found: list[NearLoop] = []
    begin = 0
    while begin < len(spans):
        loops = [loop for c in cycles if (loop := _loop(kind, spans, begin, c, given)) is not None]
        if not loops:
            begin += 1
            continue
        # the smallest cycle of those that reach farthest
        best = max(loops, key=lambda loop: (loop.end, -loop.period))
        found.append(best)
        while begin < len(spans) and spans[begin][0] < best.end:
            begin += 1
    return tuple(found)


class _Cycle:
    """Sentences beside those k before, compared once each.

    Attributes:
        size: k.
        likeness: of sentence i + k with sentence i.
        reach: how many sentences from i + k on are alike enough, without a gap.
    """

    def __init__(
        self, count: int, size: int, likeness: Callable[[int, int], float], least: float
    ) -> None:
        self.size = size
        self.likeness = [likeness(i, i + size) for i in range(count - size)]
        self.reach = [0] * (count + 1)
        for i in reversed(range(len(self.likeness))):
            self.reach[i] = self.reach[i + 1] + 1 if self.likeness[i] >= least else 0


def _loop(
    kind: str,
    spans: Sequence[tuple[int, int]],
    begin: int,
    cycle: _Cycle,
    given: LoopThresholds,
) -> NearLoop | None:
    copies = 1 + cycle.reach[begin] // cycle.size
    if copies < given.min_copies:
        return None
    onset, end = spans[begin][0], spans[begin + copies * cycle.size - 1][1]
    period = (end - onset) / copies
    if end - onset < given.min_tokens or period > given.max_period:
        return None
    used = cycle.likeness[begin : begin + (copies - 1) * cycle.size]
    starts = tuple(spans[begin + c * cycle.size][0] for c in range(copies))
    return NearLoop(kind, onset, end, period, copies, sum(used) / len(used), starts)
