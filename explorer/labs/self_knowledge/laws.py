"""What a model gives to letters and to answers after a prompt, and what it holds when asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from explorer.core.deferred import torch
from explorer.core.distribution import log_normalise
from explorer.core.errors import NotCapable
from explorer.core.forcing import forced_laws
from explorer.core.handle import ModelHandle

if TYPE_CHECKING:
    from torch import Tensor

_ROWS = 16


def two_letters(log_first: float, log_second: float) -> tuple[float, float]:
    """The share of the first of two options, and what both have of the law.

    >>> share, mass = two_letters(-0.7, -1.5)
    >>> round(share, 4), round(mass, 4)
    (0.69, 0.7197)
    """
    mass = math.exp(log_first) + math.exp(log_second)
    return 1 / (1 + math.exp(log_second - log_first)), mass


def letter_laws(
    model: ModelHandle,
    preface: str,
    prompts: Sequence[str],
    letters: str,
    check: Callable[[], object] = bool,
) -> Tensor:
    """log p of each letter after each prompt, by one teacher-forced pass over some at a time.

    Args:
        model: whose law.
        preface: what all prompts stand behind; may be empty.
        prompts: end where the letter begins; all begin alike.
        letters: what is asked for; each must be one token after an opening bracket.
        check: called before every forward; what it raises ends the work.

    Returns:
        float32 [prompts, letters] on the CPU, nats.
    """
    tokenizer = model.tokenizer
    wanted = [tokenizer.encode_continuation(letter)[0] for letter in letters]
    ids = [tokenizer.encode(preface + prompt) for prompt in prompts]
    shared = _shared(ids)
    found = torch.empty(len(ids), len(letters))
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for begin in range(0, len(order), _ROWS):
        check()
        group = order[begin : begin + _ROWS]
        # One id more: the law of what follows a prompt is that of a token behind it.
        rows = [[*ids[i][shared:], 0] for i in group]
        for first, logits in forced_laws(model, ids[0][:shared], rows):
            for row, place in enumerate(group):
                at = len(rows[row]) - 1 - first
                if 0 <= at < logits.shape[1]:
                    found[place] = log_normalise(logits[row, at])[wanted].cpu()
    return found


def _shared(rows: Sequence[Sequence[int]]) -> int:
    """How many ids all rows begin with, at least one of each left over."""
    shortest = min(map(len, rows)) - 1
    alike = (len({row[i] for row in rows}) == 1 for i in range(shortest))
    return max(1, next((i for i, same in enumerate(alike) if not same), shortest))


def answer_laws(
    model: ModelHandle, prompt: str, answers: Sequence[str], check: Callable[[], object] = bool
) -> list[float]:
    """log p of each answer behind a prompt, a full stop after it, nats."""
    check()
    rows = [model.tokenizer.encode_continuation(f" {answer}.") for answer in answers]
    sums = [0.0] * len(rows)
    for first, logits in forced_laws(model, model.tokenizer.encode(prompt), rows):
        law = log_normalise(logits)
        for i, row in enumerate(rows):
            for at, token in enumerate(row[first : first + logits.shape[1]]):
                sums[i] += float(law[i, at, token])
    return sums


def last_states(
    model: ModelHandle, prompts: Sequence[str], check: Callable[[], object] = bool
) -> Tensor:
    """float32 [prompts, width]: what the output layer reads at the last token of each prompt.

    Raises:
        NotCapable: for a model that shows no hidden states.
    """
    found = []
    for prompt in prompts:
        check()
        batch = model.open_batch()
        batch.keep_layers()
        for _ in batch.prefill(model.tokenizer.encode(prompt)):
            pass
        if batch.layers is None:
            raise NotCapable(f"{model.info.id} shows no hidden states.", "Choose tiny.")
        found.append(batch.layers.last[-1].cpu())
    return torch.stack(found)
