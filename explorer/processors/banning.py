"""Adding to, or taking away, single tokens of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from explorer.core.deferred import torch

if TYPE_CHECKING:
    from torch import Tensor


def ban(logits: Tensor, tokens: Sequence[Iterable[int]], amount: float = -math.inf) -> Tensor:
    """A copy of logits [rows, vocab] with `amount` added to each row's tokens.

    Ids beyond the vocabulary are passed over. A row that would lose its last token keeps its
    logits: a law with no token is no law.
    """
    changed = logits.clone()
    for row, ids in enumerate(tokens):
        known = sorted({i for i in ids if 0 <= i < logits.shape[-1]})
        changed[row, torch.tensor(known, dtype=torch.long, device=logits.device)] += amount
        if not bool((changed[row] > -math.inf).any()):
            changed[row] = logits[row]
    return changed


def due(history: Sequence[int], sequences: Iterable[Sequence[int]]) -> set[int]:
    """Last tokens of the sequences whose other tokens stand at the end of the history.

    >>> sorted(due([5, 1, 2], [(1, 2, 3), (7,), (2, 2, 9)]))
    [3, 7]
    """
    return {
        sequence[-1]
        for sequence in sequences
        if len(sequence) == 1 or list(history[1 - len(sequence) :]) == list(sequence[:-1])
    }
