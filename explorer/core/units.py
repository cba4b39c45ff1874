"""Nats in code and files, bits on screen: the one place where one becomes the other."""

from __future__ import annotations

import math


def to_bits(nats: float) -> float:
    """Nats to bits.

    >>> to_bits(math.log(8))
    3.0
    """
    return nats / math.log(2.0)
