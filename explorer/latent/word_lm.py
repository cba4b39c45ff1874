"""A recurrent language model of words: the learned law that AriEL cuts its boxes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from explorer.latent.nets import Shape, padded, surprisal
from explorer.latent.recurrent import Writer


class WordModel(nn.Module):
    """A writer without a point.

    Args:
        shape: with 0 dimensions.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.writer = Writer(shape)

    def logits(self, ids: Tensor) -> Tensor:
        """Logits [n, T, vocab] of each id given those before it."""
        codes = self.writer.bias.new_empty(len(ids), 0)
        found: Tensor = self.writer(codes, ids)
        return found

    @torch.no_grad()
    def surprisals(self, rows: Sequence[Sequence[int]], block: int = 512) -> NDArray[np.float64]:
        """Nats a token of whole sentences, their ends included: [rows].

        Args:
            rows: ids, without the end.
            block: rows that go through the network together.
        """
        found = np.empty(len(rows))
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for first in range(0, len(order), block):
            chosen = order[first : first + block]
            ids = padded([rows[i] for i in chosen])
            tokens = np.array([len(rows[i]) + 1 for i in chosen])
            found[chosen] = surprisal(self.logits(ids), ids).numpy() / tokens
        return found

    def loss(self, ids: Tensor, _share: float, _random: torch.Generator) -> tuple[Tensor, Any]:
        """Mean surprisal of a sentence, in nats."""
        nats = surprisal(self.logits(ids), ids).mean()
        return nats, {"nats": nats}
