"""Product of experts: two models must agree."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Idle, Processor, StageInfo, StepView
from explorer.processors.contexts import SecondParams, need_second, second_of

if TYPE_CHECKING:
    from torch import Tensor


def product_of_experts(
    logits: Float[Tensor, "*rows vocab"],
    second: Float[Tensor, "*rows vocab"],
    first_weight: float,
    second_weight: float,
) -> Float[Tensor, "*rows vocab"]:
    """first_weight * log p_1 + second_weight * log p_2, up to one number a row.

    The product of two laws of *texts* is another law than the product taken token by token;
    for that, see `product_smc`.

    Args:
        logits: float32 logits; never modified.
        second: logits of the second context.
        first_weight: at least 0.
        second_weight: at least 0; 0 leaves the first law alone.

    Returns:
        A new tensor of the same shape; where no token has both, the first law is kept.

    Source: Hinton, "Training Products of Experts by Minimizing Contrastive Divergence",
        Neural Computation 14(8), 2002; Liu et al., "DExperts", arXiv:2105.03023, for decoding.
    Oracle: the product of probabilities (tests/parity/test_contexts.py).
    """
    if (first_weight, second_weight) == (1, 0):
        return logits.clone()
    # Normalising would add one number to a whole row: the law is the same without.
    both = first_weight * logits + second_weight * second
    # An impossible token stays so under a weight of 0, where the product above says NaN.
    impossible = logits.isneginf() | second.isneginf()
    both = both.masked_fill_(impossible, -math.inf)
    alone = ~both.isfinite().any(dim=-1, keepdim=True)
    return both.where(~alone, logits) if bool(alone.any()) else both


class ProductOfExpertsParams(SecondParams):
    """Parameters of `product_of_experts`."""

    first_weight: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="Exponent of the first law.",
        json_schema_extra={"slider": [0, 3, 0.1]},
    )
    second_weight: float = Field(
        default=0.5,
        ge=0,
        le=10,
        description="Exponent of the second law; 0 leaves the first alone.",
        json_schema_extra={"slider": [0, 3, 0.1]},
    )


def build(params: ProductOfExpertsParams) -> Processor:
    """The processor of one lane."""

    def process(logits: Tensor, view: StepView) -> Tensor:
        return product_of_experts(
            logits, need_second(view), params.first_weight, params.second_weight
        )

    return process


INFO = StageInfo(
    name="product_of_experts",
    title="product of experts",
    family="contexts",
    kind="processor",
    summary="Multiplies two laws: a token needs the consent of both models, or of both prompts.",
    look_for="Give a second prompt in another mood: tokens that suit only one of the two vanish.",
    source="Hinton, Training Products of Experts, 2002; Liu et al., DExperts, arXiv:2105.03023",
    formula=r"q(v) \propto p_1(v)^{a} \, p_2(v)^{b}",
    params=ProductOfExpertsParams,
    build=build,
    neutral={"first_weight": 1.0, "second_weight": 0.0},
    second=second_of,
    idle=(
        Idle(("model", "prompt"), "second_weight", "the second law has the weight 0.", when=(0.0,)),
    ),
)
