"""Which heads look from a copy of a loop back to the copies before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.core.deferred import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class HeadLook:
    """One head, averaged over the tokens of the current copy; masses are shares of 1.

    Attributes:
        layer: from 0, among the layers that have attention.
        head: from 0.
        same: per copy back (1, 2, …) the mass on the same place of that copy.
        after: per copy back the mass on the token after that place: what came next last time.
        first: mass on the very first token, where heads rest that look at nothing.
        own: mass within the current copy, the token itself included.
    """

    layer: int
    head: int
    same: tuple[float, ...]
    after: tuple[float, ...]
    first: float
    own: float


def head_looks(weights: Tensor, places: Sequence[Sequence[int | None]]) -> tuple[HeadLook, ...]:
    """Every head's masses, by layer and head.

    Args:
        weights: [layers, heads, tokens, length]: where each token of the copy looks; the tokens
            are the last of the length.
        places: per copy back, per token of the copy, the position of its place in that copy; None
            where that copy has none.

    >>> weights = torch.zeros(1, 1, 2, 6)
    >>> weights[0, 0, 0, 2], weights[0, 0, 1, 4] = 0.5, 1.0  # the copy is 4, 5; before it 2, 3
    >>> (found,) = head_looks(weights, [[2, 3], [0, 1]])
    >>> found.same, found.after, found.own
    ((0.25, 0.0), (0.5, 0.0), 0.5)
    """
    layers, heads, tokens, length = weights.shape
    begin = length - tokens
    same = _masses(weights, places)
    after = _masses(
        weights,
        [
            # what is not before the token is no memory of an earlier copy
            [None if p is None or p + 1 >= begin + i else p + 1 for i, p in enumerate(row)]
            for row in places
        ],
    )
    first = weights[..., 0].mean(-1)
    own = weights[..., begin:].sum(-1).mean(-1)
    return tuple(
        HeadLook(
            layer,
            head,
            tuple(same[layer, head].tolist()),
            tuple(after[layer, head].tolist()),
            float(first[layer, head]),
            float(own[layer, head]),
        )
        for layer in range(layers)
        for head in range(heads)
    )


def ranked(looks: Sequence[HeadLook], *, after: bool) -> tuple[HeadLook, ...]:
    """Heads by the mass on all earlier copies, most first.

    Args:
        looks: the heads.
        after: by the token after the same place, and not the place itself.
    """
    return tuple(sorted(looks, key=lambda x: -sum(x.after if after else x.same)))


def _masses(weights: Tensor, places: Sequence[Sequence[int | None]]) -> Tensor:
    """[layers, heads, copies back]: mean over tokens of the weight at each token's position."""
    tokens = weights.shape[2]
    found = weights.new_zeros((*weights.shape[:2], len(places)))
    for back, row in enumerate(places):
        known = [(i, p) for i, p in enumerate(row) if p is not None]
        if known:
            at, to = (torch.tensor(side) for side in zip(*known, strict=True))
            found[..., back] = weights[:, :, at, to].sum(-1) / tokens
    return found
