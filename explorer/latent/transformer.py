"""A transformer autoencoder: attention on both sides of one narrow vector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from explorer.latent.kinds import AUTOENCODERS
from explorer.latent.nets import DecoderState, Shape, shifted, surprisal, weights_of


@dataclass(frozen=True, slots=True)
class Read:
    """What the decoder has read.

    Attributes:
        about: [n, width]: what the point adds to every word.
        keys: one [n, heads, words, width / heads] a layer.
        values: the same.
    """

    about: Tensor
    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    def keep(self, rows: Tensor) -> Read:
        """Some of the rows."""
        return Read(
            self.about[rows],
            tuple(keys[rows] for keys in self.keys),
            tuple(values[rows] for values in self.values),
        )


class Block(nn.Module):
    """Attention and two linear maps, each on normalised inputs, each added to what came in."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.embedding
        self.first_gain, self.second_gain = (
            nn.Parameter(torch.empty(width)),
            nn.Parameter(torch.empty(width)),
        )
        self.attend = nn.Linear(width, 3 * width)
        self.joined = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, shape.hidden), nn.Linear(shape.hidden, width)
        self.heads = shape.heads

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, each [n, heads, T, width / heads]."""
        normal = functional.rms_norm(x, x.shape[-1:], self.first_gain)
        split = self.attend(normal).unflatten(-1, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, value

    def finish(self, x: Tensor, attended: Tensor) -> Tensor:
        """What comes out, of what came in and what was attended to."""
        x = x + self.joined(attended.transpose(1, 2).flatten(2))
        normal = functional.rms_norm(x, x.shape[-1:], self.second_gain)
        out: Tensor = x + self.down(functional.gelu(self.up(normal)))
        return out

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """[n, T, width] to the same; `mask` bool [n, 1, T, T], None for causal."""
        query, key, value = self.parts(x)
        attended = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None
        )
        return self.finish(x, attended)


class TransformerAutoencoder(nn.Module):
    """Encoder, the mean of its outputs, a linear code, a decoder that is shown it at every word.

    Args:
        shape: with the dimensions of the code.
    """

    title, paper, prior = AUTOENCODERS["transformer"]

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.embedding
        self.embed = nn.Parameter(torch.empty(shape.vocab_size, width))
        self.embed_place = nn.Parameter(torch.empty(shape.max_words + 1, width))
        self.encoder = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.decoder = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.code, self.about = (
            nn.Linear(width, shape.dimensions),
            nn.Linear(shape.dimensions, width),
        )
        self.last_gain = nn.Parameter(torch.empty(width))
        self.bias = nn.Parameter(torch.empty(shape.vocab_size))

    def codes(self, ids: Tensor) -> Tensor:
        """Points of sentences."""
        real = weights_of(ids)
        x = self.embed[ids] + self.embed_place[: ids.shape[1]]
        for block in self.encoder:
            x = block(x, real[:, None, None, :])
        mean = (x * real.unsqueeze(-1)).sum(1) / real.sum(1, keepdim=True)
        codes: Tensor = self.code(functional.rms_norm(mean, mean.shape[-1:]))
        return codes

    def logits(self, codes: Tensor, ids: Tensor) -> Tensor:
        """Logits of each id, given the point and the ids before it."""
        x = self.embed[shifted(ids)] + self.embed_place[: ids.shape[1]]
        x = x + self.about(codes).unsqueeze(1)
        for block in self.decoder:
            x = block(x, None)
        return self._words(x)

    def loss(self, ids: Tensor, _share: float, _random: torch.Generator) -> tuple[Tensor, Any]:
        """Mean surprisal of a sentence given its own code, in nats; nothing else."""
        nats = surprisal(self.logits(self.codes(ids), ids), ids).mean()
        return nats, {"nats": nats}

    def open(self, codes: Tensor) -> Read:
        """The state before the first word."""
        heads = self.decoder[0].heads
        assert isinstance(heads, int)
        nothing = codes.new_empty(len(codes), heads, 0, self.embed.shape[1] // heads)
        layers = len(self.decoder)
        return Read(self.about(codes), (nothing,) * layers, (nothing,) * layers)

    @torch.no_grad()
    def step(self, state: DecoderState, ids: Tensor) -> tuple[Tensor, Read]:
        """One word on."""
        assert isinstance(state, Read)
        place = state.keys[0].shape[2]
        x = (self.embed[ids] + self.embed_place[place] + state.about).unsqueeze(1)
        keys, values = [], []
        for block, held_keys, held_values in zip(
            self.decoder, state.keys, state.values, strict=True
        ):
            assert isinstance(block, Block)
            query, key, value = block.parts(x)
            keys.append(torch.cat([held_keys, key], 2))
            values.append(torch.cat([held_values, value], 2))
            attended = functional.scaled_dot_product_attention(query, keys[-1], values[-1])
            x = block.finish(x, attended)
        return self._words(x)[:, 0], Read(state.about, tuple(keys), tuple(values))

    def _words(self, x: Tensor) -> Tensor:
        x = functional.rms_norm(x, x.shape[-1:], self.last_gain)
        logits: Tensor = x @ self.embed.T + self.bias
        return logits
