"""Whether chances that were given came true: calibration and discrimination of yes-or-no forecasts.

Source: Kadavath et al., "Language Models (Mostly) Know What They Know", arXiv:2207.05221 (equal
counts a bin); Brier, "Verification of forecasts expressed in terms of probability", 1950.
Oracle: golden numbers checked with scikit-learn (tests/unit/core/test_calibration.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS = 10
_STEPS = 60
_WIDEST = 6.0


@dataclass(frozen=True, slots=True)
class Bin:
    """Forecasts of about one size.

    Attributes:
        chance: their mean.
        came_true: how many of them did.
        n: how many there are.
    """

    chance: float
    came_true: int
    n: int

    @property
    def gap(self) -> float:
        """|mean chance - share that came true|."""
        return abs(self.chance - self.came_true / self.n)


def equal_counts(chances: ArrayLike, came_true: ArrayLike, bins: int = BINS) -> list[Bin]:
    """Forecasts in order of size, cut into bins of as many each; no bin is empty.

    Args:
        chances: [n], 0 to 1.
        came_true: [n], 0 or 1.
        bins: at most so many.

    Raises:
        ValueError: for columns of different lengths, or a chance that is none.

    >>> [(b.n, round(b.gap, 2)) for b in equal_counts([0.1, 0.9, 0.2, 0.6], [0, 1, 0, 1], 2)]
    [(2, 0.15), (2, 0.25)]
    """
    given, truth = _columns(chances, came_true)
    order = np.argsort(given, kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    return [_bin(given[part], truth[part]) for part in parts]


def equal_widths(chances: ArrayLike, came_true: ArrayLike, bins: int = BINS) -> list[Bin]:
    """Forecasts by which stretch of 0 to 1 they lie in; stretches without any are left out.

    Raises:
        ValueError: as `equal_counts`.
    """
    given, truth = _columns(chances, came_true)
    place = np.minimum((given * bins).astype(int), bins - 1)
    return [_bin(given[place == k], truth[place == k]) for k in np.unique(place)]


def expected_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: the mean gap over forecasts; NaN for none.

    >>> expected_error(equal_counts([0.5, 0.5], [1, 0], 1))
    0.0
    """
    n = sum(b.n for b in bins)
    return math.fsum(b.gap * b.n for b in bins) / n if n else math.nan


def rms_error(bins: Sequence[Bin]) -> float:
    """Root mean square of the gaps over forecasts; NaN for none."""
    n = sum(b.n for b in bins)
    return math.sqrt(math.fsum(b.gap**2 * b.n for b in bins) / n) if n else math.nan


def brier(chances: ArrayLike, came_true: ArrayLike) -> float:
    """Mean square of what a forecast was off by; 0.25 where all say one half; NaN for none.

    >>> brier([1.0, 0.5], [1, 0])
    0.125
    """
    given, truth = _columns(chances, came_true)
    return float(np.mean((given - truth) ** 2)) if len(given) else math.nan


def auroc(scores: ArrayLike, came_true: ArrayLike) -> float:
    """The chance that what came true was given more than what did not; ties count half.

    Args:
        scores: [n], of any scale.
        came_true: [n], 0 or 1.

    Returns:
        Area under the curve of true over false positives; NaN where all or none came true.

    >>> auroc([0.1, 0.2, 0.2, 0.9], [0, 0, 1, 1])
    0.875
    """
    given, truth = np.asarray(scores, float), np.asarray(came_true, bool)
    high, low = given[truth], given[~truth]
    if not len(high) or not len(low):
        return math.nan
    pairs = np.sign(np.subtract.outer(high, low))
    return float((pairs + 1).mean() / 2)


def tempered(shares: ArrayLike, temperature: float) -> NDArray[np.float64]:
    """Shares [n, options] of laws raised to 1 / temperature; each row sums to 1.

    >>> tempered([[0.9, 0.1]], 2.0).round(3).tolist()
    [[0.75, 0.25]]
    """
    logs = np.log(np.maximum(np.asarray(shares, float), 1e-300)) / temperature
    raised = np.exp(logs - logs.max(-1, keepdims=True))
    law: NDArray[np.float64] = raised / raised.sum(-1, keepdims=True)
    return law


def best_temperature(shares: ArrayLike, right: Sequence[int]) -> float:
    """The temperature at which right options have the least mean surprisal.

    That is convex in 1 / temperature, so a search by thirds of its logarithm finds the least.

    Args:
        shares: [n, options].
        right: [n]: which option was right.

    Returns:
        Between e^-6 and e^6; an end where nothing between is best.

    >>> round(best_temperature([[0.9, 0.1]] * 4, [0, 0, 0, 1]), 2)
    2.0
    """

    def surprisal(log_temperature: float) -> float:
        rows = tempered(shares, math.exp(log_temperature))
        return -float(np.log(np.maximum(rows[np.arange(len(right)), list(right)], 1e-300)).mean())

    low, high = -_WIDEST, _WIDEST
    for _ in range(_STEPS):
        third = (high - low) / 3
        if surprisal(low + third) <= surprisal(high - third):
            high -= third
        else:
            low += third
    return math.exp((low + high) / 2)


def _bin(given: NDArray[np.float64], truth: NDArray[np.float64]) -> Bin:
    return Bin(float(given.mean()), int(truth.sum()), len(given))


def _columns(
    chances: ArrayLike, came_true: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    given, truth = np.asarray(chances, float), np.asarray(came_true, float)
    if given.shape != truth.shape or given.ndim != 1:
        raise ValueError(f"{given.shape} chances came with {truth.shape} outcomes")
    if not bool(((given >= 0) & (given <= 1)).all()):
        raise ValueError("a chance lies outside of 0 to 1")
    return given, truth
