"""Quadratic smoothing: the distance to the best logit, squared."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.deferred import torch
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


def quadratic(
    logits: Float[Tensor, "*rows vocab"], smoothing: float, curve: float
) -> Float[Tensor, "*rows vocab"]:
    """Bend the logits: near the best one they move together, far from it they fall away.

    With d = logit - best (never above 0), f the smoothing and c the curve:
    best - (3 - c)/2 * f * d^2 + (c - 1)/2 * f * d^3.

    Args:
        logits: float32 logits; never modified.
        smoothing: f, at least 0; 0 changes nothing. d = -1/f is where nothing moves (c = 1).
        curve: c in [1, 3]; 1 is the plain square.

    Returns:
        A new tensor of the same shape; the order of the tokens is kept.

    Raises:
        ValueError: if `smoothing` is negative or `curve` outside [1, 3].

    Source: kalomaze, "Quadratic Sampling", 2024 (text-generation-webui `smoothing_factor`).
    Oracle: the polynomial, token by token (tests/unit/processors/).
    """
    if smoothing < 0 or not 1 <= curve <= 3:
        raise ValueError(f"smoothing must be 0 or more, curve in [1, 3]: {smoothing}, {curve}")
    if smoothing == 0:
        return logits.clone()
    best = logits.amax(dim=-1, keepdim=True)
    distance = logits - best
    square, cube = (3 - curve) / 2 * smoothing, (curve - 1) / 2 * smoothing
    # best + d * d * (cube * d - square); a factor of 0 must not meet an infinite distance.
    factor = distance * cube - square if cube else torch.full_like(distance, -square)
    return factor.mul_(distance).mul_(distance).add_(best)


class QuadraticParams(Params):
    """Parameters of `quadratic`."""

    smoothing: float = Field(
        default=0.3,
        ge=0,
        le=10,
        description="Strength of the square; 0 switches it off.",
        json_schema_extra={"slider": [0, 2, 0.05]},
    )
    curve: float = Field(
        default=1.0,
        ge=1,
        le=3,
        description="1 is the plain square; above, unlikely tokens fall faster.",
        json_schema_extra={"slider": [1, 3, 0.1]},
    )


def build(params: QuadraticParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: quadratic(logits, params.smoothing, params.curve)


INFO = StageInfo(
    name="quadratic",
    title="quadratic smoothing",
    family="temperature",
    kind="processor",
    summary="Evens out the tokens near the top and pushes the tail away, by one square.",
    look_for="Ranks 0 to 3 are drawn almost equally often, yet no wild token appears: a hot top "
    "and a cold tail.",
    source="kalomaze, Quadratic Sampling, 2024 (text-generation-webui smoothing_factor)",
    formula=r"z'_v = z_{\max} - \frac{3 - c}{2} f d_v^2 + \frac{c - 1}{2} f d_v^3, "
    r"\quad d_v = z_v - z_{\max}",
    params=QuadraticParams,
    build=build,
    neutral={"smoothing": 0.0},
    keeps_argmax=True,
    on_device=True,
)
