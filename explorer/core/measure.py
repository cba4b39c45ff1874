"""What every token is measured by: once a step, for the whole [rows, vocab] block.

One pass over the block gives what does not depend on the choice (log p, entropy, varentropy,
the likeliest tokens); one pass over the new rows gives what does (surprisal, rank, and the same
quantities under the sampling law). Numbers leave the device together, in one transfer a step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jaxtyping import Float, Int

from explorer.core.deferred import torch
from explorer.core.distribution import (
    entropy,
    entropy_and_varentropy,
    log_normalise,
    rank,
    support_size,
)
from explorer.core.errors import NumericalFailure
from explorer.core.recording import recording
from explorer.core.types import Candidate, NoteValue, TokenStep

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Block:
    """The model's laws at one step and what is known of them before anyone chooses.

    Attributes:
        logits: [rows, vocab] float32, raw.
        logprobs: [rows, vocab] float32, log p.
        entropy: [rows] nats.
        varentropy: [rows] nats squared.
        top_logprobs: [rows, k] log p of the k likeliest tokens, likeliest first.
        top_ids: [rows, k] their ids.
        sound: every row is known to be a law.
    """

    logits: Tensor
    logprobs: Tensor
    entropy: Tensor
    varentropy: Tensor
    top_logprobs: Tensor
    top_ids: Tensor
    sound: bool = True

    @property
    def rows(self) -> int:
        """Rows in the block."""
        return int(self.logits.shape[0])


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chosen token stands; see `TokenStep` for the names."""

    lane: int
    row: int
    parent_row: int
    index: int
    token_id: int
    score: float | None = None
    notes: Mapping[str, NoteValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Measures:
    """One chosen token under both laws, in nats; see `TokenStep` for the names."""

    surprisal: float
    entropy: float
    varentropy: float
    rank: int
    sampling_surprisal: float
    sampling_entropy: float
    support_size: int
    top: tuple[Candidate, ...]
    extra: tuple[Candidate, ...]

    def step(self, place: Place) -> TokenStep:
        """The step that these measures and a place make together."""
        return TokenStep(
            lane=place.lane,
            row=place.row,
            parent_row=place.parent_row,
            index=place.index,
            token_id=place.token_id,
            surprisal=self.surprisal,
            entropy=self.entropy,
            varentropy=self.varentropy,
            rank=self.rank,
            sampling_surprisal=self.sampling_surprisal,
            sampling_entropy=self.sampling_entropy,
            support_size=self.support_size,
            top=self.top,
            extra=self.extra,
            score=place.score,
            notes=place.notes,
        )


def measure_block(logits: Float[Tensor, "rows vocab"], top: int, *, check: bool = True) -> Block:
    """Measure the model's laws of one step.

    Args:
        logits: raw.
        top: how many of the likeliest tokens to keep.
        check: refuse rows that are no law now; else `check_block` does, for some rows.

    Raises:
        NumericalFailure: if a row holds NaN or +inf, or nothing but -inf.
    """
    logits = logits.float()
    logprobs = log_normalise(logits)
    mean, variance = entropy_and_varentropy(logprobs)
    values, ids = logprobs.topk(min(top, logprobs.shape[-1]), dim=-1)
    sound = not recording() and not bool(mean.isnan().any())
    block = Block(logits, logprobs, mean, variance, values, ids, sound)
    if check:
        check_block(block, slice(None))
    return block


def check_block(block: Block, rows: slice) -> None:
    """Refuse rows of a block that are no law.

    Raises:
        NumericalFailure: if the model answered with NaN or +inf there, or nothing but -inf.
    """
    if not block.sound and bool(block.entropy[rows].isnan().any()):
        raise no_model_law()


def no_model_law() -> NumericalFailure:
    """What to say where the model's law is none."""
    return NumericalFailure(
        "The model answered with NaN or with no possible token.",
        "Its weights may be damaged, or its numbers overflow in this dtype: "
        "try float32, or fetch the model again.",
    )


def measure_choices(
    block: Block,
    parents: Sequence[int],
    token_ids: Sequence[int],
    sampling: Float[Tensor, "choices vocab"],
) -> list[Measures]:
    """Measure chosen tokens under the model's law and under the law they were drawn from.

    Args:
        block: this step's laws.
        parents: for each choice, its row in the block.
        token_ids: for each choice, its token.
        sampling: log q of each choice.
    """
    if not token_ids:
        return []
    device = block.logprobs.device
    tokens = torch.as_tensor(token_ids, device=device)
    in_place = len(parents) == block.rows and list(parents) == list(range(block.rows))
    rows = None if in_place else torch.as_tensor(parents, device=device)
    return [measures_of(numbers) for numbers in figures(block, rows, tokens, sampling).tolist()]


def figures(
    block: Block,
    rows: Int[Tensor, " choices"] | None,
    tokens: Int[Tensor, " choices"],
    sampling: Float[Tensor, "choices vocab"],
) -> Float[Tensor, "choices figures"]:
    """All numbers of `Measures`, on the device they were computed on; nothing waits for it.

    Args:
        block: this step's laws.
        rows: for each choice, its row in the block; None where choice i is of row i.
        tokens: for each choice, its token.
        sampling: log q of each choice.

    Returns:
        float32, which holds whole numbers up to 2^24: not every device has float64. Of each
        choice: its token, seven numbers, then six lists of k.
    """
    if rows is None:
        logprobs, known = block.logprobs, (block.entropy, block.varentropy)
        top_ids, top_logprobs = block.top_ids, block.top_logprobs
    else:
        logprobs, known = block.logprobs[rows], (block.entropy[rows], block.varentropy[rows])
        top_ids, top_logprobs = block.top_ids[rows], block.top_logprobs[rows]
    column = tokens.unsqueeze(-1)
    likeliest_q = sampling.topk(top_ids.shape[-1], dim=-1)
    scalars = (
        tokens.float(),
        -logprobs.gather(-1, column).squeeze(-1),
        *known,
        rank(logprobs, tokens).float(),
        -sampling.gather(-1, column).squeeze(-1),
        entropy(sampling),
        support_size(sampling).float(),
    )
    lists = (
        top_ids.float(),
        top_logprobs,
        sampling.gather(-1, top_ids),
        likeliest_q.indices.float(),
        logprobs.gather(-1, likeliest_q.indices),
        likeliest_q.values,
    )
    return torch.cat([torch.stack(scalars, dim=1), *lists], dim=1)


def measures_of(numbers: Sequence[float]) -> Measures:
    """One row of `figures`, read."""
    _, surprisal, own_entropy, varentropy, place, q_surprisal, q_entropy, support = numbers[:8]
    k = (len(numbers) - 8) // 6
    ids, logp, logq, q_ids, q_logp, q_logq = (
        numbers[8 + i * k : 8 + (i + 1) * k] for i in range(6)
    )
    known = set(ids)
    return Measures(
        surprisal=_rounded(surprisal),
        entropy=_rounded(own_entropy),
        varentropy=_rounded(varentropy),
        rank=int(place),
        sampling_surprisal=_rounded(q_surprisal),
        sampling_entropy=_rounded(q_entropy),
        support_size=int(support),
        top=tuple(
            Candidate(int(token_id), _rounded(p), _rounded(q))
            for token_id, p, q in zip(ids, logp, logq, strict=True)
        ),
        extra=tuple(
            Candidate(int(token_id), _rounded(p), _rounded(q))
            for token_id, p, q in zip(q_ids, q_logp, q_logq, strict=True)
            if token_id not in known and q > -math.inf
        ),
    )


def _rounded(nats: float) -> float:
    """Six decimals: more than float32 carries, and half the size of a trace file.

    Adding zero turns the -0.0 of a certain token into 0.0.
    """
    return round(nats, 6) + 0.0
