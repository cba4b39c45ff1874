"""Logit bias: a push for or against single tokens and phrases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field, field_validator

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.errors import InvalidParams
from explorer.core.params import Params
from explorer.processors.banning import ban, due
from explorer.processors.phrases import ids_of, need_tokenizer, split_list

if TYPE_CHECKING:
    from torch import Tensor


def logit_bias(
    logits: Float[Tensor, "rows vocab"],
    histories: Sequence[Sequence[int]],
    biases: Mapping[tuple[int, ...], float],
) -> Float[Tensor, "rows vocab"]:
    """Add each bias to the last token of its sequence wherever the others stand before it.

    Args:
        logits: float32 logits; never modified.
        histories: per row, prompt and continuation.
        biases: token sequences and what is added, in logits; sums where several apply.

    Returns:
        A new tensor of the same shape.

    Source: OpenAI's API reference, "logit_bias"; sequences as in transformers' `sequence_bias`.
    Oracle: transformers.SequenceBiasLogitsProcessor (tests/parity/test_processors.py).
    """
    changed = logits.clone()
    for sequence, amount in biases.items():
        changed = ban(changed, [due(history, [sequence]) for history in histories], amount)
    return changed


def parse_biases(text: str) -> list[tuple[str, float]]:
    """Entries `text:amount`, separated by |.

    Raises:
        InvalidParams: naming the entry that cannot be read.

    >>> parse_biases(" cat:5|#17:-100")
    [(' cat', 5.0), ('#17', -100.0)]
    """
    found = []
    for entry in split_list(text):
        word, colon, number = entry.rpartition(":")
        try:
            amount = float(number)
        except ValueError:
            amount = math.nan
        if not colon or not word or not abs(amount) <= 1000:
            raise InvalidParams(
                f"'{entry}' is no bias.", "Write text:amount, like ' cat:5', amounts up to 1000."
            )
        found.append((word, amount))
    return found


class LogitBiasParams(Params):
    """Parameters of `logit_bias`."""

    bias: str = Field(
        default="",
        max_length=1000,
        description="What is added to which token, as text:amount, separated by |; #123 is "
        "token 123, and a space before a word belongs to it.",
    )

    @field_validator("bias")
    @classmethod
    def _is_a_list(cls, bias: str) -> str:
        try:
            parse_biases(bias)
        except InvalidParams as error:
            raise ValueError(str(error)) from None
        return bias


def build(params: LogitBiasParams) -> Processor:
    """The processor of one lane."""
    entries = parse_biases(params.bias)

    def process(logits: Tensor, view: StepView) -> Tensor:
        if not entries:
            return logits.clone()
        tokenizer = need_tokenizer(view.tokenizer)
        biases = {ids_of(tokenizer, text): amount for text, amount in entries}
        return logit_bias(logits, view.histories, biases)

    return process


INFO = StageInfo(
    name="logit_bias",
    title="logit bias",
    family="constraint",
    kind="processor",
    summary="Adds a number to the logits of chosen tokens: 1 makes a token 2.7 times as likely.",
    look_for="A bias of 5 makes a word turn up everywhere it can: watch p and q of it part.",
    source="OpenAI API reference, logit_bias",
    formula=r"z'_v = z_v + b_v",
    params=LogitBiasParams,
    build=build,
    neutral={"bias": ""},
)
