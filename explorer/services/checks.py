"""Values that come from Python programs, checked before a model is asked for anything."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from explorer.core.errors import InvalidParams
from explorer.core.loops import LoopThresholds

_SHOWN = 60
_LOOP_FIELDS = {"max_period": "a loop's longest unit", "min_tokens": "a loop's fewest tokens"}


def whole(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """A whole number within bounds; numpy's and torch's count, booleans and 5.0 do not.

    Args:
        name: what to call it.
        value: what was given.
        low: lowest that is allowed.
        high: highest that is allowed.

    Raises:
        InvalidParams: for anything else.
    """
    least = "" if low is None else f" from {low:,}"
    most = "" if high is None else f" to {high:,}"
    hint = f"Give a whole number{least}{most}."
    try:
        number = int(operator.index(value))
    except (TypeError, ValueError, RuntimeError):  # the last two are numpy's and torch's
        number = None
    if number is None or isinstance(value, bool):
        raise InvalidParams(f"{name} must be a whole number, got {shown(value)}.", hint)
    if low is not None and number < low:
        raise InvalidParams(f"{name} must be at least {low:,}, got {shown(number)}.", hint)
    if high is not None and number > high:
        raise InvalidParams(f"{name} must be at most {high:,}, got {shown(number)}.", hint)
    return number


def seconds(name: str, value: Any) -> float:
    """A finite time above zero.

    Raises:
        InvalidParams: for anything else.
    """
    try:
        number = math.nan if isinstance(value, (bool, str, bytes)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InvalidParams(
            f"{name} must be a number of seconds above 0, got {shown(value)}.",
            "Leave it out for no limit.",
        )
    return number


def flag(name: str, value: Any) -> bool:
    """True or False, and nothing that merely counts as one of them.

    Raises:
        InvalidParams: for anything else.
    """
    if not isinstance(value, bool):
        raise InvalidParams(f"{name} must be True or False, got {shown(value)}.")
    return value


def text(name: str, value: Any) -> str:
    """A string that can be written as UTF-8.

    Raises:
        InvalidParams: for anything else.
    """
    if not isinstance(value, str):
        raise InvalidParams(f"{name} must be a text, got {shown(value)}.")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise InvalidParams(
            f"{name} holds half of a character (U+{ord(value[error.start]):04X}) at place"
            f" {error.start:,}.",
            "Take it out: it cannot be written as UTF-8.",
        ) from None
    return value


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Several strings; a bare string is no list of its letters.

    Raises:
        InvalidParams: for anything else.
    """
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise InvalidParams(
            f"{name} must be a list of texts, got {shown(value)}.", 'Write ["…"], one or more.'
        )
    return tuple(text(f"Entry {i} of {name}", entry) for i, entry in enumerate(value))


def token_ids(name: str, value: Any) -> tuple[int, ...]:
    """Ids of tokens: whole numbers from 0 on.

    Raises:
        InvalidParams: for anything else.
    """
    if isinstance(value, (bytes, bytearray, dict)) or not isinstance(value, Iterable):
        begin = name[:1].upper() + name[1:]
        raise InvalidParams(
            f"{begin} must be a text or a list of token ids, got {shown(value)}.",
            'An empty text, "", begins from BOS.',
        )
    return tuple(
        whole(f"Token id {i} of {name[:1].lower()}{name[1:]}", entry, 0)
        for i, entry in enumerate(value)
    )


def loop_thresholds(
    max_period: Any = None, min_copies: Any = None, min_tokens: Any = None
) -> LoopThresholds:
    """What counts as a loop; None, or an empty field, leaves a number as it usually is.

    Args:
        max_period: longest unit, tokens.
        min_copies: fewest copies, the first included.
        min_tokens: fewest tokens of all copies together.

    Raises:
        InvalidParams: for numbers that cannot be used.

    >>> loop_thresholds(min_copies=2.5)
    LoopThresholds(max_period=128, min_copies=2.5, min_tokens=48)
    """
    usual = LoopThresholds()
    given: dict[str, Any] = {}
    for name, value in (("max_period", max_period), ("min_tokens", min_tokens)):
        if value is not None and value != "":
            # a browser's number is 5.0 where 5 was meant
            whole_number = int(value) if isinstance(value, float) and value.is_integer() else value
            given[name] = whole(_LOOP_FIELDS[name], whole_number, 1)
    if min_copies is not None and min_copies != "":
        given["min_copies"] = min_copies
    try:
        return replace(usual, **given)
    except (TypeError, ValueError) as error:
        begin = str(error)[:1].upper() + str(error)[1:]
        raise InvalidParams(f"{begin}.", "Leave a field empty for its usual value.") from None


def shown(value: Any) -> str:
    """A value for a message: as Python writes it, in ASCII, on one short line."""
    try:
        written = ascii(value).replace("\n", " ")
    except Exception:  # noqa: BLE001  # a stranger's own __repr__
        written = "an object that cannot be shown"
    return written if len(written) <= _SHOWN else f"{written[:_SHOWN]}… ({type(value).__name__})"
