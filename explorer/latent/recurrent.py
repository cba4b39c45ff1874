"""The recurrent halves: a reader of sentences and a writer of them (gated recurrent units).

The writer's single steps are the same to the last bit on any number of rows: weights are float16,
so multiples of 2^-24, and states are rounded to multiples of 2^-14. All products and sums then
fit the 53 bits of a float64, and the order in which they are added cannot matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from explorer.latent.nets import (
    INPUT_GRID,
    STATE_GRID,
    DecoderState,
    Shape,
    shifted,
    snapped,
    weights_of,
)


@dataclass(frozen=True, slots=True)
class Hidden:
    """The state of the writer.

    Attributes:
        hidden: [n, hidden].
        pull: [n, 3 hidden]: what the point adds to the gates at every step.
    """

    hidden: Tensor
    pull: Tensor

    def keep(self, rows: Tensor) -> Hidden:
        """Some of the rows."""
        return Hidden(self.hidden[rows], self.pull[rows])


class Reader(nn.Module):
    """Sentences to one vector each: the last state beside the greatest of all, by unit.

    The greatest over all words keeps the code from forgetting how a sentence began
    (Long et al., arXiv:1908.11527).
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.gru = nn.GRU(shape.embedding, shape.hidden, batch_first=True)
        self.width = 2 * shape.hidden

    def forward(self, embedded: Tensor, ids: Tensor) -> Tensor:
        """[n, T, embedding] and their ids [n, T] to [n, width]."""
        states, _ = self.gru(embedded)
        real = weights_of(ids)
        last = states[torch.arange(len(ids)), real.sum(1) - 1]
        greatest = states.masked_fill(~real.unsqueeze(-1), -2.0).amax(1)
        return torch.cat([last, greatest], 1)


class Writer(nn.Module):
    """Points to sentences, word by word; without dimensions, a language model."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed = nn.Parameter(torch.empty(shape.vocab_size, shape.embedding))
        self.gru = nn.GRU(shape.embedding + shape.dimensions, shape.hidden, batch_first=True)
        if shape.dimensions:
            self.open_weight = nn.Parameter(torch.empty(shape.hidden, shape.dimensions))
        self.out = nn.Linear(shape.hidden, shape.embedding)
        self.bias = nn.Parameter(torch.empty(shape.vocab_size))
        self._width, self._dimensions = shape.embedding, shape.dimensions
        self._table: Tensor | None = None

    def first(self, codes: Tensor) -> Tensor:
        """The state [n, hidden] before the first word."""
        if not self._dimensions:
            return codes.new_zeros(len(codes), self.gru.hidden_size)
        return torch.tanh(codes @ self.open_weight.T)

    def forward(self, codes: Tensor, ids: Tensor, kept: Tensor | None = None) -> Tensor:
        """Logits [n, T, vocab] of every id, given those before it.

        Args:
            codes: [n, dimensions].
            ids: [n, T].
            kept: bool [n, T]: False where the word before is not shown (word dropout).
        """
        before = self.embed[shifted(ids)]
        if kept is not None:
            before = before * kept.unsqueeze(-1)
        beside = codes.unsqueeze(1).expand(-1, ids.shape[1], -1)
        states, _ = self.gru(torch.cat([before, beside], -1), self.first(codes).unsqueeze(0))
        logits: Tensor = self.out(states) @ self.embed.T + self.bias
        return logits

    def open(self, codes: Tensor) -> Hidden:
        """The state at points, before the first word."""
        inputs, *_ = self._gates()
        pull = snapped(codes @ inputs[:, self._width :].T, INPUT_GRID)
        return Hidden(snapped(self.first(codes), STATE_GRID), pull)

    @torch.no_grad()
    def step(self, state: DecoderState, ids: Tensor) -> tuple[Tensor, Hidden]:
        """One word on: logits [n, vocab] and the state; float64 weights that were float16."""
        assert isinstance(state, Hidden)
        hidden = self.advance(state, ids)
        return self.predict(hidden), Hidden(hidden, state.pull)

    @torch.no_grad()
    def advance(self, state: Hidden, ids: Tensor) -> Tensor:
        """The state [n, hidden] after one more id a row."""
        inputs, recurrent, input_bias, recurrent_bias = self._gates()
        size = self.gru.hidden_size
        if self._table is None:
            words = self.embed @ inputs[:, : self._width].T
            self._table = snapped(words, INPUT_GRID) + input_bias
        given = self._table[ids] + state.pull
        own = state.hidden @ recurrent.T + recurrent_bias
        reset = torch.sigmoid(given[:, :size] + own[:, :size])
        update = torch.sigmoid(given[:, size : 2 * size] + own[:, size : 2 * size])
        new = torch.tanh(given[:, 2 * size :] + reset * own[:, 2 * size :])
        return snapped(new + update * (state.hidden - new), STATE_GRID)

    def _gates(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weights on inputs and on the state, and their biases."""
        inputs, recurrent, input_bias, recurrent_bias = self.gru.all_weights[0]
        return inputs, recurrent, input_bias, recurrent_bias

    @torch.no_grad()
    def predict(self, hidden: Tensor) -> Tensor:
        """Logits [n, vocab] of the next id."""
        vector = snapped(hidden @ self.out.weight.T + self.out.bias, STATE_GRID)
        return vector @ self.embed.T + self.bias
