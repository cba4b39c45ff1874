"""Values as a browser or a program sends them, checked before anything is done with them."""

from __future__ import annotations

import json
import math
from typing import Any

from explorer.core.errors import InvalidParams

_SHOWN = 60
_SEED_DIGITS = 100


def text(value: Any, name: str) -> str:
    """A string that can be written as UTF-8.

    Args:
        value: what came.
        name: what to call it, quotes included.

    Raises:
        InvalidParams: for anything else.
    """
    if not isinstance(value, str):
        raise InvalidParams(f"{name} is {shown(value)}.", "Give a text.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InvalidParams(
            f"{name} holds half of a character (U+{ord(value[error.start]):04X}) at place"
            f" {error.start:,}.",
            "Take it out: it cannot be written as UTF-8.",
        ) from None
    return value


def texts(value: Any, name: str, example: str) -> list[str]:
    """A list of strings; a bare string is no list of its letters.

    Raises:
        InvalidParams: for anything else.
    """
    if not isinstance(value, (list, tuple)):
        raise InvalidParams(f"{name} is {shown(value)}.", f"Give a list such as {example}.")
    for entry in value:
        if not isinstance(entry, str):
            raise InvalidParams(
                f"{name} holds {shown(entry)}.", f"Give a list of texts such as {example}."
            )
    return [text(entry, name) for entry in value]


def whole(value: Any, name: str, meaning: str) -> int:
    """A whole number; 5.0, as some programs write 5, is one.

    Args:
        value: what came.
        name: what to call it, quotes included.
        meaning: what to give, for the hint.

    Raises:
        InvalidParams: for anything else; nothing is rounded.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value != int(value):
        raise InvalidParams(f"{name} is {shown(value)}.", f"Give a whole number: {meaning}.")
    return int(value)


def question(value: Any) -> dict[str, Any]:
    """What the page's script asks, as JSON.

    What cannot be said back is refused, too: numbers without end, and halves of characters that
    came as escapes.

    Raises:
        InvalidParams: for anything else.
    """
    try:
        asked = json.loads(text(value, "The question"))
        again = json.dumps(asked, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):  # nested too deep, or a number of thousands of digits
        asked = again = None
    if not isinstance(asked, dict):
        raise InvalidParams(f"The question is {shown(value)}.", "Reload the page.")
    text(again, "The question")
    return asked


def seed(value: Any, name: str) -> int:
    """A seed as a number or as its digits: a browser would round one past 2^53.

    Raises:
        InvalidParams: for anything else.
    """
    meaning = "any, or -1 to draw one"
    if not isinstance(value, str):
        return whole(value, name, meaning)
    digits = value.strip()
    if len(digits) > _SEED_DIGITS:
        raise InvalidParams(f"{name} has {len(digits):,} digits.", f"At most {_SEED_DIGITS}.")
    if not digits.removeprefix("-").isascii() or not digits.removeprefix("-").isdigit():
        raise InvalidParams(f"{name} is {shown(value)}.", f"Give a whole number: {meaning}.")
    return int(digits)


def seconds(value: Any, name: str) -> float:
    """A number of seconds, of any size.

    Raises:
        InvalidParams: for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidParams(f"{name} is {shown(value)}.", "Give seconds, or leave it empty.")
    return float(value)


def shown(value: Any) -> str:
    """A value as a message quotes it: never long."""
    words = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return words if len(words) <= _SHOWN else f"{words[: _SHOWN - 1]}…"
