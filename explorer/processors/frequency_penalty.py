"""Frequency penalty: the price grows with every occurrence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.deferred import torch
from explorer.processors.recency import Occurrences, RecencyParams, occurrences

if TYPE_CHECKING:
    from torch import Tensor


def frequency_penalty(
    logits: Float[Tensor, "rows vocab"], seen: Sequence[Occurrences], penalty: float
) -> Float[Tensor, "rows vocab"]:
    """Subtract the penalty from a token's logit once for each of its occurrences.

    Args:
        logits: float32 logits; never modified.
        seen: per row, what counts.
        penalty: in logits; 0 changes nothing, below 0 encourages.

    Returns:
        A new tensor of the same shape.

    Source: OpenAI's API reference, "frequency and presence penalties"; window as in llama.cpp,
        slope as in KoboldAI.
    Oracle: llama.cpp's published sampler tests (tests/golden/).
    """
    changed = logits.clone()
    for row, counted in enumerate(seen):
        ids = torch.tensor([i for i, _ in counted], dtype=torch.long, device=logits.device)
        amounts = torch.tensor([-penalty * w for _, w in counted], device=logits.device)
        changed[row].index_add_(0, ids, amounts.to(logits.dtype))
    return changed


class FrequencyPenaltyParams(RecencyParams):
    """Parameters of `frequency_penalty`."""

    penalty: float = Field(
        default=0.5,
        ge=-100,
        le=100,
        description="Subtracted from the logit for each occurrence; 0 switches it off.",
        json_schema_extra={"slider": [-2, 2, 0.1]},
    )
    prompt: bool = Field(default=False, description="Count the tokens of the prompt too.")


def build(params: FrequencyPenaltyParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: frequency_penalty(logits, occurrences(params, view), params.penalty)


INFO = StageInfo(
    name="frequency_penalty",
    title="frequency penalty",
    family="repetition",
    kind="processor",
    summary="Takes an amount from a token's logit for each time it was generated.",
    look_for="Loops break after a few copies, when the sum outweighs the habit; in long texts even "
    "commas and articles run out.",
    source="OpenAI API reference, frequency and presence penalties",
    formula=r"z'_v = z_v - r \cdot \#\{ v \text{ occurred} \}",
    params=FrequencyPenaltyParams,
    build=build,
    neutral={"penalty": 0.0},
)
