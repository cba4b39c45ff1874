"""What kind of text this is for a model: ranks, shares, entropies, windows, and one statistic."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from explorer.core.types import TokenStep

RANK_BOUNDS = (10, 100, 1000)
"""GLTR's: among the 10, 100, 1,000 likeliest, or behind."""
_BINS = 10


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts between edges.

    Attributes:
        edges: one more than counts; the last may be infinite.
        counts: entries from one edge up to, not including, the next.
    """

    edges: tuple[float, ...]
    counts: tuple[int, ...]


def rank_histogram(steps: Sequence[TokenStep], bounds: Sequence[int] = RANK_BOUNDS) -> Histogram:
    """How many tokens lie among the so many likeliest.

    Source: Gehrmann et al., "GLTR: Statistical Detection and Visualization of Generated Text",
        arXiv:1906.04043; its ranks start at 1, so "top 10" is rank 0 to 9 here.

    Raises:
        ValueError: for bounds that do not grow from at least 1.
    """
    if list(bounds) != sorted(set(bounds)) or not bounds or bounds[0] < 1:
        raise ValueError(f"rank bounds must grow from 1 on, got {tuple(bounds)}")
    return _histogram([s.rank for s in steps], (0.0, *map(float, bounds), math.inf))


def share_histogram(steps: Sequence[TokenStep]) -> Histogram:
    """The token's probability as a share of the likeliest one's, in ten bins; GLTR's frac(p).

    Tokens without recorded alternatives are left out.
    """
    shares = [math.exp(min(0.0, -s.surprisal - s.top[0].logprob)) for s in steps if s.top]
    edges = [i / _BINS for i in range(_BINS)]
    return _histogram(shares, (*edges, math.nextafter(1.0, 2.0)))


def entropy_histogram(steps: Sequence[TokenStep], width: float = math.log(2)) -> Histogram:
    """Entropies of the laws, nats, in bins of a width; by default one bit each."""
    highest = max((s.entropy for s in steps), default=0.0)
    count = int(highest // width) + 1
    return _histogram([s.entropy for s in steps], tuple(i * width for i in range(count + 1)))


def _histogram(values: Sequence[float], edges: tuple[float, ...]) -> Histogram:
    counts = [0] * (len(edges) - 1)
    for value in values:
        counts[max(0, min(bisect_right(edges, value), len(counts)) - 1)] += 1
    return Histogram(edges, tuple(counts))


def sliding_perplexity(steps: Sequence[TokenStep], window: int) -> list[float]:
    """exp(mean surprisal) of every window of so many tokens; entry i is of tokens i to i+window-1.

    A text shorter than the window has none.

    Raises:
        ValueError: for a window below 1.

    Oracle: the mean of each window by itself (tests/unit/test_profile.py).
    """
    if window < 1:
        raise ValueError(f"a window has at least 1 token, got {window}")
    sums = [0.0, *accumulate(s.surprisal for s in steps)]
    means = [(b - a) / window for a, b in zip(sums, sums[window:], strict=False)]
    return [math.exp(min(mean, 700.0)) for mean in means]


@dataclass(frozen=True, slots=True)
class Surprise:
    """Log-perplexity against mean entropy.

    Attributes:
        log_perplexity: mean surprisal, nats.
        mean_entropy: nats.
        statistic: T = mean entropy - log-perplexity. Near 0 for text drawn from the model at
            temperature 1; above for text drawn from its likelier tokens; below for other text.
        z: sum(surprisal - entropy) / sqrt(sum varentropy): T's sign turned, in standard
            deviations of text drawn from the model; None where nothing varies.
        bound: by Azuma and Hoeffding, at most this share of such texts lies as far from 0,
            where no surprisal is farther from its entropy than the farthest here; at most 1.
    """

    log_perplexity: float
    mean_entropy: float
    statistic: float
    z: float | None
    bound: float


def surprise(steps: Sequence[TokenStep]) -> Surprise | None:
    """The zero-shot statistic of a text; None where it has no token.

    It says how a text compares with what this model would draw, and not who wrote it: truncated
    sampling shifts it up, and a person may write what a model expects.

    Source: "Zero-Shot Statistical Tests for LLM-Generated Text Detection using Finite Sample
        Concentration Inequalities", arXiv:2501.02406, for the statistic; the z-test and the
        bound with the observed range are ours.
    Oracle: the authors' code (golden numbers, tests/golden/).
    """
    if not steps:
        return None
    n = len(steps)
    log_perplexity = math.fsum(s.surprisal for s in steps) / n
    mean_entropy = math.fsum(s.entropy for s in steps) / n
    statistic = mean_entropy - log_perplexity
    variance = math.fsum(s.varentropy for s in steps)
    farthest = max(abs(s.surprisal - s.entropy) for s in steps)
    z = -statistic * n / math.sqrt(variance) if variance > 0 else None
    power = n * statistic**2 / (2 * farthest**2) if farthest > 0 else 0.0
    return Surprise(log_perplexity, mean_entropy, statistic, z, min(1.0, 2 * math.exp(-power)))
