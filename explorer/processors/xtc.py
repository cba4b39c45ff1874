"""XTC, exclude top choices: now and then, the obvious tokens are off the table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Idle, Processor, StageInfo
from explorer.core.deferred import torch
from explorer.core.noise import derived
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


def xtc(
    logits: Float[Tensor, "rows vocab"],
    probability: float,
    threshold: float,
    uniforms: Sequence[float],
) -> Float[Tensor, "rows vocab"]:
    """With some probability, drop every token at or above the threshold but the least likely.

    Where fewer than two tokens reach the threshold nothing happens: some fairly likely token
    always stays. A threshold above 0.5 can never have two and does nothing.

    Args:
        logits: float32 logits; never modified.
        probability: how often, in [0, 1]; 0 never.
        threshold: probability from which a token is a top choice, in (0, 1].
        uniforms: one u in [0, 1) a row; the drop happens where u < probability.

    Returns:
        A new tensor of the same shape, -inf where a token was dropped.

    Raises:
        ValueError: if `probability` or `threshold` is out of range.

    Source: p-e-w, "Exclude Top Choices (XTC)", text-generation-webui pull request 6335, 2024.
    Oracle: llama.cpp's published sampler tests (tests/golden/).
    """
    if not 0 <= probability <= 1 or not 0 < threshold <= 1:
        raise ValueError(
            f"probability must lie in [0, 1], threshold in (0, 1]: {probability}, {threshold}"
        )
    changed = logits.clone()
    dropping = [row for row, u in enumerate(uniforms) if u < probability]
    if threshold > 0.5 or not dropping:
        return changed
    probs = torch.softmax(logits[dropping], dim=-1)
    most = min(math.floor(1 / threshold) + 1, logits.shape[-1])  # no more can reach it
    best = probs.topk(most, dim=-1)
    reach = (best.values >= threshold).sum(dim=-1).tolist()
    for row, count, indices in zip(dropping, reach, best.indices, strict=True):
        if count > 1:
            changed[row, indices[: count - 1]] = -math.inf
    return changed


class XtcParams(Params):
    """Parameters of `xtc`."""

    probability: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="How often the top choices are dropped; 0 switches it off.",
        json_schema_extra={"slider": [0, 1, 0.05]},
    )
    threshold: float = Field(
        default=0.1,
        ge=0.001,
        le=1,
        description="Probability from which a token counts as a top choice; above 0.5 nothing is.",
        json_schema_extra={"slider": [0.01, 0.5, 0.01]},
    )


def build(params: XtcParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: xtc(
        logits, params.probability, params.threshold, [derived(u, "xtc") for u in view.uniforms]
    )


INFO = StageInfo(
    name="xtc",
    title="XTC",
    family="truncation",
    kind="processor",
    summary="Exclude top choices: sometimes drops all likely tokens but the last of them.",
    look_for="Tokens of rank 1 to 3 where every other method takes rank 0, yet no nonsense: the "
    "tail is untouched.",
    source="p-e-w, Exclude Top Choices (XTC), text-generation-webui pull request 6335, 2024",
    formula=r"\text{with probability } P: \text{ drop all } v \text{ with } p(v) \ge \theta "
    r"\text{ but the least likely of them}",
    params=XtcParams,
    build=build,
    neutral={"probability": 0.0},
    draws=True,
    idle=(
        Idle(
            ("probability",),
            "threshold",
            "two tokens cannot both be above a half.",
            above=0.5,
        ),
    ),
)
