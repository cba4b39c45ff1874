"""How large a trace file may be, looked at before any of it is parsed.

A parser makes objects ten and more times the size of its text, and recurses into nested lists.
So the bytes of a line are counted first: length, strings, nesting, values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from explorer.core.errors import TraceFormatError

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""A string, or what an unclosed one runs over; possessive, so that no text makes it go back."""
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What a reader takes.

    Attributes:
        file_bytes: of the whole file.
        line_bytes: of one line.
        lines: lines of the file, empty ones included.
        depth: lists and objects inside each other; a trace has up to 6.
        string_bytes: one string as it is written, escapes and all.
        values: numbers, texts and so on in one line.
    """

    file_bytes: int = 64 * 2**30
    line_bytes: int = 256 * 2**20
    lines: int = 1_000_000
    depth: int = 16
    string_bytes: int = 100_000_000
    values: int = 40_000_000


UPLOAD = ReadLimits(
    file_bytes=64 * 2**20, line_bytes=32 * 2**20, lines=1_000, string_bytes=2_000_000,
    values=5_000_000,
)  # fmt: skip
"""For files that strangers send to a page."""


def check_line(line: bytes, where: str, limits: ReadLimits) -> None:
    """Refuse a line that is larger than a trace can be, without parsing it.

    Raises:
        TraceFormatError: naming the place, what was counted and the limit.
    """
    if len(line) > limits.line_bytes:
        _refuse(f"{where} is longer than {limits.line_bytes:,} bytes.")
    values = line.count(b",") + 1
    if values > limits.values:
        _refuse(f"{where} holds some {values:,} values; at most {limits.values:,} are read.")
    if len(line) > limits.string_bytes:
        longest = max((m.end() - m.start() for m in _STRING.finditer(line)), default=0)
        if longest > limits.string_bytes:
            _refuse(
                f"{where} holds a text of {longest:,} bytes; at most {limits.string_bytes:,}"
                " are read."
            )
    deepest = _depth(line, limits.depth)
    if deepest > limits.depth:
        _refuse(f"{where} is nested more than {limits.depth} deep.")


def _refuse(message: str) -> None:
    raise TraceFormatError(message, "It is no trace.")


def _depth(line: bytes, enough: int) -> int:
    """How deep lists and objects lie inside each other; counting ends past `enough`."""
    depth = deepest = 0
    for bracket in _STRING.sub(b"", line).translate(None, delete=_NO_BRACKETS):
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
            if deepest > enough:
                break
        else:
            depth -= 1
    return deepest
