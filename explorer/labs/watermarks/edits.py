"""Edits of a text, token by token, as an attacker or an editor makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Edits:
    """Shares of a text's tokens that are touched.

    Attributes:
        substituted: replaced by tokens drawn uniformly.
        deleted: left out.
        inserted: drawn uniformly and put in, as a share of the text's length.
        swapped: that change places with the next one, as an editor's rephrasing does.
    """

    substituted: float = 0.0
    deleted: float = 0.0
    inserted: float = 0.0
    swapped: float = 0.0


def edited(ids: Sequence[int], edits: Edits, choices: Sequence[int], seed: int) -> tuple[int, ...]:
    """A text after edits: exactly the rounded share of its tokens is touched by each.

    Args:
        ids: the text.
        edits: how much of it.
        choices: tokens that are drawn from.
        seed: decides every draw.

    Raises:
        ValueError: for a share outside 0 to 1.
    """
    shares = (edits.substituted, edits.deleted, edits.inserted, edits.swapped)
    if not all(0 <= share <= 1 for share in shares):
        raise ValueError(f"shares of edits must lie in [0, 1], got {shares}")
    draw = np.random.default_rng(seed)
    made = list(ids)
    n = len(made)
    for place in draw.choice(n, round(edits.substituted * n), replace=False):
        others = [c for c in draw.choice(choices, 2) if c != made[place]]
        made[place] = int(others[0]) if others else made[place]
    pairs = draw.choice(max(1, n // 2), min(n // 2, round(edits.swapped * n / 2)), replace=False)
    for place in 2 * pairs:
        if place + 1 < n:
            made[place], made[place + 1] = made[place + 1], made[place]
    gone = set(draw.choice(n, round(edits.deleted * n), replace=False).tolist())
    made = [token for place, token in enumerate(made) if place not in gone]
    for _ in range(round(edits.inserted * n)):
        made.insert(int(draw.integers(len(made) + 1)), int(draw.choice(choices)))
    return tuple(made)
