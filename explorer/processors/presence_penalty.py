"""Presence penalty: a fixed price for having occurred."""

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


def presence_penalty(
    logits: Float[Tensor, "rows vocab"], seen: Sequence[Occurrences], penalty: float
) -> Float[Tensor, "rows vocab"]:
    """Subtract the penalty once from every token that occurred, however often.

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
        heaviest: dict[int, float] = {}
        for token_id, weight in counted:
            heaviest[token_id] = max(weight, heaviest.get(token_id, 0.0))
        ids = torch.tensor(list(heaviest), dtype=torch.long, device=logits.device)
        amounts = torch.tensor(list(heaviest.values()), dtype=logits.dtype, device=logits.device)
        changed[row, ids] -= penalty * amounts
    return changed


class PresencePenaltyParams(RecencyParams):
    """Parameters of `presence_penalty`."""

    penalty: float = Field(
        default=0.5,
        ge=-100,
        le=100,
        description="Subtracted from the logit of every token that occurred; 0 switches it off.",
        json_schema_extra={"slider": [-2, 2, 0.1]},
    )
    prompt: bool = Field(default=False, description="Count the tokens of the prompt too.")


def build(params: PresencePenaltyParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: presence_penalty(logits, occurrences(params, view), params.penalty)


INFO = StageInfo(
    name="presence_penalty",
    title="presence penalty",
    family="repetition",
    kind="processor",
    summary="Takes a fixed amount from the logit of every token already generated.",
    look_for="New words come sooner, and a word said ten times is no dearer than one said once.",
    source="OpenAI API reference, frequency and presence penalties",
    formula=r"z'_v = z_v - r \, [\, v \text{ occurred} \,]",
    params=PresencePenaltyParams,
    build=build,
    neutral={"penalty": 0.0},
)
