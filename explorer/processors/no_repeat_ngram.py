"""No repeated n-grams: a token that would complete one already seen is banned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.deferred import torch
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


def banned_tokens(history: Sequence[int], n: int) -> set[int]:
    """Tokens that would complete an n-gram that the history already holds.

    >>> banned_tokens([1, 2, 3, 1, 2], n=3)
    {3}
    """
    if n < 1 or len(history) + 1 < n:
        return set()
    prefix = list(history[len(history) - n + 1 :])
    return {
        history[i + n - 1]
        for i in range(len(history) - n + 1)
        if list(history[i : i + n - 1]) == prefix
    }


def no_repeat_ngram(
    logits: Float[Tensor, "rows vocab"], histories: Sequence[Sequence[int]], n: int
) -> Float[Tensor, "rows vocab"]:
    """Ban every token that would repeat an n-gram of prompt and continuation.

    A row in which that would leave no token at all is left as it is.

    Args:
        logits: float32 logits; never modified.
        histories: per row, prompt and continuation.
        n: length of the n-grams; 0 bans nothing.

    Returns:
        A new tensor of the same shape, -inf where a token was banned.

    Raises:
        ValueError: if `n` is negative.

    Source: Paulus, Xiong, Socher, "A Deep Reinforced Model for Abstractive Summarization",
        arXiv:1705.04304.
    Oracle: transformers.NoRepeatNGramLogitsProcessor (tests/parity/test_processors.py).
    """
    if n < 0:
        raise ValueError(f"n must be 0 (off) or more, got {n}")
    changed = logits.clone()
    for row, history in enumerate(histories):
        banned = torch.as_tensor(
            sorted(banned_tokens(history, n)), dtype=torch.long, device=logits.device
        )
        changed[row, banned] = -math.inf
        if not bool(changed[row].isfinite().any()):
            changed[row] = logits[row]
    return changed


class NoRepeatNgramParams(Params):
    """Parameters of `no_repeat_ngram`."""

    n: int = Field(
        default=3,
        ge=0,
        le=64,
        description="No n tokens in a row may occur twice; 0 switches it off.",
        json_schema_extra={"slider": [0, 10, 1]},
    )


def build(params: NoRepeatNgramParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: no_repeat_ngram(logits, view.histories, params.n)


INFO = StageInfo(
    name="no_repeat_ngram",
    title="no repeated n-gram",
    family="repetition",
    kind="processor",
    summary="Bans every token that would complete an n-gram already seen, prompt included.",
    look_for="Hard detours: a token of rank 0 and high probability is cut and the surprisal jumps.",
    source="Paulus, Xiong, Socher, A Deep Reinforced Model for Abstractive Summarization, "
    "arXiv:1705.04304",
    formula=r"p(v) = 0 \text{ where the last } n - 1 \text{ tokens and } v \text{ stand already}",
    params=NoRepeatNgramParams,
    build=build,
    neutral={"n": 0},
)
