"""Contrastive decoding: what the expert says and the amateur would not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.deferred import torch
from explorer.core.params import Params
from explorer.processors.contexts import model_or_no_prompt, need_second, plausible

if TYPE_CHECKING:
    from torch import Tensor


def contrastive_decoding(
    logits: Float[Tensor, "*rows vocab"],
    amateur: Float[Tensor, "*rows vocab"],
    alpha: float,
    temperature: float,
) -> Float[Tensor, "*rows vocab"]:
    """log p_expert - log p_amateur, up to one number a row, among the plausible tokens.

    Plausible is what the expert finds at least alpha times as likely as its best token;
    without that cut the difference is largest where both know nothing.

    Args:
        logits: float32 logits of the expert; never modified.
        amateur: logits of the amateur after the same continuation.
        alpha: plausibility, in [0, 1]; 1 leaves the argmax and its ties.
        temperature: the amateur's, above 0; above 1 its law is flatter and counts less.

    Returns:
        A new tensor of the same shape, -inf where a token is not plausible.

    Raises:
        ValueError: if `alpha` or `temperature` is out of range.

    Source: Li et al., "Contrastive Decoding: Open-ended Text Generation as Optimization",
        arXiv:2210.15097.
    Oracle: recomputation without a cache from two models (tests/parity/test_contexts.py).
    """
    if not 0 <= alpha <= 1 or not temperature > 0:
        raise ValueError(f"alpha in [0, 1], temperature above 0: {alpha}, {temperature}")
    # Normalising would add one number to a whole row: the law is the same without. A token the
    # amateur rules out is not infinitely good: e^-100 of its best is as far as it goes.
    other = amateur / temperature
    other = other.clamp_min(other.amax(dim=-1, keepdim=True) - 100.0)
    return torch.where(plausible(logits, alpha), logits - other, -math.inf)


class ContrastiveDecodingParams(Params):
    """Parameters of `contrastive_decoding`."""

    amateur: str = Field(
        default="",
        max_length=300,
        description="Name of the weaker model, with the same tokenizer; empty is the same model "
        "without the prompt.",
    )
    alpha: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of the expert's top probability a token must reach to be compared.",
        json_schema_extra={"slider": [0, 1, 0.05]},
    )
    temperature: float = Field(
        default=1.0,
        ge=0.01,
        le=100,
        description="The amateur's temperature: above 1 it counts less.",
        json_schema_extra={"slider": [0.1, 3, 0.1]},
    )


def build(params: ContrastiveDecodingParams) -> Processor:
    """The processor of one lane."""

    def process(logits: Tensor, view: StepView) -> Tensor:
        return contrastive_decoding(logits, need_second(view), params.alpha, params.temperature)

    return process


INFO = StageInfo(
    name="contrastive_decoding",
    title="contrastive decoding",
    family="contexts",
    kind="processor",
    summary="Takes what a strong model says and a weak one would not; no relation to contrastive "
    "search.",
    look_for="Stock phrases lose, since the amateur likes them too: ranks above 0 in the middle "
    "of common expressions. With greedy after it, it is the paper's method at width 1.",
    source="Li et al., Contrastive Decoding, arXiv:2210.15097",
    formula=r"z'_v = \log p(v) - \log p_{\text{amateur}}(v) "
    r"\text{ for } p(v) \ge \alpha \, p_{\max}, \text{ else } -\infty",
    params=ContrastiveDecodingParams,
    build=build,
    second=lambda params: model_or_no_prompt(params.amateur),
)
