"""Bits per byte: what a model pays for a text, comparable between tokenizers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.core.handle import ModelHandle

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class BitsPerByte:
    """A measurement.

    Attributes:
        value: total surprisal in bits over the bytes of the text.
        tokens: tokens scored.
        bytes: bytes of UTF-8 they stand for.
    """

    value: float
    tokens: int
    bytes: int


def bits_per_byte(model: ModelHandle, texts: Sequence[str], *, window: int = 256) -> BitsPerByte:
    """Teacher-forced surprisal of whole texts over their length in bytes.

    A text is cut into stretches of `window` - 1 tokens, each read after a begin-of-text token
    alone, so that all models have the same short memory, whatever their context. The end of a
    text is not scored: bytes are what models have in common.

    Args:
        model: any.
        texts: read one by one.
        window: tokens a stretch, the begin-of-text included.
    """
    begin = model.tokenizer.bos_id
    if begin is None:
        begin = min(model.tokenizer.eos_ids)
    window = min(window, model.info.context_length or window)
    nats, tokens, size = 0.0, 0, 0
    for text in texts:
        ids = model.tokenizer.encode_continuation(text)
        size += len(text.encode())
        for first in range(0, len(ids), window - 1):
            stretch = [begin, *ids[first : first + window - 1]]
            tokens += len(stretch) - 1
            nats += sum(
                _surprisal(logits, stretch[position : position + len(logits)])
                for position, logits in model.score(stretch, 1)
            )
    return BitsPerByte(nats / math.log(2) / size, tokens, size)


def _surprisal(logits: Tensor, token_ids: Sequence[int]) -> float:
    laws = logits.log_softmax(dim=-1)
    own = laws.gather(-1, laws.new_tensor(token_ids).long().unsqueeze(-1))
    return -float(own.double().sum())
