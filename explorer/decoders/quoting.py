"""Splitting a spec at its signs, but not inside a text in double quotes."""

from __future__ import annotations

from explorer.core.errors import InvalidParams

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\"}
_WRITTEN = {value: key for key, value in _ESCAPES.items()}


def split_outside_quotes(text: str, sign: str) -> list[str]:
    r"""The parts between the signs; a sign within quotes separates nothing.

    Raises:
        InvalidParams: if a quote is opened and not closed.

    >>> split_outside_quotes('a+b:x="1+1"+c', "+")
    ['a', 'b:x="1+1"', 'c']
    """
    parts, start, quoted, escaped = [], 0, False, False
    for i, letter in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and letter == "\\":
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif letter == sign and not quoted:
            parts.append(text[start:i])
            start = i + 1
    if quoted:
        raise InvalidParams(
            f"A quote is opened and not closed in '{text}'.", 'Texts stand in "double quotes".'
        )
    return [*parts, text[start:]]


def quote(text: str) -> str:
    r"""A text as it is written in a spec.

    >>> print(quote('say "no"\n'))
    "say \"no\"\n"
    """
    return '"' + "".join("\\" + _WRITTEN[c] if c in _WRITTEN else c for c in text) + '"'


def unquote(value: str) -> str:
    r"""The text of a value: quotes and escapes undone; a value without quotes is itself.

    >>> unquote('"a\\tb"') == "a\tb", unquote("plain")
    (True, 'plain')
    """
    if not value.startswith('"'):
        return value
    text, escaped = "", False
    for letter in value[1:-1]:
        if escaped:
            text += _ESCAPES.get(letter, "\\" + letter)
            escaped = False
        elif letter == "\\":
            escaped = True
        else:
            text += letter
    return text
