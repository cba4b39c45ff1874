"""Warm-up, plateau, decay: a schedule whose end can be chosen late."""

from __future__ import annotations


def rate_at(step: int, *, steps: int, warmup: int, decay: float) -> float:
    """Share of the full learning rate at a step, in (0, 1].

    It climbs for `warmup` steps, stays at 1, and falls linearly to zero over the last `decay`
    share of the steps.

    Source: Hu et al., "MiniCPM", arXiv:2404.06395 (warmup-stable-decay).

    >>> [rate_at(s, steps=10, warmup=2, decay=0.4) for s in (0, 1, 5, 6, 9)]
    [0.5, 1.0, 1.0, 1.0, 0.25]
    """
    climbing = (step + 1) / warmup if warmup else 1.0
    falling = (steps - step) / (decay * steps) if decay else 1.0
    return min(1.0, climbing, falling)
