"""T over prefixes and windows, errors of a threshold, and areas under curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.analyzers.profile import surprise
from explorer.core.calibration import auroc
from explorer.core.types import TokenStep


def statistic(steps: Sequence[TokenStep]) -> float:
    """T = mean entropy - log-perplexity, nats; of at least one token.

    Source: "Zero-Shot Statistical Tests for LLM-Generated Text Detection using Finite Sample
        Concentration Inequalities", arXiv:2501.02406.
    Oracle: the authors' code (golden numbers, tests/golden/).
    """
    found = surprise(steps)
    if found is None:
        raise ValueError("a text without a token has no statistic")
    return found.statistic


def windows(steps: Sequence[TokenStep], n: int) -> list[float]:
    """T of every whole window of n tokens, none of which share a token."""
    return [statistic(steps[i : i + n]) for i in range(0, len(steps) - n + 1, n)]


def auc(low: Sequence[float], high: Sequence[float]) -> float:
    """The chance that a value of `high` is above one of `low`; ties count half.

    >>> auc([0.1, 0.2], [0.2, 0.9])
    0.875
    """
    return auroc([*low, *high], [0] * len(low) + [1] * len(high))


@dataclass(frozen=True, slots=True)
class Decay:
    """A straight line through the logarithms of shares over lengths.

    Attributes:
        rate: by how much the logarithm falls a token.
        r2: share of the logarithms' variance that the line explains; 0 where they do not fall.
        points: lengths that it was laid through.
    """

    rate: float
    r2: float
    points: int


def decay(lengths: Sequence[int], hits: Sequence[int], sizes: Sequence[int]) -> Decay:
    """Whether shares fall exponentially with length.

    Lengths with fewer than five hits are left out: their logarithm says nothing.

    >>> found = decay([10, 20, 30], [800, 400, 200], [1000, 1000, 1000])
    >>> round(found.rate, 4), round(found.r2, 4)
    (0.0693, 1.0)
    """
    kept = [(n, h / s) for n, h, s in zip(lengths, hits, sizes, strict=True) if h >= _LEAST]
    if len(kept) < _LEAST_POINTS:
        return Decay(math.nan, math.nan, len(kept))
    x = np.asarray([n for n, _ in kept], float)
    y = np.log([share for _, share in kept])
    slope, start = np.polyfit(x, y, 1)
    left = float(((y - (slope * x + start)) ** 2).sum())
    whole = float(((y - y.mean()) ** 2).sum())
    r2 = 1 - left / whole if whole > 0 and slope < 0 else 0.0
    return Decay(-float(slope), r2, len(kept))


_LEAST, _LEAST_POINTS = 5, 3
