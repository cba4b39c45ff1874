"""Stories sampled from a larger story model: text for a smaller one to learn from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.core.deferred import torch
from explorer.core.handle import Batch, ModelHandle
from explorer.core.progress import Progress, quiet

if TYPE_CHECKING:
    from torch import Tensor

ENDED = "<|endoftext|>"
"""Closes a story that came to its end."""

CUT = "<|cut|>"
"""Closes a story that was longer than the model's context: no end is to be learned there."""

_CANDIDATES = 64
_RETIRE_EVERY = 16


def draw(logits: Tensor, min_p: float, uniforms: Tensor) -> Tensor:
    """One token a row from the law cut at `min_p` times its likeliest token.

    With min_p >= 1/64 no more than 64 tokens can survive the cut, so looking at the 64
    likeliest gives the exact law at a tenth of the price of the whole vocabulary.

    Args:
        logits: [rows, vocab] float32.
        min_p: in [1/64, 1].
        uniforms: [rows], in [0, 1).

    Returns:
        Token ids, int64 [rows].

    Raises:
        ValueError: if `min_p` is below 1/64 or above 1.
    """
    if not 1 / _CANDIDATES <= min_p <= 1:
        raise ValueError(f"min_p must lie in [1/{_CANDIDATES}, 1], got {min_p}")
    likeliest = logits.topk(min(_CANDIDATES, logits.shape[-1]))
    probs = torch.softmax(likeliest.values, dim=-1)
    probs = probs.masked_fill(probs < min_p * probs[:, :1], 0.0).double()
    cumulative = probs.cumsum(dim=-1)
    places = torch.searchsorted(
        cumulative, uniforms.double().unsqueeze(-1) * cumulative[:, -1:], right=True
    )
    last = (probs > 0).sum(dim=-1, keepdim=True) - 1  # sorted: the possible ones come first
    return likeliest.indices.gather(-1, places.minimum(last))[:, 0]


def sample_stories(
    model: ModelHandle, *, rows: int, seed: int, min_p: float = 0.02
) -> Iterator[tuple[str, bool]]:
    """One batch of stories from the model's BOS.

    Args:
        model: a story model with a BOS token.
        rows: stories at once.
        seed: of this batch; the same seed gives the same stories on one machine.
        min_p: tokens below this share of the likeliest one are not drawn.

    Yields:
        (text, True where it came to its end), in the order in which they end.
    """
    bos = model.tokenizer.bos_id
    assert bos is not None
    batch = model.open_batch()
    logits = _read_prompt(batch, [bos]).expand(rows, -1)
    batch.select([0] * rows)
    generator = torch.Generator().manual_seed(seed)
    ends = model.tokenizer.eos_ids | {bos}  # llama2.c begins the next story instead of ending one
    held = list(range(rows))  # stories by their place in the batch; some have ended already
    alive: dict[int, list[int]] = {row: [] for row in held}
    for step in range(model.info.context_length - 1):
        tokens = draw(logits, min_p, torch.rand(len(held), generator=generator)).tolist()
        for row, token_id in zip(held, tokens, strict=True):
            if row in alive and token_id in ends:
                yield _text(model, alive.pop(row)), True
            elif row in alive:
                alive[row].append(token_id)
        if not alive:
            return
        if step % _RETIRE_EVERY == 0:  # not at once: it copies the cache
            places = [place for place, row in enumerate(held) if row in alive]
            batch.select(places)
            held, tokens = [held[i] for i in places], [tokens[i] for i in places]
        logits = batch.step(tokens)
    for ids in alive.values():
        yield _text(model, ids), False


def _read_prompt(batch: Batch, ids: list[int]) -> Tensor:
    *_, logits = batch.prefill(ids)
    assert isinstance(logits, torch.Tensor)
    return logits


def _text(model: ModelHandle, ids: list[int]) -> str:
    pieces = b"".join(model.tokenizer.token_bytes(token_id) for token_id in ids)
    return pieces.decode("utf-8", "replace").strip()


def append_stories(
    model: ModelHandle, path: Path, *, batches: int, rows: int, progress: Progress = quiet
) -> None:
    """Add batches of stories to a file, one append a batch; an interrupted run goes on later.

    The number of the batch is its seed, so a file that was made in two goes is the same as one
    made at once. Each story is followed by a line with `ENDED` or `CUT`, each batch by `#N`.
    """
    done = path.read_text("utf-8").count("\n#batch ") if path.exists() else 0
    for number in range(done, batches):
        progress("Sampling stories", number / batches)
        parts = [
            f"{text}\n{ENDED if ended else CUT}\n"
            for text, ended in sample_stories(model, rows=rows, seed=number)
        ]
        with path.open("a", encoding="utf-8") as file:
            file.write("".join(parts) + f"\n#batch {number}\n")
