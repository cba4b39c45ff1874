"""Minimum length: no end before so many tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.params import Params
from explorer.processors.banning import ban

if TYPE_CHECKING:
    from torch import Tensor


def min_length(
    logits: Float[Tensor, "rows vocab"], generated: int, tokens: int, ends: Iterable[int]
) -> Float[Tensor, "rows vocab"]:
    """Rule out the end-of-sequence tokens while fewer than `tokens` were generated.

    Args:
        logits: float32 logits; never modified.
        generated: tokens so far, the prompt not counted.
        tokens: the minimum; 0 changes nothing.
        ends: end-of-sequence ids.

    Returns:
        A new tensor of the same shape, -inf where a token was ruled out; a row that could only
        end is left as it is.

    Source: transformers' `min_new_tokens`; no paper.
    Oracle: transformers.MinNewTokensLengthLogitsProcessor (tests/parity/test_processors.py).
    """
    if generated >= tokens:
        return logits.clone()
    return ban(logits, [ends] * len(logits), -math.inf)


class MinLengthParams(Params):
    """Parameters of `min_length`."""

    tokens: int = Field(
        default=32,
        ge=0,
        le=1_000_000,
        description="Tokens that must be generated before the text may end; 0 switches it off.",
        json_schema_extra={"slider": [0, 256, 8]},
    )


def build(params: MinLengthParams) -> Processor:
    """The processor of one lane."""

    def process(logits: Tensor, view: StepView) -> Tensor:
        generated = len(view.histories[0]) - view.prompt_length
        return min_length(logits, generated, params.tokens, view.eos_ids)

    return process


INFO = StageInfo(
    name="min_length",
    title="minimum length",
    family="constraint",
    kind="processor",
    summary="Forbids the end of the text before a number of tokens.",
    look_for="Where the model wanted to stop, the surprisal jumps: it must go on against its will.",
    source="transformers, min_new_tokens",
    formula=r"p(\text{end}) = 0 \text{ for } t < \text{tokens}",
    params=MinLengthParams,
    build=build,
    neutral={"tokens": 0},
)
