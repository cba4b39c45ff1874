"""The spaces of trained autoencoders: codes of sentences, and what points say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from explorer.core.deferred import torch
from explorer.core.errors import InvalidParams
from explorer.latent.checkpoints import Config, Network
from explorer.latent.nets import END, padded, snapped, surprisal, weights_of, without_gradients
from explorer.latent.space import Points, Reading, Words, checked_points

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = 512
"""Rows that go through a network together."""

CODE_GRID = 2.0**-36
"""Codes are rounded to it, so that the rows beside a sentence do not show in its code."""

FARTHEST = 1e6
"""Coordinates beyond it say what is said there: every unit is saturated long before."""


class LearnedSpace:
    """A trained autoencoder as a space of words.

    Args:
        net: in float64, gradients off.
        config: what its folder says of it.
        words: ids and words.

    Raises:
        InvalidParams: if the network knows another number of words.
    """

    def __init__(self, net: Network, config: Config, words: Words) -> None:
        from explorer.latent.word_lm import WordModel  # noqa: PLC0415  # with torch

        assert not isinstance(net, WordModel), "a language model has no points"
        if config.shape.vocab_size != len(words):
            raise InvalidParams(
                f"The network knows {config.shape.vocab_size - 1} words, the language "
                f"{len(words) - 1}.",
                "Train it again.",
            )
        self._net, self.words = net, words
        self.name, self.dimensions = config.shape.kind, config.shape.dimensions
        self.title, self.paper, self.prior = net.title, net.paper, net.prior
        self.max_words = config.shape.max_words
        self.low, self.high = np.array(config.low), np.array(config.high)

    def ids(self, sentences: Sequence[Sequence[str]]) -> list[tuple[int, ...]]:
        """Token ids of sentences.

        Raises:
            InvalidParams: naming the unknown word, or for no words or too many.
        """
        return [self.words.ids(sentence, self.max_words) for sentence in sentences]

    @without_gradients
    def encode(self, sentences: Sequence[Sequence[str]]) -> Points:
        """Codes of sentences [n, dimensions]; of a variational network the means.

        Raises:
            InvalidParams: naming the unknown word, or for no words or too many.
        """
        rows = self.ids(sentences)
        found = np.empty((len(rows), self.dimensions))
        for block in _by_length(rows):
            codes = self._net.codes(padded([rows[i] for i in block]))
            found[block] = snapped(codes, CODE_GRID).numpy()
        return found

    @without_gradients
    def decode(self, points: ArrayLike) -> list[Reading]:
        """What points say, the likeliest word at each step.

        Raises:
            InvalidParams: for another shape, NaN or an infinite coordinate.
        """
        checked = torch.from_numpy(checked_points(points, self.dimensions).copy())
        found: list[Reading] = []
        for first in range(0, len(checked), BLOCK):
            found += self._greedy(checked[first : first + BLOCK].clamp(-FARTHEST, FARTHEST))
        return found

    def _greedy(self, codes: Tensor) -> list[Reading]:
        state, rows = self._net.open(codes), torch.arange(len(codes))
        ids = torch.full((len(codes),), END)
        said: list[list[int]] = [[] for _ in range(len(codes))]
        ended = [False] * len(codes)
        for step in range(self.max_words + 1):
            logits, state = self._net.step(state, ids)
            ids = logits.argmax(-1)
            for row in rows[ids == END].tolist():
                ended[row] = True
            going = (ids != END).nonzero()[:, 0]
            if step == self.max_words or not len(going):
                break
            ids, rows, state = ids[going], rows[going], state.keep(going)
            for row, token_id in zip(rows.tolist(), ids.tolist(), strict=True):
                said[row].append(token_id)
        return [Reading(self.words.words(row), end) for row, end in zip(said, ended, strict=True)]

    @without_gradients
    def laws_at(self, points: ArrayLike, readings: Sequence[Reading]) -> list[Tensor]:
        """The laws that points had at each word of what they say.

        Args:
            points: [n, dimensions].
            readings: what `decode` said of them.

        Returns:
            For each, logits [words, and the end where it came; vocab].

        Raises:
            InvalidParams: as `decode` and `encode`.
        """
        checked = torch.from_numpy(checked_points(points, self.dimensions).copy())
        codes = checked.clamp(-FARTHEST, FARTHEST)
        rows = [self.words.ids(r.words, self.max_words) if r.words else () for r in readings]
        found: list[Tensor] = [torch.empty(0)] * len(rows)
        for block in _by_length(rows):
            logits = self._net.logits(codes[block], padded([rows[i] for i in block]))
            for i, row in zip(block, logits, strict=True):
                found[i] = row[: len(rows[i]) + readings[i].ended]
        return found

    @without_gradients
    def told(
        self, sentences: Sequence[Sequence[str]]
    ) -> tuple[list[NDArray[np.bool_]], NDArray[np.float64]]:
        """How well sentences are told at their own points, the words before each word given.

        Returns:
            Whether each word (and the end) is the likeliest one, an array a sentence; and the
            surprisal of whole sentences in nats.

        Raises:
            InvalidParams: as `encode`.
        """
        rows = self.ids(sentences)
        hits: list[NDArray[np.bool_]] = [np.empty(0, np.bool_)] * len(rows)
        nats = np.empty(len(rows))
        for block in _by_length(rows):
            ids = padded([rows[i] for i in block])
            logits = self._net.logits(snapped(self._net.codes(ids), CODE_GRID), ids)
            right, real = logits.argmax(-1) == ids, weights_of(ids)
            nats[block] = surprisal(logits, ids).numpy()
            for i, row in enumerate(block):
                hits[row] = right[i, real[i]].numpy()
        return hits, nats


def _by_length(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Numbers of rows in blocks of about one length."""
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    return [order[first : first + BLOCK] for first in range(0, len(order), BLOCK)]
