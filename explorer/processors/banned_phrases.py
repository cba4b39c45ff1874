"""Banned phrases: the last token of each is out of reach once the others stand there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.params import Params
from explorer.processors.banning import ban, due
from explorer.processors.phrases import need_tokenizer, spellings, split_list

if TYPE_CHECKING:
    from torch import Tensor


def banned_phrases(
    logits: Float[Tensor, "rows vocab"],
    histories: Sequence[Sequence[int]],
    sequences: Sequence[Sequence[int]],
) -> Float[Tensor, "rows vocab"]:
    """Rule out every token that would complete one of the sequences.

    Args:
        logits: float32 logits; never modified.
        histories: per row, prompt and continuation.
        sequences: token ids of each phrase.

    Returns:
        A new tensor of the same shape, -inf where a token was ruled out; a row that would lose
        its last token is left as it is.

    Source: transformers' `bad_words_ids`; no paper. The ban is on tokens: a text can also be
        spelled with other pieces, so a phrase may still appear.
    Oracle: transformers.NoBadWordsLogitsProcessor (tests/parity/test_processors.py).
    """
    return ban(logits, [due(history, sequences) for history in histories])


class BannedPhrasesParams(Params):
    """Parameters of `banned_phrases`."""

    phrases: str = Field(
        default="",
        max_length=1000,
        description="Phrases that must not be said, separated by |; #123 is token 123.",
    )


def build(params: BannedPhrasesParams) -> Processor:
    """The processor of one lane."""
    texts = split_list(params.phrases)

    def process(logits: Tensor, view: StepView) -> Tensor:
        if not texts:
            return logits.clone()
        tokenizer = need_tokenizer(view.tokenizer)
        sequences = [ids for text in texts for ids in spellings(tokenizer, text)]
        return banned_phrases(logits, view.histories, sequences)

    return process


INFO = StageInfo(
    name="banned_phrases",
    title="banned phrases",
    family="constraint",
    kind="processor",
    summary="Forbids phrases: the token that would complete one is cut.",
    look_for="Often the model says the same in other words one token later: compare the lanes.",
    source="transformers, bad_words_ids",
    formula=r"p(v) = 0 \text{ where } v \text{ would complete a phrase}",
    params=BannedPhrasesParams,
    build=build,
    neutral={"phrases": ""},
)
