"""Our processors for transformers, and theirs for us.

>>> # model.generate(..., logits_processor=LogitsProcessorList([as_transformers(process)]))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from explorer.core.decoder import Processor, StepView
from explorer.core.deferred import torch
from explorer.core.distribution import log_normalise
from explorer.core.handle import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor


def as_transformers(
    process: Processor, *, prompt_length: int = 0, tokenizer: Tokenizer | None = None
) -> Callable[[Tensor, Tensor], Tensor]:
    """A processor as `model.generate(logits_processor=[...])` calls it.

    Args:
        process: any processor that needs no second context, hidden states or noise.
        prompt_length: tokens of `input_ids` that are the prompt.
        tokenizer: for stages that name texts.

    Returns:
        A callable (input_ids [rows, length], scores [rows, vocab]) -> scores.
    """

    def call(input_ids: Tensor, scores: Tensor) -> Tensor:
        histories = tuple(input_ids.tolist())
        view = StepView(
            logits=scores,
            logprobs=log_normalise(scores),
            histories=histories,
            prompt_length=prompt_length,
            uniforms=(0.5,) * len(histories),
            tokenizer=tokenizer,
        )
        return process(scores, view)

    return call


def from_transformers(processor: Any) -> Processor:
    """A transformers `LogitsProcessor` as a stage.

    Args:
        processor: called with (input_ids int64 [rows, length], scores float32 [rows, vocab]).
            It must be a function of these alone: one that counts its calls or remembers rows
            goes wrong where a lane holds several.
    """

    def process(logits: Tensor, view: StepView) -> Tensor:
        input_ids = torch.tensor([list(h) for h in view.histories], device=logits.device)
        result: Tensor = processor(input_ids, logits.clone())
        return result

    return process
