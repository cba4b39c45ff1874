"""Min-p: a floor relative to the likeliest token."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


def min_p(logits: Float[Tensor, "*rows vocab"], p: float) -> Float[Tensor, "*rows vocab"]:
    """Keep the tokens at least `p` times as likely as the likeliest.

    Args:
        logits: float32 logits; never modified.
        p: the ratio, in [0, 1]; 0 keeps all, 1 keeps the argmax and its ties.

    Returns:
        A new tensor of the same shape, -inf where a token was cut.

    Raises:
        ValueError: if `p` is outside [0, 1].

    Source: Nguyen et al., "Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM
        Outputs", arXiv:2407.01082.
    Oracle: transformers.MinPLogitsWarper (tests/parity/test_processors.py).
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must lie in [0, 1], got {p}")
    if p == 0:
        return logits.clone()
    # p_v >= p * p_max is z_v >= z_max + log p: no softmax, one maximum a row.
    floor = logits.amax(dim=-1, keepdim=True) + math.log(p)
    return logits.masked_fill(logits < floor, -math.inf)


class MinPParams(Params):
    """Parameters of `min_p`."""

    p: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Share of the likeliest token's probability that a token must reach; "
        "0 switches it off.",
        json_schema_extra={"slider": [0, 0.5, 0.005]},
    )


def build(params: MinPParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: min_p(logits, params.p)


INFO = StageInfo(
    name="min_p",
    title="min-p",
    family="truncation",
    kind="processor",
    summary="Cuts every token less than p times as likely as the likeliest one.",
    look_for="Stays coherent at high temperature when it stands before it: the floor follows the "
    "model's confidence.",
    source="Nguyen et al., Turning Up the Heat: Min-p Sampling, arXiv:2407.01082",
    formula=r"\text{keep } v \text{ with } p(v) \ge p \cdot p_{\max}",
    params=MinPParams,
    build=build,
    neutral={"p": 0.0},
    keeps_argmax=True,
    on_device=True,
)
