"""Points as people and programs give them, made exact."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from fractions import Fraction

from explorer.core.errors import InvalidParams

MAX_DIMENSIONS = 64
Coordinate = int | float | Fraction
Point = tuple[Fraction, ...]


def ratios(point: Sequence[Coordinate], dimensions: int) -> list[tuple[int, int]]:
    """Coordinates as numerators and denominators; a float counts as the number it is.

    So 0.1 is not a tenth but the float next to it; `Fraction("0.1")` is a tenth.

    Raises:
        InvalidParams: naming the coordinate that is no number from 0 to 1, or how many there are.
    """
    if len(point) != dimensions:
        raise InvalidParams(
            f"The point has {len(point)} coordinates, the space {dimensions} dimensions.",
            "Give one number from 0 to 1 a dimension.",
        )
    return [_ratio(value, number) for number, value in enumerate(point, 1)]


def _ratio(value: Coordinate, number: int) -> tuple[int, int]:
    # Floats first: points by the ten thousand are floats, and NaN fails both comparisons.
    if isinstance(value, float) and 0.0 <= value <= 1.0:
        return value.as_integer_ratio()
    fits = isinstance(value, numbers.Real) and math.isfinite(value) and 0 <= value <= 1
    if not fits or isinstance(value, bool):
        raise InvalidParams(
            f"Coordinate {number} of the point is {value!r}.", "Give a number from 0 to 1."
        )
    exact = value if isinstance(value, int | Fraction) else float(value)
    return exact.as_integer_ratio()


def checked_dimensions(dimensions: int) -> int:
    """The number of dimensions, if a space can have it.

    Raises:
        InvalidParams: outside 1 … 64.
    """
    whole = isinstance(dimensions, int) and not isinstance(dimensions, bool)
    if not whole or not 1 <= dimensions <= MAX_DIMENSIONS:
        raise InvalidParams(
            f"A space of {dimensions!r} dimensions cannot be used.",
            f"Use 1 to {MAX_DIMENSIONS} dimensions.",
        )
    return dimensions


def rounding_cell(point: Sequence[float]) -> tuple[Point, Point]:
    """Between which numbers lies whatever a float64 point was rounded from: lows, and highs."""
    lows, highs = [], []
    for value in point:
        here = Fraction(value)
        before = Fraction(math.nextafter(value, -math.inf))
        after = Fraction(math.nextafter(value, math.inf))
        lows.append(max(Fraction(0), (here + before) / 2))
        highs.append(min(Fraction(1), (here + after) / 2))
    return tuple(lows), tuple(highs)
