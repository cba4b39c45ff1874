"""Exponential length decay: the end grows likelier the longer the text is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor

_MOST = 1e4  # a logit this high is certain, and float32 stays finite


def length_decay(
    logits: Float[Tensor, "rows vocab"],
    generated: int,
    params: LengthDecayParams,
    ends: Iterable[int],
) -> Float[Tensor, "rows vocab"]:
    """Add |logit| * (factor ** (generated - start) - 1) to the end-of-sequence tokens.

    Nothing changes before more than `start` tokens have been generated.

    Args:
        logits: float32 logits; never modified.
        generated: tokens so far, the prompt not counted.
        params: start and factor.
        ends: end-of-sequence ids.

    Returns:
        A new tensor of the same shape.

    Source: transformers' `exponential_decay_length_penalty`; no paper.
    Oracle: transformers.ExponentialDecayLengthPenalty (tests/parity/test_processors.py).
    """
    changed = logits.clone()
    late = generated - params.start
    if late <= 0:
        return changed
    try:
        growth = params.factor**late - 1
    except OverflowError:
        growth = _MOST
    for token_id in ends:
        if token_id < logits.shape[-1]:
            column = logits[:, token_id]
            lift = (column.abs() * growth).clamp(-_MOST, _MOST)
            changed[:, token_id] = column + lift.where(column.isfinite(), column.new_zeros(()))
    return changed


class LengthDecayParams(Params):
    """Parameters of `length_decay`."""

    start: int = Field(
        default=32,
        ge=0,
        le=1_000_000,
        description="Tokens that are generated before anything changes.",
        json_schema_extra={"slider": [0, 256, 8]},
    )
    factor: float = Field(
        default=1.05,
        ge=0.5,
        le=10,
        description="Growth per token after that; 1 switches it off, below 1 delays the end.",
        json_schema_extra={"slider": [0.9, 2, 0.01]},
    )


def build(params: LengthDecayParams) -> Processor:
    """The processor of one lane."""

    def process(logits: Tensor, view: StepView) -> Tensor:
        generated = len(view.histories[0]) - view.prompt_length
        return length_decay(logits, generated, params, view.eos_ids)

    return process


INFO = StageInfo(
    name="length_decay",
    title="length decay",
    family="repetition",
    kind="processor",
    summary="Raises the chance of ending, exponentially, once the text has a given length.",
    look_for="The end token climbs through the ranks, token by token, until a sentence closes "
    "where it fits.",
    source="transformers, exponential_decay_length_penalty",
    formula=r"z'_{\text{end}} = z_{\text{end}} + |z_{\text{end}}| "
    r"\, (f^{\, t - s} - 1), \quad t > s",
    params=LengthDecayParams,
    build=build,
    neutral={"factor": 1.0},
)
