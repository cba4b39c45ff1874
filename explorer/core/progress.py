"""How slow work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float | None], None]
"""Told what is being done and which share of it, 0 to 1, or None where that is unknown."""


def quiet(_what: str, _fraction: float | None) -> None:
    """Progress that nobody watches."""
