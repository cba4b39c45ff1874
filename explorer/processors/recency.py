"""How much an occurrence counts, by how long ago it was."""

from __future__ import annotations

from pydantic import Field

from explorer.core.decoder import StepView
from explorer.core.params import Params

Occurrences = list[tuple[int, float]]
"""(token id, weight in [0, 1]) of every occurrence that counts, oldest first."""


def recency_weights(length: int, slope: float) -> list[float]:
    """Weights in [0, 1] of `length` tokens, oldest first.

    Slope 0 counts all alike. A positive slope s bends the line x = -1 … 1 by
    s x / (1 + |x| (s - 1)) and scales it to 0 … 1: at slope 1 the weights rise evenly from 0
    to 1, above they are a step in the middle, and the newest token always counts in full.

    Source: KoboldAI's repetition penalty slope.

    >>> recency_weights(3, 0.0), recency_weights(3, 1.0)
    ([1.0, 1.0, 1.0], [0.0, 0.5, 1.0])
    """
    if slope == 0 or length < 2:
        return [1.0] * length
    line = [2 * i / (length - 1) - 1 for i in range(length)]
    return [(slope * x / (1 + abs(x) * (slope - 1)) + 1) / 2 for x in line]


class RecencyParams(Params):
    """Which occurrences a repetition penalty counts, and how much."""

    window: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Only the last so many tokens count; 0 counts all.",
        json_schema_extra={"slider": [0, 512, 16]},
    )
    slope: float = Field(
        default=0.0,
        ge=0,
        le=100,
        description="Above 0, old occurrences count less than new ones; 0 counts all alike.",
        json_schema_extra={"slider": [0, 5, 0.1]},
    )
    prompt: bool = Field(default=True, description="Count the tokens of the prompt too.")


def occurrences(params: RecencyParams, view: StepView) -> list[Occurrences]:
    """What counts, per row of a view."""
    first = 0 if params.prompt else view.prompt_length
    found = []
    for history in view.histories:
        start = max(first, len(history) - params.window) if params.window else first
        tokens = history[start:]
        found.append(list(zip(tokens, recency_weights(len(tokens), params.slope), strict=True)))
    return found
