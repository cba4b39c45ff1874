"""What a lane's decoder saw at a token of its trace, made again from the model's logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from explorer.core.decoder import StepView
from explorer.core.handle import ModelHandle
from explorer.core.noise import uniform
from explorer.core.types import Trace

if TYPE_CHECKING:
    from torch import Tensor


def view_at(
    trace: Trace,
    index: int,
    logits: Tensor,
    logprobs: Tensor,
    second: Tensor | None,
    model: ModelHandle,
) -> StepView:
    """The view of a lane of one row.

    Args:
        trace: whose lane it is.
        index: the token that is to be chosen.
        logits: [1, vocab] of it.
        logprobs: [1, vocab] of it.
        second: [1, vocab] logits of it in the lane's second context, if it has one.
        model: the one that made the trace.
    """
    terms = trace.terms
    most = len(trace.steps) if terms is None else terms.max_new_tokens
    ignores = terms is not None and terms.ignore_eos
    return StepView(
        logits=logits,
        logprobs=logprobs,
        histories=([*trace.prompt.ids, *trace.token_ids[:index]],),
        prompt_length=len(trace.prompt.ids),
        uniforms=(uniform(trace.seed, trace.noise.lane, 0, index),),
        eos_ids=frozenset() if ignores else model.tokenizer.eos_ids,
        steps_left=most - index,
        tokenizer=model.tokenizer,
        second_logits=second,
    )
