"""Teacher forcing: the laws along texts that exist, many positions of many rows a forward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from explorer.core.handle import ModelHandle

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
    assert isinstance(logits, Tensor)
    yield 0, logits.expand(len(rows), -1).unsqueeze(1)
    batch.select([0] * len(rows))
    # The last token of a row need not be read: nothing is asked of what follows it.
    last = max(len(row) for row in rows) - 1
    width = max(1, LAWS_HELD // len(rows))
    for first in range(0, last, width):
        end = min(first + width, last)
        chunk = [[*row[first:end], *[_FILLER] * (end - max(first, len(row)))] for row in rows]
        yield first + 1, batch.read(chunk)
