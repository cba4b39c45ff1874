"""Randomness as an argument: u = f(seed, lane, row, step), the same on every machine.

A keyed hash instead of a generator: the uniform of one token depends on nothing but its own
key, so adding, removing or finishing a lane changes nobody else's text.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from explorer.core.types import Noise

_MANTISSA_BITS = 53


def uniform(seed: int, lane: str, row: int, step: int) -> float:
    """One uniform in [0, 1) with 53 random bits.

    Args:
        seed: the run's seed; any integer.
        lane: key of the lane; equal keys share a stream.
        row: row within the lane.
        step: index of the generated token.

    >>> uniform(7, "ancestral", 0, 0) == uniform(7, "ancestral", 0, 0)
    True
    >>> 0.0 <= uniform(-1, "", 3, 10_000) < 1.0
    True
    """
    key = f"{seed}\x1f{lane}\x1f{row}\x1f{step}".encode()
    bits = int.from_bytes(blake2b(key, digest_size=8).digest(), "big")
    return float((bits >> (64 - _MANTISSA_BITS)) * 2.0**-_MANTISSA_BITS)


def derived(u: float, label: str) -> float:
    """Another uniform in [0, 1), a function of one uniform and a label.

    For methods that need more than one number a row and step: everything stays a function of
    the one key, so a trace that names the key names all of them.

    >>> derived(0.25, "xtc") == derived(0.25, "xtc") != derived(0.25, "gumbel")
    True
    """
    bits = int.from_bytes(blake2b(f"{u!r}\x1f{label}".encode(), digest_size=8).digest(), "big")
    return float((bits >> (64 - _MANTISSA_BITS)) * 2.0**-_MANTISSA_BITS)


def derived_uniforms(u: float, label: str, count: int) -> NDArray[np.float64]:
    """`count` uniforms in (0, 1) from one uniform and a label: a Philox stream keyed by both.

    Philox is specified to the bit, so the numbers are the same on every machine.
    """
    key = blake2b(f"{u!r}\x1f{label}".encode(), digest_size=16).digest()
    stream = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "big")))
    return stream.random(count).clip(2.0**-_MANTISSA_BITS)  # log(0) is of no use to anyone


def uniforms(seed: int, noise: Noise, rows: int, step: int) -> tuple[float, ...]:
    """The uniforms of all rows of one lane at one step."""
    return tuple(uniform(seed, noise.lane, row, step) for row in range(rows))


def lane_keys(specs: tuple[str, ...], *, coupled: bool) -> tuple[Noise, ...]:
    """Keys of the lanes of a request, independent of their order and their neighbours.

    A lane is keyed by what it is (its canonical spec), not by where it stands: alone or
    among seven others it draws the same numbers. Repeated specs are told apart by "#2", "#3"…

    >>> [n.lane for n in lane_keys(("ancestral", "greedy", "ancestral"), coupled=False)]
    ['ancestral', 'greedy', 'ancestral#2']
    """
    if coupled:
        return tuple(Noise("", coupled=True) for _ in specs)
    seen: dict[str, int] = {}
    keys = []
    for spec in specs:
        seen[spec] = seen.get(spec, 0) + 1
        keys.append(Noise(spec if seen[spec] == 1 else f"{spec}#{seen[spec]}"))
    return tuple(keys)
