"""What the paper measures of generated texts, and its citation blocker.

Source: Carlsson et al., "The Hyperfitting Phenomenon: Sharpening and Stabilizing LLMs for
    Open-Ended Text Generation", arXiv:2412.04318, and the authors' code.
Oracle: golden numbers (tests/labs/test_lab_hyperfitting.py); self-BLEU is nltk's, method 1.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence

WINDOW = 96
BLOCKED_AFTER = 5


def ttr(ids: Sequence[int], window: int = WINDOW) -> float:
    """Type-token ratio of the last tokens of a continuation.

    >>> ttr([1, 2, 3, 1, 2, 3, 1, 2, 3, 4])
    0.4
    """
    last = ids[-window:]
    return len(set(last)) / len(last) if last else math.nan


def longest_overlap(ids: Sequence[int], texts: Sequence[Sequence[int]]) -> int:
    """Tokens of the longest stretch that also stands in one of some texts.

    >>> longest_overlap([9, 1, 2, 3, 9], [[0, 1, 2, 3, 4]])
    3
    """
    best = 0
    for text in texts:
        ends = [0] * (len(text) + 1)
        for token in ids:
            above = 0
            for j, other in enumerate(text, 1):
                above, ends[j] = ends[j], above + 1 if token == other else 0
                best = max(best, ends[j])
    return best


class CitationBlocker:
    """Forbids to go on as a training text does, once so many tokens were cited.

    Args:
        texts: the training texts.
        after: tokens cited in a row.
    """

    def __init__(self, texts: Sequence[Sequence[int]], after: int = BLOCKED_AFTER) -> None:
        self._after = after
        self._next: dict[tuple[int, ...], set[int]] = {}
        for text in texts:
            for end in range(after, len(text)):
                self._next.setdefault(tuple(text[end - after : end]), set()).add(text[end])

    def forbidden(self, generated: Sequence[int]) -> frozenset[int]:
        """Tokens that may not come next.

        >>> blocker = CitationBlocker([[1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 9]])
        >>> sorted(blocker.forbidden([0, 1, 2, 3, 4, 5]))
        [6, 9]
        """
        last = tuple(generated[-self._after :])
        return frozenset(self._next.get(last, ())) if len(last) == self._after else frozenset()


def self_bleu(texts: Sequence[Sequence[Hashable]], order: int = 4) -> float:
    """Mean BLEU of each text against all others: high where they say the same.

    A precision of 0 counts as 0.1 over its number of n-grams (nltk's method 1), and a text that
    shares no word with any other has 0.
    """
    scores = [_bleu(text, [*texts[:i], *texts[i + 1 :]], order) for i, text in enumerate(texts)]
    return sum(scores) / len(scores)


def _bleu(text: Sequence[Hashable], others: Sequence[Sequence[Hashable]], order: int) -> float:
    logs = []
    for n in range(1, order + 1):
        own = _grams(text, n)
        most: Counter[tuple[Hashable, ...]] = Counter()
        for other in others:
            most |= _grams(other, n)
        hits, of = sum((own & most).values()), max(1, sum(own.values()))
        if n == 1 and not hits:
            return 0.0
        logs.append(math.log((hits or 0.1) / of))
    nearest = min((abs(len(other) - len(text)), len(other)) for other in others)[1]
    short = min(0.0, 1 - nearest / max(1, len(text)))
    return math.exp(short + math.fsum(logs) / order)


def _grams(text: Sequence[Hashable], n: int) -> Counter[tuple[Hashable, ...]]:
    return Counter(tuple(text[i : i + n]) for i in range(len(text) - n + 1))
