"""Epsilon sampling: an absolute floor."""

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


def epsilon(logits: Float[Tensor, "*rows vocab"], epsilon: float) -> Float[Tensor, "*rows vocab"]:
    """Cut the tokens less likely than `epsilon`; the likeliest always stays.

    Args:
        logits: float32 logits; never modified.
        epsilon: the floor, a probability in [0, 1); 0 keeps all.

    Returns:
        A new tensor of the same shape, -inf where a token was cut.

    Raises:
        ValueError: if `epsilon` is outside [0, 1).

    Source: Hewitt, Manning, Liang, "Truncation Sampling as Language Model Desmoothing",
        arXiv:2210.15191.
    Oracle: transformers.EpsilonLogitsWarper (tests/parity/test_processors.py).
    """
    if not 0 <= epsilon < 1:
        raise ValueError(f"epsilon must lie in [0, 1), got {epsilon}")
    if epsilon == 0:
        return logits.clone()
    probs = log_normalise(logits).exp()
    below = (probs < epsilon) & (probs < probs.amax(dim=-1, keepdim=True))
    return logits.masked_fill(below, -math.inf)


class EpsilonParams(Params):
    """Parameters of `epsilon`."""

    epsilon: float = Field(
        default=0.0006,
        ge=0,
        lt=1,
        description="Probability below which a token is cut; 0 switches it off.",
        json_schema_extra={"slider": [0, 0.02, 0.0001]},
    )


def build(params: EpsilonParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: epsilon(logits, params.epsilon)


INFO = StageInfo(
    name="epsilon",
    title="epsilon",
    family="truncation",
    kind="processor",
    summary="Cuts every token whose probability is below a fixed floor.",
    look_for="Flat laws lose much, peaked ones little: compare the support sizes with eta's.",
    source="Hewitt, Manning, Liang, Truncation Sampling as Language Model Desmoothing, "
    "arXiv:2210.15191",
    formula=r"\text{keep } v \text{ with } p(v) \ge \epsilon",
    params=EpsilonParams,
    build=build,
    neutral={"epsilon": 0.0},
    keeps_argmax=True,
    on_device=True,
)
