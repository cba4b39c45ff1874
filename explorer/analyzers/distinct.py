"""Distinct-n: how many different n-grams a continuation has for its length."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.core.analyzer import AnalyzerInfo
from explorer.core.types import TokenStep


def distinct_n(token_ids: Sequence[int], n: int) -> float | None:
    """Unique / all n-grams of the continuation; None where it has no n-gram.

    Source: Li et al., "A Diversity-Promoting Objective Function for Neural Conversation
        Models", arXiv:1510.03055.
    Oracle: 1 - rep-n (tests/golden/test_repetition.py).

    >>> distinct_n([1, 1, 1, 1], 2)
    0.3333333333333333
    """
    total = len(token_ids) - n + 1
    if total < 1:
        return None
    return len({tuple(token_ids[i : i + n]) for i in range(total)}) / total


def _distinct_2(steps: Sequence[TokenStep]) -> float | None:
    return distinct_n([step.token_id for step in steps], 2)


DISTINCT_2 = AnalyzerInfo(
    name="distinct_2",
    title="distinct-2",
    unit="share",
    formula="unique / all 2-grams of token ids, continuation only",
    source="Li et al., A Diversity-Promoting Objective Function, arXiv:1510.03055",
    run=_distinct_2,
)
