"""Repetition penalty: every token already seen is made less likely."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from explorer.core.decoder import Processor, StageInfo
from explorer.core.params import Params


def repetition_penalty(
    logits: Float[Tensor, "rows vocab"], histories: Sequence[Sequence[int]], penalty: float
) -> Float[Tensor, "rows vocab"]:
    """Divide positive logits of seen tokens by `penalty`, multiply negative ones.

    Each seen token counts once, however often it stands in prompt and continuation.

    Args:
        logits: float32 logits; never modified.
        histories: per row, prompt and continuation.
        penalty: above 0; 1 changes nothing, above 1 discourages, below 1 encourages.

    Returns:
        A new tensor of the same shape.

    Raises:
        ValueError: if `penalty` is not positive.

    Source: Keskar et al., "CTRL: A Conditional Transformer Language Model for Controllable
        Generation", arXiv:1909.05858.
    Oracle: transformers.RepetitionPenaltyLogitsProcessor (tests/parity/test_processors.py).
    """
    if not penalty > 0:
        raise ValueError(f"penalty must be above 0, got {penalty}")
    changed = logits.clone()
    for row, history in enumerate(histories):
        seen = torch.as_tensor(sorted(set(history)), dtype=torch.long, device=logits.device)
        scores = logits[row, seen]
        changed[row, seen] = torch.where(scores < 0, scores * penalty, scores / penalty)
    return changed


class RepetitionPenaltyParams(Params):
    """Parameters of `repetition_penalty`."""

    penalty: float = Field(
        default=1.2,
        ge=0.01,  # below, float32 logits overflow and the law is NaN
        le=10,
        description="Divides positive and multiplies negative logits of tokens seen before; "
        "1 switches it off.",
        json_schema_extra={"slider": [0.8, 2, 0.01]},
    )


def build(params: RepetitionPenaltyParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: repetition_penalty(logits, view.histories, params.penalty)


INFO = StageInfo(
    name="repetition_penalty",
    title="repetition penalty",
    family="repetition",
    kind="processor",
    summary="Makes every token that already occurred less likely, prompt included.",
    look_for="Loops break, but so do names and articles that must recur: watch the rank climb.",
    source="Keskar et al., CTRL, arXiv:1909.05858",
    params=RepetitionPenaltyParams,
    build=build,
    neutral={"penalty": 1.0},
)
