"""A text laid along a secret key: costs, the edit cost of an alignment, and a p-value.

Source: Kuditipudi et al., "Robust Distortion-free Watermarks for Language Models",
    arXiv:2307.15593, and the authors' code.
Oracle: the authors' code (golden numbers, tests/labs/test_lab_watermarks.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from explorer.decoders.exp_watermark import key_row

Costs = NDArray[np.float32]
EXP_GAMMA, ITS_GAMMA = 0.0, 0.4
"""The authors' prices of a skipped token, a text's or a key's."""
_TINY = 2.0**-53


def alignments(costs: Costs, gamma: float, stretch: int | None = None) -> NDArray[np.float32]:
    """The cheapest alignment of a whole text with every stretch of a key.

    A token and a number of the key stand opposite each other at their cost, or either is left
    out for gamma: A[i][j] = min(A[i-1][j] + gamma, A[i][j-1] + gamma, A[i-1][j-1] + d).

    Args:
        costs: float32 [keys, m, n]: d of token i and number j of a key, which goes round.
        gamma: price of leaving one out; infinite: none is, and the stretch is as long as the text.
        stretch: numbers of a stretch, at most n; None for as many as the text has tokens.

    Returns:
        float32 [keys, n]: by the stretch's first number.
    """
    keys, m, n = costs.shape
    k = m if stretch is None else stretch
    # twice round, so that the numbers opposite j of all stretches are one slice
    twice = np.concatenate([costs, costs[:, :, : k - 1]], axis=2).transpose(1, 0, 2)
    if math.isinf(gamma):
        return np.asarray(sum(twice[i, :, i : i + n] for i in range(m)), dtype=np.float32)
    step = np.float32(gamma)
    above = np.empty((k + 1, keys, n), dtype=np.float32)
    above[:] = (np.arange(k + 1, dtype=np.float32) * step)[:, None, None]
    row = np.empty_like(above)
    for i in range(m):
        opposite = sliding_window_view(twice[i], n, axis=-1).transpose(1, 0, 2)  # [k, keys, n]
        row[0] = (i + 1) * step
        # the two ways from the row above do not wait for each other: one operation for all j
        np.add(above[:-1], opposite, out=row[1:])
        above += step
        np.minimum(row[1:], above[1:], out=row[1:])
        for j in range(1, k + 1):
            np.minimum(row[j], row[j - 1] + step, out=row[j])
        above, row = row, above
    best: NDArray[np.float32] = above[k]
    return best


def statistic(costs: Costs, size: int, gamma: float) -> NDArray[np.float64]:
    """phi: the cheapest alignment over all blocks of a text and all offsets of a key.

    Args:
        costs: float32 [keys, m, n]: d of token i and number j of a key.
        size: tokens a block, of which one begins at every token; at most m and n.
        gamma: price of leaving one out.

    Returns:
        float64 [keys].
    """
    begins = range(costs.shape[1] - size + 1)
    found = [alignments(costs[:, b : b + size], gamma).min(axis=1) for b in begins]
    best: NDArray[np.float64] = np.min(found, axis=0).astype(np.float64)
    return best


@dataclass(frozen=True, slots=True)
class Key:
    """A secret of one scheme, as detection reads it.

    Attributes:
        scheme: "exp" or "its".
        key: the number that lanes are given.
        length: numbers of the key.
        vocab: tokens.
    """

    scheme: str
    key: int
    length: int
    vocab: int

    @property
    def gamma(self) -> float:
        """The authors' price of a skipped token."""
        return EXP_GAMMA if self.scheme == "exp" else ITS_GAMMA

    def costs(self, ids: Sequence[int]) -> Costs:
        """float32 [m, n]: d of token i and number j.

        EXP: log(1 - xi of that token); ITS: |u - eta|, eta the token's place in the secret order
        over the vocabulary's size, as the authors' code has it.
        """
        known, places = np.unique(np.asarray(ids, dtype=np.int64), return_inverse=True)
        if self.scheme == "exp":
            return _exp_costs(self.key, self.length, self.vocab, tuple(known.tolist()))[places]
        stream = np.random.Generator(np.random.Philox(key=self.key))
        uniforms = stream.random(self.length)
        order = stream.permutation(self.vocab)
        rank = np.empty(self.vocab)
        rank[order] = np.arange(self.vocab) / self.vocab
        return _its(rank[known][places], uniforms)

    def other_costs(self, ids: Sequence[int], keys: int, seed: int) -> Costs:
        """float32 [keys, m, n]: the same under keys drawn anew, which nobody used.

        Only numbers of the text's own tokens are drawn: those of others are never read.
        """
        known, places = np.unique(np.asarray(ids, dtype=np.int64), return_inverse=True)
        draw = np.random.default_rng([seed, self.key, len(ids)])
        if self.scheme == "exp":
            rows = draw.random((keys, len(known), self.length), dtype=np.float32)
            drawn: Costs = np.log1p(-rows.clip(_TINY, 1 - 2.0**-24))[:, places]
            return drawn
        uniforms = draw.random((keys, self.length))
        ranks = (
            np.stack([draw.choice(self.vocab, len(known), replace=False) for _ in range(keys)])
            / self.vocab
        )
        return np.stack([_its(r[places], u) for r, u in zip(ranks, uniforms, strict=True)])


@lru_cache(maxsize=64)
def _exp_costs(key: int, length: int, vocab: int, known: tuple[int, ...]) -> Costs:
    """float32 [tokens, length]; edits of a text have most of its tokens, and so does a prefix."""
    if length * vocab <= _KEPT_CELLS:
        return _exp_key(key, length, vocab)[:, list(known)].T.copy()
    rows = [np.log1p(-key_row(key, j, vocab)[list(known)]) for j in range(length)]
    return np.stack(rows).T.astype(np.float32)


@lru_cache(maxsize=1)
def _exp_key(key: int, length: int, vocab: int) -> Costs:
    """float32 [length, vocab]: the whole key, where it is small."""
    return np.stack([np.log1p(-key_row(key, j, vocab)).astype(np.float32) for j in range(length)])


_KEPT_CELLS = 16_000_000


def _its(ranks: NDArray[np.float64], uniforms: NDArray[np.float64]) -> Costs:
    return np.abs(uniforms[None, :] - ranks[:, None]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Detection:
    """What detection says of a text.

    Attributes:
        p_value: share of keys, the own one among them, that fit the text at least as well.
        phi: cost of the best alignment with the own key.
        offset: the number of the key that the text's first block begins at.
    """

    p_value: float
    phi: float
    offset: int


def detect(
    key: Key,
    ids: Sequence[int],
    *,
    keys: int = 100,
    seed: int = 0,
    block: int | None = None,
    check: Callable[[], object] = bool,
) -> Detection:
    """Whether a text bears a key: a permutation test over keys nobody used.

    (1 + keys that fit as well) / (1 + keys): never 0, and at most that share of texts written
    without the key get a p-value as low.

    Args:
        key: the secret.
        ids: the text's tokens, its prompt left out; at least one.
        keys: others that it is compared with.
        seed: of those others.
        block: tokens that are aligned together; None for the whole text.
        check: called between pieces of work; raises to stop.
    """
    own = key.costs(ids)[None]
    size = min(block or len(ids), len(ids), key.length)
    phi = float(statistic(own, size, key.gamma)[0])
    offset = int(alignments(own[:, :size], key.gamma)[0].argmin())
    null: list[float] = []
    together = max(1, _CELLS // (key.length * size))
    for first in range(0, keys, together):
        check()
        count = min(together, keys - first)
        costs = key.other_costs(ids, count, seed * 1_000_003 + first)
        null += statistic(costs, size, key.gamma).tolist()
    as_well = sum(value <= phi for value in null)
    return Detection((1 + as_well) / (1 + keys), phi, offset)


_CELLS = 400_000
"""Of the table of one pass: a few megabytes, which the processor's cache holds."""


def least_p(keys: int) -> float:
    """The smallest p-value that so many other keys can give.

    >>> round(least_p(100), 4)
    0.0099
    """
    return 1 / (1 + keys)


def green_p(green: int, of: int, share: float) -> float:
    """One-sided p-value of a count of green tokens, by the binomial law.

    >>> round(green_p(10, 10, 0.5), 6)
    0.000977
    """
    if not 0 < share < 1:
        return 1.0 if green <= of * share else 0.0
    terms = [
        math.lgamma(of + 1) - math.lgamma(k + 1) - math.lgamma(of - k + 1)
        + k * math.log(share) + (of - k) * math.log1p(-share)
        for k in range(green, of + 1)
    ]  # fmt: skip
    return min(1.0, math.fsum(math.exp(term) for term in terms))
