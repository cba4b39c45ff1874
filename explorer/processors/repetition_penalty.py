"""Repetition penalty: every token already seen is made less likely."""

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


def repetition_penalty(
    logits: Float[Tensor, "rows vocab"], seen: Sequence[Occurrences], penalty: float
) -> Float[Tensor, "rows vocab"]:
    """Divide positive logits of seen tokens by `penalty`, multiply negative ones.

    Each seen token counts once, however often it occurs: by its latest occurrence, whose
    weight w makes the penalty 1 + w (penalty - 1).

    Args:
        logits: float32 logits; never modified.
        seen: per row, what counts.
        penalty: above 0; 1 changes nothing, above 1 discourages, below 1 encourages.

    Returns:
        A new tensor of the same shape.

    Raises:
        ValueError: if `penalty` is not positive.

    Source: Keskar et al., "CTRL: A Conditional Transformer Language Model for Controllable
        Generation", arXiv:1909.05858; window as in llama.cpp, slope as in KoboldAI.
    Oracle: transformers.RepetitionPenaltyLogitsProcessor (tests/parity/test_processors.py).
    """
    if not penalty > 0:
        raise ValueError(f"penalty must be above 0, got {penalty}")
    changed = logits.clone()
    for row, counted in enumerate(seen):
        latest = dict(counted)
        ids = torch.tensor(list(latest), dtype=torch.long, device=logits.device)
        weights = torch.tensor(list(latest.values()), dtype=logits.dtype, device=logits.device)
        scores, factor = logits[row, ids], 1 + weights * (penalty - 1)
        changed[row, ids] = torch.where(scores < 0, scores * factor, scores / factor)
    return changed


class RepetitionPenaltyParams(RecencyParams):
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
    return lambda logits, view: repetition_penalty(
        logits, occurrences(params, view), params.penalty
    )


INFO = StageInfo(
    name="repetition_penalty",
    title="repetition penalty",
    family="repetition",
    kind="processor",
    summary="Makes every token that already occurred less likely, prompt included.",
    look_for="Loops break, but so do names and articles that must recur: watch the rank climb.",
    source="Keskar et al., CTRL, arXiv:1909.05858",
    formula=r"z'_v = z_v / r \text{ if } z_v > 0, \text{ else } z_v \cdot r, "
    r"\quad \text{for every } v \text{ that occurred}",
    params=RepetitionPenaltyParams,
    build=build,
    neutral={"penalty": 1.0},
)
