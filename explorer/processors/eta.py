"""Eta sampling: a floor that gives way where the entropy is high."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.distribution import entropy, log_normalise
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


def eta(logits: Float[Tensor, "*rows vocab"], epsilon: float) -> Float[Tensor, "*rows vocab"]:
    """Cut the tokens less likely than eta = min(epsilon, sqrt(epsilon) exp(-H)).

    The likeliest token always stays.

    Args:
        logits: float32 logits; never modified.
        epsilon: in [0, 1); 0 keeps all.

    Returns:
        A new tensor of the same shape, -inf where a token was cut.

    Raises:
        ValueError: if `epsilon` is outside [0, 1).

    Source: Hewitt, Manning, Liang, "Truncation Sampling as Language Model Desmoothing",
        arXiv:2210.15191.
    Oracle: transformers.EtaLogitsWarper (tests/parity/test_processors.py).
    """
    if not 0 <= epsilon < 1:
        raise ValueError(f"epsilon must lie in [0, 1), got {epsilon}")
    if epsilon == 0:
        return logits.clone()
    logprobs = log_normalise(logits)
    # In logs: the probabilities of the whole vocabulary need not be made for it.
    sinking = 0.5 * math.log(epsilon) - entropy(logprobs)
    floor = sinking.clamp_max(math.log(epsilon)).unsqueeze(-1)
    below = (logprobs < floor) & (logprobs < logprobs.amax(dim=-1, keepdim=True))
    return logits.masked_fill(below, -math.inf)


class EtaParams(Params):
    """Parameters of `eta`."""

    epsilon: float = Field(
        default=0.0009,
        ge=0,
        lt=1,
        description="Highest floor; it falls as sqrt(epsilon) exp(-H) where the entropy H is "
        "high. 0 switches it off.",
        json_schema_extra={"slider": [0, 0.02, 0.0001]},
    )


def build(params: EtaParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: eta(logits, params.epsilon)


INFO = StageInfo(
    name="eta",
    title="eta",
    family="truncation",
    kind="processor",
    summary="Cuts tokens below a floor that sinks as the entropy of the law rises.",
    look_for="Where the entropy is high its support is wider than epsilon's, elsewhere the same.",
    source="Hewitt, Manning, Liang, Truncation Sampling as Language Model Desmoothing, "
    "arXiv:2210.15191",
    formula=r"\text{keep } v \text{ with } p(v) \ge \min(\epsilon, \sqrt{\epsilon} \, e^{-H(p)})",
    params=EtaParams,
    build=build,
    neutral={"epsilon": 0.0},
    keeps_argmax=True,
    on_device=True,
)
