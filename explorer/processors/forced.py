"""Forced tokens: a given beginning, a given end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.deferred import torch
from explorer.core.params import Params
from explorer.processors.phrases import need_tokenizer

if TYPE_CHECKING:
    from torch import Tensor


def forced(
    logits: Float[Tensor, "rows vocab"], allowed: Iterable[int]
) -> Float[Tensor, "rows vocab"]:
    """Leave nothing but the allowed tokens, at their own logits.

    Args:
        logits: float32 logits; never modified.
        allowed: ids; those beyond the vocabulary are passed over.

    Returns:
        A new tensor of the same shape. A row in which all allowed tokens were impossible before
        gets them back, equally likely: a rule that must hold outranks a cut before it.

    Source: transformers' `forced_bos_token_id` and `forced_eos_token_id`; no paper.
    Oracle: transformers.ForcedEOSTokenLogitsProcessor (tests/parity/test_processors.py).
    """
    ids = torch.tensor(
        sorted({i for i in allowed if i < logits.shape[-1]}), dtype=torch.long, device=logits.device
    )
    if not len(ids):
        return logits.clone()
    changed = torch.full_like(logits, -math.inf)
    changed[:, ids] = logits[:, ids]
    lost = ~(changed > -math.inf).any(dim=-1)
    changed[lost] = changed[lost].index_fill(-1, ids, 0.0)
    return changed


class ForcedParams(Params):
    """Parameters of `forced`."""

    begin: str = Field(
        default="", max_length=1000, description="The continuation must begin with this text."
    )
    end: bool = Field(
        default=False, description="The last token allowed must be an end-of-sequence."
    )


def allowed_now(
    begin: Sequence[int], generated: int, view: StepView, *, end: bool
) -> Iterable[int] | None:
    """The tokens that may come at this step, or None where nothing is forced."""
    if generated < len(begin):
        return (begin[generated],)
    if end and view.steps_left == 1 and view.eos_ids:
        return view.eos_ids
    return None


def build(params: ForcedParams) -> Processor:
    """The processor of one lane."""

    def process(logits: Tensor, view: StepView) -> Tensor:
        begin: Sequence[int] = ()
        if params.begin:
            begin = need_tokenizer(view.tokenizer).encode_continuation(params.begin)
        generated = len(view.histories[0]) - view.prompt_length
        allowed = allowed_now(begin, generated, view, end=params.end)
        return logits.clone() if allowed is None else forced(logits, allowed)

    return process


INFO = StageInfo(
    name="forced",
    title="forced tokens",
    family="constraint",
    kind="processor",
    summary="Puts words into the model's mouth: the continuation begins as you say.",
    look_for="The surprisal of the forced words is how far they lie from what the model would say.",
    source="transformers, forced_bos_token_id and forced_eos_token_id",
    formula=r"p(v) = [\, v = f_t \,] \text{ while the given text is not yet written}",
    params=ForcedParams,
    build=build,
    neutral={"begin": "", "end": False},
)
