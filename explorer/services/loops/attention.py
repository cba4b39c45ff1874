"""Where a copy of a loop looks: one eager reading of its tokens over the cache of all before."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer.analyzers.loop_attention import HeadLook, head_looks, ranked
from explorer.analyzers.loop_copies import Stretch, copy_table
from explorer.core.deferred import torch
from explorer.core.detokenize import piece
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.handle import Capability, ModelHandle, Tokenizer
from explorer.core.types import Trace

if TYPE_CHECKING:
    from torch import Tensor

MOST_PAIRS = 1 << 17
"""Tokens of the copy times tokens before its end: 142 MB of weights for 270 heads in float32."""
HEADS = 12
"""Heads that are shown, by each of two orders."""
BACK = 12
"""Copies back that have a column; those before them are summed."""
BEST = 8


@dataclass(frozen=True, slots=True)
class CopyAttention:
    """Where one copy looks.

    Attributes:
        copy: its number from 0.
        ids: of prompt and continuation, to the copy's end.
        prompt: how many of them are the prompt's.
        tokens: of the copy; the last of `ids`.
        places: per copy back, per token of the copy, the position of its place there.
        same: heads by their mass on the same place of earlier copies, the first `HEADS`.
        after: by their mass on the token after it.
        shape: (layers, heads) of the model.
        weights: [tokens, length] float16, by (layer, head), of the heads above.
    """

    copy: int
    ids: tuple[int, ...]
    prompt: int
    tokens: int
    places: tuple[tuple[int | None, ...], ...]
    same: tuple[HeadLook, ...]
    after: tuple[HeadLook, ...]
    shape: tuple[int, int]
    weights: dict[tuple[int, int], Tensor]

    def as_data(self, tokenizer: Tokenizer) -> dict[str, Any]:
        """For the page (docs/wire.md, "Loops", attention)."""
        begin = len(self.ids) - self.tokens
        return {
            "copy": self.copy,
            "first": begin - self.prompt,
            "pieces": [piece(tokenizer, i) for i in self.ids[begin:]],
            "back": min(BACK, len(self.places)),
            "copies": len(self.places),
            "layers": self.shape[0],
            "heads": self.shape[1],
            "same": [_head(look, look.same) for look in self.same],
            "after": [_head(look, look.after) for look in self.after],
        }

    def look(self, layer: int, head: int, place: int, tokenizer: Tokenizer) -> dict[str, Any]:
        """Where one token of the copy looks by one head.

        Raises:
            InvalidParams: for a head or token that is not shown.
        """
        weights = self.weights.get((layer, head))
        if weights is None or not 0 <= place < self.tokens:
            raise InvalidParams(
                f"Head {layer}.{head} at place {place + 1} is not shown.",
                f"Choose one of the table's heads, and a place from 1 to {self.tokens}.",
            )
        row = weights[place].float()
        count = len(self.ids) - self.tokens + place + 1
        best = torch.topk(row[:count], min(BEST, count))
        return {
            "prompt": self.prompt,
            "weights": [round(x, 5) for x in row[:count].tolist()],
            "same": [row_of[place] for row_of in self.places if row_of[place] is not None],
            "best": [
                {
                    "index": at - self.prompt,
                    "piece": piece(tokenizer, self.ids[at]),
                    "mass": round(mass, 5),
                }
                for mass, at in zip(best.values.tolist(), best.indices.tolist(), strict=True)
            ],
        }


def attention_of(
    model: ModelHandle,
    trace: Trace,
    stretch: Stretch,
    copy: int,
    *,
    cancel: threading.Event | None = None,
    progress: Callable[[float], object] = float,
) -> CopyAttention:
    """Read a copy of a loop eagerly, and say where its tokens look.

    All before it is read as usual, into a cache; only the copy's own tokens are read in the form
    of attention that shows its weights, so memory goes with copy times text and not text times
    text.

    Args:
        model: the trace's.
        trace: with the loop.
        stretch: the loop.
        copy: number of the copy from 0; the first has none before it.
        cancel: ends the reading between two chunks.
        progress: told the share that is read.

    Raises:
        InvalidParams: for the first copy, or one that is not there.
        NotCapable: for a model that does not show its attention, more tokens than are read so, or
            a reading that was stopped.
    """
    if Capability.ATTENTIONS not in model.capabilities:
        raise NotCapable(
            f"{model.info.id} does not show its attention.",
            "Choose a transformer, such as a Llama or a GPT-2, and run the prompt again.",
        )
    if not 1 <= copy < len(stretch.starts):
        raise InvalidParams(
            f"Copy {copy + 1} of {len(stretch.starts)} has none before it.",
            f"Choose a copy from 2 to {len(stretch.starts)}.",
        )
    first, end = stretch.spans[copy]
    ids = (*trace.prompt.ids, *trace.token_ids[:end])
    prompt, tokens = len(trace.prompt.ids), end - first
    if tokens * len(ids) > MOST_PAIRS:
        raise NotCapable(
            f"{tokens:,} tokens of a copy that look at {len(ids):,} are {tokens * len(ids):,}"
            f" pairs; at most {MOST_PAIRS:,} are read.",
            "Choose an earlier copy, or a loop with a shorter unit.",
        )
    batch = model.open_batch()
    for read in batch.prefill(ids[: len(ids) - tokens]):
        if cancel is not None and cancel.is_set():
            raise NotCapable("The reading was stopped.", "Begin it again.")
        if isinstance(read, int):
            progress(read / len(ids))
    weights = batch.attend(ids[len(ids) - tokens :])
    places = _places(trace, stretch, copy)
    looks = head_looks(weights, places)
    same, after = ranked(looks, after=False)[:HEADS], ranked(looks, after=True)[:HEADS]
    kept = {(x.layer, x.head): weights[x.layer, x.head].half() for x in (*same, *after)}
    return CopyAttention(
        copy, ids, prompt, tokens, places, same, after, (weights.shape[0], weights.shape[1]), kept
    )


def _places(trace: Trace, stretch: Stretch, copy: int) -> tuple[tuple[int | None, ...], ...]:
    """Positions, the prompt counted, of every token's place in the copies before, latest first."""
    rows = copy_table(trace.token_ids, stretch).rows
    columns = [column for column, index in enumerate(rows[copy]) if index is not None]
    offset = len(trace.prompt.ids)

    def position(index: int | None) -> int | None:
        return None if index is None else index + offset

    return tuple(
        tuple(position(rows[back][column]) for column in columns)
        for back in range(copy - 1, -1, -1)
    )


def _head(look: HeadLook, masses: tuple[float, ...]) -> dict[str, Any]:
    return {
        "layer": look.layer,
        "head": look.head,
        "total": round(sum(masses), 5),
        "back": [round(x, 5) for x in masses[:BACK]],
        "rest": round(sum(masses[BACK:]), 5),
        "first": round(look.first, 5),
        "own": round(look.own, 5),
    }
