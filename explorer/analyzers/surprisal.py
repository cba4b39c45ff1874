"""Mean surprisal and perplexity of a continuation under the model's law."""

from __future__ import annotations

import math
from collections.abc import Sequence

from explorer.core.analyzer import AnalyzerInfo
from explorer.core.types import TokenStep


def mean_surprisal(steps: Sequence[TokenStep]) -> float | None:
    """Mean of -log p over the generated tokens, nats; None without tokens.

    Source: Shannon, "A Mathematical Theory of Communication", 1948.
    Oracle: a teacher-forced forward (tests/parity/test_generate.py).
    """
    if not steps:
        return None
    return sum(step.surprisal for step in steps) / len(steps)


def perplexity(steps: Sequence[TokenStep]) -> float | None:
    """exp(mean surprisal in nats) over the generated tokens, the end mark included.

    It is of the model's law p, not of the law the tokens were drawn from, and not of the prompt.

    Source: Jelinek et al., "Perplexity: a measure of the difficulty of speech recognition
        tasks", JASA 62, 1977.
    Oracle: a uniform law over n tokens has perplexity n (tests/unit/analyzers).
    """
    mean = mean_surprisal(steps)
    # exp overflows a float past 709 nats; a mean that high is infinite to every reader.
    return None if mean is None else math.exp(mean) if mean < 700 else math.inf


MEAN_SURPRISAL = AnalyzerInfo(
    name="mean_surprisal",
    title="mean surprisal",
    unit="nats",
    formula="mean of -log p(token) over the generated tokens, p = the model's law",
    source="Shannon, A Mathematical Theory of Communication, 1948",
    run=mean_surprisal,
)
PERPLEXITY = AnalyzerInfo(
    name="perplexity",
    title="perplexity",
    unit="",
    formula="exp(mean surprisal in nats) = 2^(mean surprisal in bits), over the generated tokens",
    source="Jelinek et al., Perplexity, JASA 62, 1977",
    run=perplexity,
)
