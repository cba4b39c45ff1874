"""Mean entropy of the model's law along a continuation."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.core.analyzer import AnalyzerInfo
from explorer.core.types import TokenStep


def mean_entropy(steps: Sequence[TokenStep]) -> float | None:
    """Mean of H(p) over the steps that made a token, nats; None without tokens.

    Source: Shannon, "A Mathematical Theory of Communication", 1948.
    Oracle: a uniform law over n tokens has entropy log n (tests/unit/analyzers).
    """
    if not steps:
        return None
    return sum(step.entropy for step in steps) / len(steps)


MEAN_ENTROPY = AnalyzerInfo(
    name="mean_entropy",
    title="mean entropy",
    unit="nats",
    formula="mean of H(p) = -sum p log p before each generated token, p = the model's law",
    source="Shannon, A Mathematical Theory of Communication, 1948",
    run=mean_entropy,
)
