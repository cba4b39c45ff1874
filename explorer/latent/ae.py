"""A recurrent autoencoder: every sentence is a point, and nothing says what lies between points."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from explorer.latent.kinds import AUTOENCODERS
from explorer.latent.nets import DecoderState, Shape, surprisal
from explorer.latent.recurrent import Hidden, Reader, Writer


class RecurrentAutoencoder(nn.Module):
    """Reader, a linear code, writer.

    Args:
        shape: with the dimensions of the code.
    """

    title, paper, prior = AUTOENCODERS["ae"]

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.writer = Writer(shape)
        self.reader = Reader(shape)
        self.code = nn.Linear(self.reader.width, shape.dimensions)

    def codes(self, ids: Tensor) -> Tensor:
        """Points of sentences."""
        codes: Tensor = self.code(self.reader(self.writer.embed[ids], ids))
        return codes

    def logits(self, codes: Tensor, ids: Tensor) -> Tensor:
        """Logits of each id, given the point and the ids before it."""
        found: Tensor = self.writer(codes, ids)
        return found

    def loss(self, ids: Tensor, _share: float, _random: torch.Generator) -> tuple[Tensor, Any]:
        """Mean surprisal of a sentence given its own code, in nats; nothing else."""
        nats = surprisal(self.logits(self.codes(ids), ids), ids).mean()
        return nats, {"nats": nats}

    def open(self, codes: Tensor) -> Hidden:
        """The state before the first word."""
        return self.writer.open(codes)

    def step(self, state: DecoderState, ids: Tensor) -> tuple[Tensor, Hidden]:
        """One word on."""
        return self.writer.step(state, ids)
