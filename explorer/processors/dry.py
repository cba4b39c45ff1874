"""DRY, don't repeat yourself: the longer the repeat a token would extend, the dearer it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.params import Params
from explorer.processors.phrases import split_list, tokens_with

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_BREAKERS = '\n|:|"|*'


def repeat_lengths(history: Sequence[int], limit: int) -> dict[int, int]:
    """For every token that followed an earlier copy of the history's end: how long that copy was.

    The length counts tokens already there, at most `limit`; the longest copy decides. Linear in
    the history (the Z-algorithm, from the end).

    >>> repeat_lengths([1, 2, 3, 9, 1, 2], limit=10)
    {3: 2}
    """
    backwards = list(history)[::-1]
    n = len(backwards)
    matched = [0] * n  # matched[k]: common prefix of backwards and backwards[k:]
    left = right = 0
    found: dict[int, int] = {}
    for k in range(1, n):
        length = min(matched[k - left], right - k) if k < right else 0
        while k + length < n and backwards[length] == backwards[k + length]:
            length += 1
        matched[k] = length
        if k + length > right:
            left, right = k, k + length
        if length:
            follower = backwards[k - 1]
            found[follower] = max(found.get(follower, 0), min(length, limit))
    return found


def dry(
    logits: Float[Tensor, "rows vocab"],
    histories: Sequence[Sequence[int]],
    params: DryParams,
    is_breaker: Callable[[int], bool],
) -> Float[Tensor, "rows vocab"]:
    """Subtract multiplier * base ** (length - allowed_length) from tokens that extend a repeat.

    A repeat is a stretch at the end of the history that stands earlier too; it is not followed
    back over a breaker, and a token that is itself a breaker is never penalised.

    Args:
        logits: float32 logits; never modified.
        histories: per row, prompt and continuation.
        params: multiplier, base, allowed_length and window; breakers are in `is_breaker`.
        is_breaker: true for tokens over which no repeat reaches.

    Returns:
        A new tensor of the same shape.

    Source: p-e-w, "DRY: A modern repetition penalty", text-generation-webui pull request 5677,
        2024. A breaker is a string here, and every token whose text holds it breaks; llama.cpp
        also follows breakers that are spread over several tokens.
    Oracle: llama.cpp's published sampler tests (tests/golden/).
    """
    changed = logits.clone()
    most = math.floor(80 / math.log(params.base)) if params.base > 1 else 0  # of float32
    for row, whole in enumerate(histories):
        history = whole[-params.window :] if params.window else whole
        backwards = range(len(history) - 1, -1, -1)
        place = next((i for i in backwards if is_breaker(history[i])), -1)
        limit = len(history) - 1 - place
        if limit < params.allowed_length:
            continue
        for token_id, length in repeat_lengths(history, limit).items():
            if length >= params.allowed_length and not is_breaker(token_id):
                exponent = min(length - params.allowed_length, most)
                changed[row, token_id] -= params.multiplier * params.base**exponent
    return changed


class DryParams(Params):
    """Parameters of `dry`."""

    multiplier: float = Field(
        default=0.8,
        ge=0,
        le=100,
        description="Penalty, in logits, of the shortest repeat that counts; 0 switches it off.",
        json_schema_extra={"slider": [0, 5, 0.1]},
    )
    base: float = Field(
        default=1.75,
        ge=1,
        le=10,
        description="Each further token of the repeat multiplies the penalty by this.",
        json_schema_extra={"slider": [1, 4, 0.05]},
    )
    allowed_length: int = Field(
        default=2,
        ge=1,
        le=1000,
        description="Repeats shorter than this cost nothing.",
        json_schema_extra={"slider": [1, 20, 1]},
    )
    window: int = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Only the last so many tokens are searched; 0 searches all.",
        json_schema_extra={"slider": [0, 1024, 32]},
    )
    breakers: str = Field(
        default=DEFAULT_BREAKERS,
        max_length=200,
        description="Strings over which no repeat reaches, separated by |.",
    )


def build(params: DryParams) -> Processor:
    """The processor of one lane."""
    strings = split_list(params.breakers)

    def process(logits: Tensor, view: StepView) -> Tensor:
        if params.multiplier == 0:
            return logits.clone()
        breakers = tokens_with(view.tokenizer, strings)
        return dry(logits, view.histories, params, breakers.__contains__)

    return process


INFO = StageInfo(
    name="dry",
    title="DRY",
    family="repetition",
    kind="processor",
    summary="Penalises exactly the token that would go on repeating, exponentially in the length "
    "of the repeat.",
    look_for="The first tokens of a repeat pass unharmed; after a few the next one is out of "
    "reach: loops end, names survive.",
    source="p-e-w, DRY: A modern repetition penalty, text-generation-webui pull request 5677, 2024",
    formula=r"z'_v = z_v - m \, b^{\, \ell(v) - a}, "
    r"\quad \ell(v) \ge a \text{ the length of the repeat that } v \text{ extends}",
    params=DryParams,
    build=build,
    neutral={"multiplier": 0.0},
)
