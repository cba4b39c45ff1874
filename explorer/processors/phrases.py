"""Texts in parameters: lists of strings, and the tokens they stand for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from explorer.core.errors import InvalidParams
from explorer.core.handle import Tokenizer


def split_list(text: str) -> list[str]:
    r"""The strings of a list written with `|` between them; `\|` is a bar that belongs to one.

    >>> split_list(r"as an AI|yes\|no")
    ['as an AI', 'yes|no']
    """
    parts, current, escaped = [], "", False
    for letter in text:
        if escaped:
            current += letter if letter == "|" else "\\" + letter
            escaped = False
        elif letter == "\\":
            escaped = True
        elif letter == "|":
            parts.append(current)
            current = ""
        else:
            current += letter
    return [part for part in [*parts, current + ("\\" if escaped else "")] if part]


def need_tokenizer(tokenizer: Tokenizer | None) -> Tokenizer:
    """The tokenizer of a view.

    Raises:
        ValueError: if the view has none.
    """
    if tokenizer is None:
        raise ValueError("a stage that names texts needs the tokenizer in its view")
    return tokenizer


def ids_of(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """The tokens of one entry: `#123` is token 123, anything else is text.

    Raises:
        InvalidParams: if there is no such token or the text has none.
    """
    if text.startswith("#") and text[1:].isdecimal():
        token_id = int(text[1:])
        if token_id >= tokenizer.vocab_size:
            raise InvalidParams(
                f"There is no token {text}: this tokenizer has {tokenizer.vocab_size:,}.",
                "Write #id with an id below that, or the text itself.",
            )
        return (token_id,)
    ids = tuple(tokenizer.encode_continuation(text))
    if not ids:
        raise InvalidParams(f"The text '{text}' has no token.", "Write something longer.")
    return ids


def spellings(tokenizer: Tokenizer, text: str) -> list[tuple[int, ...]]:
    """The token sequences a phrase can stand as: as written, and after a space.

    A phrase within a text has a space before it, and then it is other tokens.
    """
    if text.startswith("#"):
        return [ids_of(tokenizer, text)]
    return list(dict.fromkeys((ids_of(tokenizer, text), ids_of(tokenizer, " " + text.lstrip()))))


def tokens_with(tokenizer: Tokenizer | None, strings: Sequence[str]) -> frozenset[int]:
    """All tokens whose text holds one of the strings; none where there is no tokenizer."""
    if tokenizer is None or not strings:
        return frozenset()
    return _tokens_with(tokenizer, tuple(strings))  # type: ignore[arg-type]  # hashed by identity


@lru_cache(maxsize=16)
def _tokens_with(tokenizer: Tokenizer, strings: tuple[str, ...]) -> frozenset[int]:
    wanted = [string.encode() for string in strings]
    return frozenset(
        token_id
        for token_id in range(tokenizer.vocab_size)
        if any(w in tokenizer.token_bytes(token_id) for w in wanted)
    )
