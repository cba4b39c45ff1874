"""A recurrent language model of words: the learned law that AriEL cuts its boxes by."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from explorer.latent.nets import Shape, surprisal
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

    def loss(self, ids: Tensor, _share: float, _random: torch.Generator) -> tuple[Tensor, Any]:
        """Mean surprisal of a sentence, in nats."""
        nats = surprisal(self.logits(ids), ids).mean()
        return nats, {"nats": nats}
