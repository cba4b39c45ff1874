"""The law of best-of-N by likelihood, exactly, and how many draws sharpening takes.

Source: Huang et al., "Self-Improvement in Language Models: The Sharpening Mechanism",
    arXiv:2412.01951, for the setting; the closed form is ours, checked by enumeration.
Oracle: enumeration of all draws (tests/labs/test_lab_sharpening.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Law = NDArray[np.float64]


def selection_law(p: Law, n: int) -> Law:
    """The law of the likeliest of n independent draws; ties are broken at random.

    Of answers sorted by likelihood, F(y)^n - F(<y)^n is the chance that the best of n draws is
    as likely as y: F(y) is the mass of answers at most as likely, F(<y) of less likely ones.
    Answers that tie share it by their masses, which are equal.

    Args:
        p: float64 [answers], sums to 1.
        n: draws.

    >>> [round(x, 4) for x in selection_law(np.array([0.4, 0.3, 0.2, 0.1]), 2).tolist()]
    [0.64, 0.27, 0.08, 0.01]
    """
    _, group = np.unique(p, return_inverse=True)
    mass = np.bincount(group, weights=p)
    upto = np.minimum(np.cumsum(mass), 1.0)
    below = np.concatenate([[0.0], upto[:-1]])
    chosen = upto**n - below**n
    share = np.divide(p, mass[group], out=np.zeros_like(p), where=mass[group] > 0)
    found: Law = chosen[group] * share
    return found


def expected_best(values: Sequence[float], n: int) -> float:
    """The mean of the largest of n draws without replacement from some values, exactly.

    >>> expected_best([1.0, 2.0, 3.0], 2)  # (2 + 3 + 3) / 3
    2.6666666666666665
    """
    ordered = sorted(values)
    of = math.comb(len(ordered), n)
    return math.fsum(math.comb(i, n - 1) * value for i, value in enumerate(ordered)) / of


def draws_needed(p_best: float, delta: float) -> int:
    """Draws until the likeliest answer is among them with probability 1 - delta.

    >>> draws_needed(0.4, 0.05)
    6
    """
    if p_best >= 1:
        return 1
    return max(1, math.ceil(math.log(delta) / math.log1p(-p_best)))


def chi_square(counts: Sequence[int], law: Law) -> float:
    """Pearson's p-value of counts under a law; answers expected fewer than 5 times are pooled."""
    # half a second to import: only where it is asked for
    from scipy.stats import chi2  # type: ignore[import-untyped]  # noqa: PLC0415

    seen, of = np.asarray(counts, float), sum(counts)
    wanted = law * of
    rare = wanted < _LEAST
    observed = np.append(seen[~rare], seen[rare].sum())
    expected = np.append(wanted[~rare], wanted[rare].sum())
    kept = expected > 0
    if (observed[~kept] > 0).any():
        return 0.0
    observed, expected = observed[kept], expected[kept]
    if len(expected) < 2:  # one class has nothing to differ in
        return 1.0
    return float(chi2.sf(float(((observed - expected) ** 2 / expected).sum()), len(expected) - 1))


_LEAST = 5.0
