"""Boxes of the unit cube, with exact edges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Box:
    """What a row of tokens keeps of the unit cube.

    Attributes:
        low: lower edge of each dimension.
        width: of each dimension, above 0.
    """

    low: tuple[Fraction, ...]
    width: tuple[Fraction, ...]

    @property
    def high(self) -> tuple[Fraction, ...]:
        """Upper edge of each dimension."""
        return tuple(low + width for low, width in zip(self.low, self.width, strict=True))

    @property
    def centre(self) -> tuple[Fraction, ...]:
        """The point in the middle."""
        return tuple(low + width / 2 for low, width in zip(self.low, self.width, strict=True))

    @property
    def volume(self) -> Fraction:
        """The probability of the tokens, exactly."""
        return math.prod(self.width, start=Fraction(1))

    @property
    def bits(self) -> float:
        """-log2 of the volume: what the tokens say, in bits; right however small the box is."""
        return sum(self.bits_by_dimension)

    @property
    def bits_by_dimension(self) -> tuple[float, ...]:
        """-log2 of each width."""
        return tuple(
            math.log2(width.denominator) - math.log2(width.numerator) for width in self.width
        )

    def holds(self, point: tuple[Fraction, ...]) -> bool:
        """Whether a point lies in the half-open box; an upper edge of 1 belongs to it."""
        return all(
            low <= z < low + width or (z == 1 == low + width)
            for z, low, width in zip(point, self.low, self.width, strict=True)
        )
