"""Shares, counts and means with their 95 % intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from explorer.core.errors import InvalidParams

Z = 1.959963984540054
"""Standard deviations that hold 95 % of a normal law."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A share or a mean, its 95 % interval, and how many things it was counted among.

    Attributes:
        value: the share, or the mean.
        low: lower end of the interval.
        high: upper end.
        n: points, sentences, words or rules, as the figure says.
    """

    value: float
    low: float
    high: float
    n: int


def wilson(hits: int, n: int) -> Figure:
    """The share of independent trials that hit, with Wilson's interval.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Raises:
        InvalidParams: without a trial.

    >>> found = wilson(8, 10)
    >>> found.value, round(found.low, 4), round(found.high, 4)
    (0.8, 0.4902, 0.9433)
    """
    if not 0 <= hits <= n or not n:
        raise InvalidParams(f"{hits} of {n} is no share.", "Ask for at least one.")
    share, z2 = hits / n, Z * Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Figure(
        share, max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half)), n
    )


def pooled(hits: Sequence[float], sizes: Sequence[int]) -> Figure:
    """Hits of all over the size of all, where what belongs to one sentence goes together.

    The interval is the delete-one-sentence jackknife's.

    >>> pooled([3, 1], [4, 4]).value
    0.5
    """
    n, whole = len(hits), sum(sizes)
    if not whole:
        raise InvalidParams("There is nothing to count.", "Give at least one sentence.")
    share = sum(hits) / whole
    if n < 2:
        return Figure(share, 0.0, 1.0, whole)
    left = sum((h - share * s) ** 2 for h, s in zip(hits, sizes, strict=True))
    return _about(share, math.sqrt(left * n / (n - 1)) / whole, whole)


def mean_of(values: Sequence[float]) -> Figure:
    """A mean over independent texts or prompts, with Student's interval; one value has none.

    Raises:
        InvalidParams: without a value.

    >>> found = mean_of([1.0, 2.0, 3.0])
    >>> found.value, round(found.high, 4)
    (2.0, 4.4841)
    """
    if not values:
        raise InvalidParams("There is nothing to average.", "Give at least one value.")
    # half a second to import: only where it is asked for
    from scipy.stats import t  # type: ignore[import-untyped]  # noqa: PLC0415

    n, value = len(values), math.fsum(values) / len(values)
    if n < 2:  # one value does not vary
        return Figure(value, -math.inf, math.inf, n)
    spread = math.sqrt(math.fsum((x - value) ** 2 for x in values) / (n - 1))
    half = float(t.ppf(0.975, n - 1)) * spread / math.sqrt(n)
    return Figure(value, value - half, value + half, n)


def covered(groups: Iterable[Iterable[Hashable]], n: int) -> Figure:
    """How many kinds of thing were met, over n; by groups (sentences) that bring their kinds.

    A count of kinds grows with the number of groups, so only figures of as many groups compare.
    The interval is the delete-one-group jackknife's: a group counts by what it alone brought.

    >>> covered([("a", "b"), ("a",), ("c",)], 4).value
    0.75
    """
    met: Counter[Hashable] = Counter()
    sets = [set(group) for group in groups]
    for group in sets:
        met.update(group)
    alone = [sum(met[kind] == 1 for kind in group) for group in sets]
    if not sets or not n:
        raise InvalidParams("There is nothing to count.", "Ask for at least one point.")
    mean = sum(alone) / len(alone)
    spread = math.sqrt(sum((number - mean) ** 2 for number in alone))
    return _about(len(met) / n, spread / n, n)


def _about(share: float, deviation: float, n: int) -> Figure:
    return Figure(share, max(0.0, share - Z * deviation), min(1.0, share + Z * deviation), n)
