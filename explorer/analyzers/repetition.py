"""Repetition of n-grams within a continuation: rep-n and diversity."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.core.analyzer import AnalyzerInfo
from explorer.core.types import TokenStep


def rep_n(token_ids: Sequence[int], n: int) -> float | None:
    """1 - unique / all n-grams of the continuation; None where it has no n-gram.

    Source: Welleck et al., "Neural Text Generation With Unlikelihood Training",
        arXiv:1908.04319 (seq-rep-n).
    Oracle: golden numbers (tests/golden/test_repetition.py).

    >>> rep_n([1, 2, 3, 4, 1, 2, 3, 5], 3)
    0.16666666666666663
    """
    total = len(token_ids) - n + 1
    if total < 1:
        return None
    return 1.0 - len({tuple(token_ids[i : i + n]) for i in range(total)}) / total


def diversity(token_ids: Sequence[int]) -> float | None:
    """Product over n = 2, 3, 4 of (1 - rep-n); None for fewer than four tokens.

    Source: Su et al., "A Contrastive Framework for Neural Text Generation", arXiv:2202.06417.
    Oracle: golden numbers (tests/golden/test_repetition.py).
    """
    product = 1.0
    for n in (2, 3, 4):
        repeated = rep_n(token_ids, n)
        if repeated is None:
            return None
        product *= 1.0 - repeated
    return product


def _ids(steps: Sequence[TokenStep]) -> list[int]:
    return [step.token_id for step in steps]


def _diversity(steps: Sequence[TokenStep]) -> float | None:
    return diversity(_ids(steps))


def _rep_info(n: int) -> AnalyzerInfo:
    return AnalyzerInfo(
        name=f"rep_{n}",
        title=f"rep-{n}",
        unit="share",
        formula=f"1 - unique / all {n}-grams of token ids, continuation only",
        source="Welleck et al., Neural Text Generation With Unlikelihood Training, "
        "arXiv:1908.04319",
        run=lambda steps: rep_n(_ids(steps), n),
    )


REP_2, REP_3, REP_4 = _rep_info(2), _rep_info(3), _rep_info(4)
DIVERSITY = AnalyzerInfo(
    name="diversity",
    title="diversity",
    unit="share",
    formula="product over n = 2, 3, 4 of (1 - rep-n), continuation only",
    source="Su et al., A Contrastive Framework for Neural Text Generation, arXiv:2202.06417",
    run=_diversity,
)
