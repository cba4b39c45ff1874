"""Contrastive generative exploration: what fine-tuning taught, without what was known before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Idle, Processor, StageInfo, StepView
from explorer.core.deferred import torch
from explorer.core.distribution import log_normalise
from explorer.core.params import Params
from explorer.processors.contexts import model_or_no_prompt, need_second, plausible

if TYPE_CHECKING:
    from torch import Tensor


def contrastive_exploration(
    logits: Float[Tensor, "*rows vocab"],
    pretrained: Float[Tensor, "*rows vocab"],
    alpha: float,
    gamma: float,
) -> Float[Tensor, "*rows vocab"]:
    """log p_finetuned - gamma * log p_pretrained among the plausible tokens.

    Both laws are normalised; plausible is what the fine-tuned model finds at least alpha times
    as likely as its best token.

    Args:
        logits: float32 logits of the fine-tuned model; never modified.
        pretrained: logits of the model it came from.
        alpha: plausibility, in [0, 1].
        gamma: weight of the model before tuning, at least 0; 0 only cuts.

    Returns:
        A new tensor of the same shape, -inf where a token is not plausible.

    Raises:
        ValueError: if `alpha` or `gamma` is out of range.

    Source: Isonuma and Titov, "What's New in My Data? Novelty Exploration via Contrastive
        Generation", arXiv:2410.14765 (the static form).
    Oracle: the authors' scores (golden numbers, tests/golden/).
    """
    if not 0 <= alpha <= 1 or gamma < 0:
        raise ValueError(f"alpha in [0, 1], gamma 0 or more: {alpha}, {gamma}")
    tuned, before = log_normalise(logits), log_normalise(pretrained).clamp_min(-100.0)
    return torch.where(plausible(tuned, alpha), tuned - gamma * before, -math.inf)


class ContrastiveExplorationParams(Params):
    """Parameters of `contrastive_exploration`."""

    pretrained: str = Field(
        default="",
        max_length=300,
        description="Name of the model before fine-tuning, with the same tokenizer; empty is the "
        "lane's own model without the prompt.",
    )
    alpha: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of the top probability a token must reach to be compared.",
        json_schema_extra={"slider": [0, 1, 0.05]},
    )
    gamma: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="Weight of the model before fine-tuning.",
        json_schema_extra={"slider": [0, 2, 0.1]},
    )


def build(params: ContrastiveExplorationParams) -> Processor:
    """The processor of one lane."""

    def process(logits: Tensor, view: StepView) -> Tensor:
        return contrastive_exploration(logits, need_second(view), params.alpha, params.gamma)

    return process


INFO = StageInfo(
    name="contrastive_exploration",
    title="contrastive exploration",
    family="contexts",
    kind="processor",
    summary="Shows what a fine-tuned model has learned by subtracting what it knew before.",
    look_for="Samples from a tuned model that look like its tuning data, even where that data "
    "was rare.",
    source="Isonuma and Titov, What's New in My Data?, arXiv:2410.14765",
    formula=r"z'_v = \log p(v) - \gamma \log p_{\text{before}}(v) "
    r"\text{ for } p(v) \ge \alpha \, p_{\max}, \text{ else } -\infty",
    params=ContrastiveExplorationParams,
    build=build,
    second=lambda params: model_or_no_prompt(params.pretrained),
    idle=(Idle(("pretrained",), "gamma", "its law has the weight 0.", when=(0.0,)),),
)
