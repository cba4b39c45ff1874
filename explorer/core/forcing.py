"""Teacher forcing: the laws along texts that exist, many positions of many rows a forward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.core.deferred import torch
from explorer.core.errors import InvalidParams
from explorer.core.handle import ModelHandle

if TYPE_CHECKING:
    from torch import Tensor

LAWS_HELD = 128
"""Laws in memory at once, over all rows: 25 MB at 49,152 tokens."""
_FILLER = 0


def forced_laws(
    model: ModelHandle, prompt_ids: Sequence[int], rows: Sequence[Sequence[int]]
) -> Iterator[tuple[int, Tensor]]:
    """The model's logits for every token of texts that follow one prompt.

    The prompt is read once, as a run reads it. Rows shorter than the longest are filled up on
    the right, where nothing before can see it.

    Args:
        model: whose laws.
        prompt_ids: at least one id, the same before every row.
        rows: at least one, at most some tens; each with at least one token.

    Yields:
        (first, logits): logits float32 [rows, n, vocab]; entry [r, i] is the law of token
        `first + i` of row r, and means nothing past its end.

    Raises:
        InvalidParams: for an empty prompt or ids that are none of the model's.
        NotCapable: if prompt and longest row do not fit the model's context.
    """
    batch = model.open_batch()
    *_, logits = batch.prefill(prompt_ids)
    assert isinstance(logits, torch.Tensor)
    yield 0, logits.expand(len(rows), -1).unsqueeze(1)
    batch.select([0] * len(rows))
    # The last token of a row need not be read: nothing is asked of what follows it.
    last = max(len(row) for row in rows) - 1
    width = max(1, LAWS_HELD // len(rows))
    for first in range(0, last, width):
        end = min(first + width, last)
        chunk = [[*row[first:end], *[_FILLER] * (end - max(first, len(row)))] for row in rows]
        yield first + 1, batch.read(chunk)


@dataclass(frozen=True, slots=True)
class Windows:
    """How a text longer than a context is read.

    Attributes:
        size: tokens a window reads, context included.
        stride: tokens each window but the first adds: all but these are context, so every token
            past the first window has at least `size - stride` before it.
    """

    size: int
    stride: int

    def __post_init__(self) -> None:
        if not 1 <= self.stride < self.size:
            raise InvalidParams(
                f"A window of {self.size} tokens cannot move by {self.stride}.",
                "A stride is at least 1 and less than the window.",
            )


def windowed_laws(
    model: ModelHandle, prompt_ids: Sequence[int], row: Sequence[int], windows: Windows
) -> Iterator[tuple[int, Tensor]]:
    """As `forced_laws` for one row, but each law sees no more than a window before its token.

    The prompt stands before the text in the first window only; windows begin anywhere in a text,
    and no begin mark is put in front of them.

    Raises:
        InvalidParams: where the prompt alone fills the first window.
        NotCapable: if a window is longer than the model's context.
    """
    ids, start = [*prompt_ids, *row], len(prompt_ids)
    if start >= windows.size:
        raise InvalidParams(
            f"The prompt has {start:,} tokens, a window {windows.size:,}.", "Widen the window."
        )
    done, end = start, min(len(ids), windows.size)
    while done < len(ids):
        begin = max(0, end - windows.size)
        for position, logits in model.score(ids[begin:end], done - begin):
            yield begin + position - start, logits.unsqueeze(0)
        done, end = end, min(len(ids), end + windows.stride)
