"""Top-n-sigma: a floor measured in standard deviations of the logits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.params import Params
from explorer.core.recording import recording

if TYPE_CHECKING:
    from torch import Tensor


def top_n_sigma(logits: Float[Tensor, "rows vocab"], n: float) -> Float[Tensor, "rows vocab"]:
    """Keep the tokens whose logit is at most n standard deviations below the best.

    The deviation is that of the possible tokens' logits (divided by their number, not by one
    less). A temperature before it scales both sides: the same tokens survive.

    Args:
        logits: float32 logits; never modified.
        n: at least 0; 0 switches it off, as in llama.cpp.

    Returns:
        A new tensor of the same shape, -inf where a token was cut.

    Raises:
        ValueError: if `n` is negative.

    Source: Tang et al., "Top-n-sigma: Not All Logits Are You Need", arXiv:2411.07641.
    Oracle: llama.cpp's published sampler tests (tests/golden/).
    """
    if n < 0:
        raise ValueError(f"n must be 0 (off) or more, got {n}")
    if n == 0:
        return logits.clone()
    # Distances to the best instead of raw logits: the square of a large mean loses digits.
    distance = logits - logits.amax(dim=-1, keepdim=True)
    possible = distance > -math.inf
    if not recording() and bool(possible.all()):
        off = distance - distance.mean(dim=-1, keepdim=True)
        spread = off.square_().mean(dim=-1, keepdim=True)
    else:
        count = possible.sum(dim=-1, keepdim=True)
        finite = distance.masked_fill(~possible, 0.0)
        mean = finite.sum(dim=-1, keepdim=True) / count
        squares = (finite - mean).masked_fill_(~possible, 0.0).square_()
        spread = squares.sum(dim=-1, keepdim=True) / count
    return logits.masked_fill(distance < -n * spread.sqrt(), -math.inf)


class TopNSigmaParams(Params):
    """Parameters of `top_n_sigma`."""

    n: float = Field(
        default=1.0,
        ge=0,
        le=100,
        description="Standard deviations of the logits between the best token and the last one "
        "kept; 0 switches it off.",
        json_schema_extra={"slider": [0, 5, 0.1]},
    )


def build(params: TopNSigmaParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: top_n_sigma(logits, params.n)


INFO = StageInfo(
    name="top_n_sigma",
    title="top-n-sigma",
    family="truncation",
    kind="processor",
    summary="Cuts by the spread of the raw logits, so that temperature cannot widen the choice.",
    look_for="At temperature 3 the support stays what it was at 1: only the odds within it change.",
    source="Tang et al., Top-n-sigma: Not All Logits Are You Need, arXiv:2411.07641",
    formula=r"\text{keep } v \text{ with } z_v \ge z_{\max} - n \, \sigma(z)",
    params=TopNSigmaParams,
    build=build,
    neutral={"n": 0.0},
    keeps_argmax=True,
    on_device=True,
)
