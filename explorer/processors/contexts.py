"""What stages with a second context have in common."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from explorer.core.decoder import Second, StepView
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


class SecondParams(Params):
    """Another model, or another prompt to the same one."""

    model: str = Field(
        default="",
        max_length=300,
        description="Name of the second model, with the same tokenizer; empty is the lane's own.",
    )
    prompt: str = Field(
        default="",
        max_length=4000,
        description="What the second one reads before the continuation; empty is the lane's "
        "prompt where a model is named, the begin mark alone where none is.",
    )


def second_of(params: SecondParams) -> Second:
    """The second context that parameters describe."""
    return Second(params.model, params.prompt or (None if params.model else ""))


def model_or_no_prompt(model: str) -> Second:
    """The named model after the lane's prompt, or, with no name, the lane's own without it."""
    return Second(model=model) if model else Second(prompt="")


def need_second(view: StepView) -> Tensor:
    """The logits [rows, vocab] of the second context.

    Raises:
        ValueError: if the view has none.
    """
    if view.second_logits is None:
        raise ValueError("a stage that compares needs a second context in its view")
    return view.second_logits


def plausible(logits: Tensor, alpha: float) -> Tensor:
    """True, [rows, vocab], where a token is at least alpha times as likely as the likeliest."""
    if alpha == 0:
        return logits > -math.inf
    return logits >= logits.amax(dim=-1, keepdim=True) + math.log(alpha)
