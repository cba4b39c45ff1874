"""A recurrent variational autoencoder: a sentence is a small cloud, all clouds a normal law.

Source: Bowman et al., "Generating Sentences from a Continuous Space", arXiv:1511.06349: annealed
    KL and word dropout; free bits are those of Kingma et al., arXiv:1606.04934.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from explorer.latent.kinds import AUTOENCODERS
from explorer.latent.nets import DecoderState, Shape, surprisal
from explorer.latent.recurrent import Hidden, Reader, Writer


class Variational(nn.Module):
    """Reader, a normal law for the code, writer.

    Args:
        shape: with the dimensions of the code.
        free_nats: of all dimensions together; KL below it costs nothing.
        anneal: share of the training in which the weight of KL climbs from 0 to 1.
        hidden_words: probability that the writer is not shown the word before.
    """

    title, paper, prior = AUTOENCODERS["vae"]

    def __init__(
        self,
        shape: Shape,
        *,
        free_nats: float = 8.0,
        anneal: float = 0.4,
        hidden_words: float = 0.25,
    ) -> None:
        super().__init__()
        self.writer = Writer(shape)
        self.reader = Reader(shape)
        self.code = nn.Linear(self.reader.width, 2 * shape.dimensions)
        self._free = free_nats / shape.dimensions
        self._anneal, self._hidden_words = anneal, hidden_words

    def law(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the codes of sentences, each [n, d]."""
        mean, log_variance = self.code(self.reader(self.writer.embed[ids], ids)).chunk(2, -1)
        return mean, log_variance.clamp(-12.0, 4.0)

    def codes(self, ids: Tensor) -> Tensor:
        """The means."""
        return self.law(ids)[0]

    def logits(self, codes: Tensor, ids: Tensor) -> Tensor:
        """Logits of each id, given the point and the ids before it."""
        found: Tensor = self.writer(codes, ids)
        return found

    def loss(self, ids: Tensor, share: float, random: torch.Generator) -> tuple[Tensor, Any]:
        """The bound on a sentence's surprisal, in nats, KL weighed by where the training stands.

        Args:
            ids: [n, T].
            share: of the training that is done, 0 to 1.
            random: where the codes and the hidden words are drawn from.
        """
        mean, log_variance = self.law(ids)
        drawn = torch.randn(mean.shape, generator=random)
        kept = torch.rand(ids.shape, generator=random) >= self._hidden_words
        kept[:, 0] = True
        logits = self.writer(mean + drawn * (log_variance / 2).exp(), ids, kept)
        nats = surprisal(logits, ids).mean()
        each = ((mean**2 + log_variance.exp() - 1 - log_variance) / 2).mean(0)
        weight = min(1.0, share / self._anneal) if self._anneal else 1.0
        return nats + weight * each.clamp(min=self._free).sum(), {"nats": nats, "kl": each.sum()}

    def open(self, codes: Tensor) -> Hidden:
        """The state before the first word."""
        return self.writer.open(codes)

    def step(self, state: DecoderState, ids: Tensor) -> tuple[Tensor, Hidden]:
        """One word on."""
        return self.writer.step(state, ids)
