"""A mixture of two models: each token is drawn from one or the other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Idle, Processor, StageInfo, StepView
from explorer.core.deferred import torch
from explorer.core.distribution import log_normalise
from explorer.processors.contexts import SecondParams, need_second, second_of

if TYPE_CHECKING:
    from torch import Tensor


def mixture(
    logits: Float[Tensor, "*rows vocab"],
    second: Float[Tensor, "*rows vocab"],
    weight: float,
) -> Float[Tensor, "*rows vocab"]:
    """log((1 - weight) p_1 + weight p_2), for tokens that no stage before has cut.

    Args:
        logits: float32 logits; never modified.
        second: logits of the second context.
        weight: of the second law, 0 to 1; at 1 the text is the second model's alone.

    Returns:
        A new tensor of the same shape; where no token is left, the first law is kept.

    Source: Jelinek and Mercer, "Interpolated estimation of Markov source parameters from sparse
        data", 1980.
    Oracle: the mean of probabilities (tests/parity/test_contexts.py).
    """
    if weight == 0:
        return logits.clone()
    if weight == 1:
        mixed = second.clone()
    else:
        first = log_normalise(logits) + math.log1p(-weight)
        other = log_normalise(second) + math.log(weight)
        # torch.logaddexp rounds a row by where it lies in memory; this does not.
        high = torch.maximum(first, other)
        mixed = high + ((first - high).exp() + (other - high).exp()).log()
    mixed.masked_fill_(logits.isneginf(), -math.inf)
    alone = ~mixed.isfinite().any(dim=-1, keepdim=True)
    return mixed.where(~alone, logits) if bool(alone.any()) else mixed


class MixtureParams(SecondParams):
    """Parameters of `mixture`."""

    weight: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Share of the second law: 0 leaves the first alone, 1 takes the second alone.",
        json_schema_extra={"slider": [0, 1, 0.05]},
    )


def build(params: MixtureParams) -> Processor:
    """The processor of one lane."""

    def process(logits: Tensor, view: StepView) -> Tensor:
        return mixture(logits, need_second(view), params.weight)

    return process


INFO = StageInfo(
    name="mixture",
    title="mixture of two models",
    family="contexts",
    kind="processor",
    summary="Draws each token from one of two laws, by chance: of two models, or of two prompts.",
    look_for="At weight 1 the lane is the other model's, while its surprisal is still the first "
    "one's: what a tuned model says that the one before would not.",
    source="Jelinek and Mercer, Interpolated estimation of Markov source parameters from sparse "
    "data, 1980",
    formula=r"q(v) = (1 - w) \, p_1(v) + w \, p_2(v)",
    params=MixtureParams,
    build=build,
    neutral={"weight": 0.0},
    second=second_of,
    idle=(Idle(("model", "prompt"), "weight", "the second law has the weight 0.", when=(0.0,)),),
)
