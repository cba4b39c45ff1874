"""Where tokens of a set-based prompt stand, and whom they see.

Source: McIlroy-Young et al., "Set-Based Prompting: Provably Solving the Language Model Order
    Dependency Problem", arXiv:2406.06581, and the authors' code.
Oracle: the authors' functions (golden layouts, tests/labs/test_lab_set_prompting.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.core.deferred import torch

if TYPE_CHECKING:
    from torch import Tensor

Piece = Sequence[int] | Sequence[Sequence[int]]
"""Tokens in their order, or a set: sequences among which there is none."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A prompt as a model reads it.

    Attributes:
        ids: tokens.
        positions: position ids: all members of a set begin at the same one, and what follows
            begins behind the longest.
        allowed: bool [n, n]: whom each token sees: all before it, but for other members of its
            own set.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    allowed: Tensor


def layout(pieces: Sequence[Piece], *, shared_positions: bool = True, blind: bool = True) -> Layout:
    """Lay a prompt out.

    Args:
        pieces: runs of tokens and sets of runs, in the prompt's order.
        shared_positions: members of a set begin at the same position; else they follow.
        blind: members of a set do not see each other; else as usual.

    >>> found = layout([[1, 2], [[3, 4], [5, 6]], [7]])
    >>> found.positions
    (0, 1, 2, 3, 2, 3, 4)
    """
    ids: list[int] = []
    positions: list[int] = []
    member: list[tuple[int, int] | None] = []
    at = 0
    for number, piece in enumerate(pieces):
        runs, is_set = _runs(piece)
        begin = at
        for place, run in enumerate(runs):
            start = begin if shared_positions else at
            ids += run
            positions += range(start, start + len(run))
            member += [(number, place) if is_set else None] * len(run)
            at = max(at, start + len(run)) if shared_positions else start + len(run)
    n = len(ids)
    allowed = torch.ones(n, n, dtype=torch.bool).tril()
    if blind:
        for i, own in enumerate(member):
            for j, other in enumerate(member[:i]):
                if own is not None and other is not None and own[0] == other[0] and own != other:
                    allowed[i, j] = False
    return Layout(tuple(ids), tuple(positions), allowed)


def _runs(piece: Piece) -> tuple[list[list[int]], bool]:
    if piece and not isinstance(piece[0], int):
        return [list(run) for run in piece], True  # type: ignore[arg-type]  # a set of runs
    return [list(piece)], False  # type: ignore[arg-type]  # a run of ids
