"""Suppressed tokens: never, or only not at the beginning."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.params import Params
from explorer.processors.banning import ban
from explorer.processors.phrases import need_tokenizer, split_list, tokens_with

if TYPE_CHECKING:
    from torch import Tensor


def suppressed(
    logits: Float[Tensor, "rows vocab"], tokens: Iterable[int]
) -> Float[Tensor, "rows vocab"]:
    """Rule out tokens in every row.

    Args:
        logits: float32 logits; never modified.
        tokens: ids.

    Returns:
        A new tensor of the same shape, -inf where a token was ruled out; a row that would lose
        its last token is left as it is.

    Source: transformers' `suppress_tokens` and `begin_suppress_tokens` (from Whisper,
        arXiv:2212.04356).
    Oracle: transformers.SuppressTokensLogitsProcessor and SuppressTokensAtBeginLogitsProcessor
        (tests/parity/test_processors.py).
    """
    return ban(logits, [list(tokens)] * len(logits))


class SuppressedParams(Params):
    """Parameters of `suppressed`."""

    containing: str = Field(
        default="",
        max_length=1000,
        description="Every token whose text holds one of these strings, separated by |, is cut; "
        "#123 is token 123.",
    )
    at_begin: bool = Field(default=False, description="Only for the first generated token.")


def build(params: SuppressedParams) -> Processor:
    """The processor of one lane."""
    entries = split_list(params.containing)
    ids = {int(e[1:]) for e in entries if e.startswith("#") and e[1:].isdecimal()}
    texts = [e for e in entries if not (e.startswith("#") and e[1:].isdecimal())]

    def process(logits: Tensor, view: StepView) -> Tensor:
        begun = len(view.histories[0]) > view.prompt_length
        if not entries or (params.at_begin and begun):
            return logits.clone()
        found = tokens_with(need_tokenizer(view.tokenizer), texts) if texts else frozenset()
        return suppressed(logits, ids | found)

    return process


INFO = StageInfo(
    name="suppressed",
    title="suppressed tokens",
    family="constraint",
    kind="processor",
    summary="Cuts every token that holds a given string: a text without the letter e.",
    look_for="Suppress one common letter: the surprisal of every detour is the price of the rule.",
    source="transformers, suppress_tokens; Radford et al., Whisper, arXiv:2212.04356",
    formula=r"p(v) = 0 \text{ for } v \text{ that hold one of the strings}",
    params=SuppressedParams,
    build=build,
    neutral={"containing": ""},
)
