"""Top-k: only the k likeliest tokens."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


def top_k(logits: Float[Tensor, "*rows vocab"], k: int) -> Float[Tensor, "*rows vocab"]:
    """Keep the k likeliest tokens; tokens that tie with the k-th stay too.

    Args:
        logits: float32 logits; never modified.
        k: how many; 0 or the whole vocabulary keeps all.

    Returns:
        A new tensor of the same shape, -inf where a token was cut.

    Raises:
        ValueError: if `k` is negative.

    Source: Fan, Lewis, Dauphin, "Hierarchical Neural Story Generation", arXiv:1805.04833.
    Oracle: transformers.TopKLogitsWarper (tests/parity/test_processors.py).
    """
    if k < 0:
        raise ValueError(f"k must be 0 (off) or more, got {k}")
    if k == 0 or k >= logits.shape[-1]:
        return logits.clone()
    threshold = logits.topk(k, dim=-1).values[..., -1:]
    return logits.masked_fill(logits < threshold, -math.inf)


class TopKParams(Params):
    """Parameters of `top_k`."""

    k: int = Field(
        default=50,
        ge=0,
        le=1_000_000,
        description="How many of the likeliest tokens stay; 0 switches it off.",
        json_schema_extra={"slider": [0, 200, 1]},
    )


def build(params: TopKParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: top_k(logits, params.k)


INFO = StageInfo(
    name="top_k",
    title="top-k",
    family="truncation",
    kind="processor",
    summary="Samples from the k likeliest tokens only, however flat or peaked the law is.",
    look_for="Support size is constant: too wide where the model is sure, too narrow where it "
    "is not.",
    source="Fan, Lewis, Dauphin, Hierarchical Neural Story Generation, arXiv:1805.04833",
    formula=r"\text{keep } v \text{ among the } k \text{ likeliest}",
    params=TopKParams,
    build=build,
    neutral={"k": 0},
    keeps_argmax=True,
    on_device=True,
)
