"""Top-a: a floor that rises with the square of the likeliest token's probability."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.distribution import log_normalise
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


def top_a(logits: Float[Tensor, "*rows vocab"], a: float) -> Float[Tensor, "*rows vocab"]:
    """Keep the tokens with p_v >= a * p_max ** 2.

    Args:
        logits: float32 logits; never modified.
        a: in [0, 1]; 0 keeps all.

    Returns:
        A new tensor of the same shape, -inf where a token was cut.

    Raises:
        ValueError: if `a` is outside [0, 1].

    Source: BlinkDL, "Top-a", RWKV-LM repository, 2022.
    Oracle: the inequality on probabilities (tests/unit/processors/).
    """
    if not 0 <= a <= 1:
        raise ValueError(f"a must lie in [0, 1], got {a}")
    if a == 0:
        return logits.clone()
    # In logs, and against the row's own maximum: z_v - z_max >= log a + log p_max.
    best = logits.amax(dim=-1, keepdim=True)
    log_p_max = log_normalise(logits).amax(dim=-1, keepdim=True)
    return logits.masked_fill(logits - best < math.log(a) + log_p_max, -math.inf)


class TopAParams(Params):
    """Parameters of `top_a`."""

    a: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Tokens below a times the squared top probability are cut; 0 switches it off.",
        json_schema_extra={"slider": [0, 1, 0.01]},
    )


def build(params: TopAParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: top_a(logits, params.a)


INFO = StageInfo(
    name="top_a",
    title="top-a",
    family="truncation",
    kind="processor",
    summary="Min-p with a floor that is strict when the model is sure and loose when it is not.",
    look_for="Beside min-p: the same tokens survive on confident steps, many more on open ones.",
    source="BlinkDL, Top-a, RWKV-LM repository, 2022",
    formula=r"\text{keep } v \text{ with } p(v) \ge a \cdot p_{\max}^2",
    params=TopAParams,
    build=build,
    neutral={"a": 0.0},
    keeps_argmax=True,
    on_device=True,
)
