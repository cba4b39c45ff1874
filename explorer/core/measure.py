"""What every token is measured by: once a step, for the whole [rows, vocab] block.

One pass over the block gives what does not depend on the choice (log p, entropy, varentropy,
the likeliest tokens); one pass over the new rows gives what does (surprisal, rank, and the same
quantities under the sampling law). Numbers leave the device in two transfers a step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jaxtyping import Float

from explorer.core.deferred import torch
from explorer.core.distribution import (
    entropy,
    entropy_and_varentropy,
    log_normalise,
    rank,
    support_size,
)
from explorer.core.errors import NumericalFailure
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
        sound: every row is a law.
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
    sound = not bool(mean.isnan().any())
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
        raise NumericalFailure(
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
    rows = torch.as_tensor(parents, device=device)
    in_place = len(parents) == block.rows and list(parents) == list(range(block.rows))
    model_law = block.logprobs if in_place else block.logprobs[rows]
    top_ids = block.top_ids[rows]
    column = tokens.unsqueeze(-1)
    # All in float32, which holds whole numbers up to 2^24: not every device has float64.
    scalars = torch.stack(
        [
            -model_law.gather(-1, column).squeeze(-1),
            block.entropy[rows],
            block.varentropy[rows],
            rank(model_law, tokens).float(),
            -sampling.gather(-1, column).squeeze(-1),
            entropy(sampling),
            support_size(sampling).float(),
        ],
        dim=1,
    ).tolist()
    likeliest_q = sampling.topk(top_ids.shape[-1], dim=-1)
    tables = _Tables(
        top_ids.tolist(),
        block.top_logprobs[rows].tolist(),
        sampling.gather(-1, top_ids).tolist(),
        likeliest_q.indices.tolist(),
        model_law.gather(-1, likeliest_q.indices).tolist(),
        likeliest_q.values.tolist(),
    )
    return [_measures(numbers, tables, i) for i, numbers in enumerate(scalars)]


@dataclass(frozen=True, slots=True)
class _Tables:
    """[choices, k] lists: ids and both log-probabilities, of the top under p and under q."""

    ids: list[list[int]]
    logp: list[list[float]]
    logq: list[list[float]]
    q_ids: list[list[int]]
    q_logp: list[list[float]]
    q_logq: list[list[float]]


def _measures(numbers: list[float], tables: _Tables, i: int) -> Measures:
    known = set(tables.ids[i])
    return Measures(
        surprisal=_rounded(numbers[0]),
        entropy=_rounded(numbers[1]),
        varentropy=_rounded(numbers[2]),
        rank=int(numbers[3]),
        sampling_surprisal=_rounded(numbers[4]),
        sampling_entropy=_rounded(numbers[5]),
        support_size=int(numbers[6]),
        top=tuple(
            Candidate(token_id, _rounded(logp), _rounded(logq))
            for token_id, logp, logq in zip(
                tables.ids[i], tables.logp[i], tables.logq[i], strict=True
            )
        ),
        extra=tuple(
            Candidate(token_id, _rounded(logp), _rounded(logq))
            for token_id, logp, logq in zip(
                tables.q_ids[i], tables.q_logp[i], tables.q_logq[i], strict=True
            )
            if token_id not in known and logq > -math.inf
        ),
    )


def _rounded(nats: float) -> float:
    """Six decimals: more than float32 carries, and half the size of a trace file.

    Adding zero turns the -0.0 of a certain token into 0.0.
    """
    return round(nats, 6) + 0.0
