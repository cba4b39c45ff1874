"""The fields of a page's question, checked: whatever comes is a stranger's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from explorer.core.errors import InvalidParams
from explorer.services import checks

MOST_CHARACTERS = 4_000


def typed(asked: Mapping[str, Any], name: str, most: int = MOST_CHARACTERS) -> str:
    """A text of a question; a missing one is empty.

    Raises:
        InvalidParams: as `text`.
    """
    return text({name: "", **asked}, name, most)


def text(asked: Mapping[str, Any], name: str, most: int = MOST_CHARACTERS) -> str:
    """A text of a question.

    Args:
        asked: the question.
        name: of the field.
        most: characters.

    Raises:
        InvalidParams: for anything else, or one that is too long.
    """
    value = asked.get(name)
    if not isinstance(value, str):
        raise InvalidParams(f"'{name}' is {checks.shown(value)}.", "Give a text.")
    if len(value) > most:
        raise InvalidParams(f"'{name}' has {len(value):,} characters.", f"At most {most:,}.")
    return value


def whole(asked: Mapping[str, Any], name: str, low: int, high: int) -> int:
    """A whole number of a question.

    Raises:
        InvalidParams: for anything else, or one out of bounds.
    """
    value = asked.get(name)
    fits = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    if not fits:
        raise InvalidParams(
            f"'{name}' is {checks.shown(value)}.", f"Give a whole number from {low} to {high:,}."
        )
    assert isinstance(value, int)
    return value


def numbers(value: Any, name: str, count: int) -> list[float]:
    """Finite numbers, a given number of them.

    Raises:
        InvalidParams: for anything else.
    """
    fits = isinstance(value, list) and len(value) == count and all(map(_is_finite, value))
    if not fits:
        raise InvalidParams(
            f"'{name}' is {checks.shown(value)}.", f"Give a list of {count} finite numbers."
        )
    return [float(x) for x in value]


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number past all floats
        return False
