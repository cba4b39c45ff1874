"""Ids to bytes to what people read, without losing, fusing or moving a token.

Ids are primary and bytes are exact; a piece is how one token's bytes look. A character that is
spread over several tokens shows as ⟨E4⟩⟨BD⟩… in its pieces and as itself in the text.
"""

from __future__ import annotations

from collections.abc import Iterable

from explorer.core.handle import Tokenizer


def display_piece(data: bytes) -> str:
    """How the bytes of one token are shown: UTF-8 where whole, ⟨hex⟩ a byte where not.

    >>> display_piece(" café".encode())
    ' café'
    >>> display_piece("你".encode()[:2])
    '⟨E4⟩⟨BD⟩'
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        # Whole characters before the fault stay, the faulty byte is spelled out, then go on.
        head = data[: error.start].decode("utf-8")
        return f"{head}⟨{data[error.start]:02X}⟩{display_piece(data[error.start + 1 :])}"


def is_partial(data: bytes) -> bool:
    """True where a token's bytes are not whole characters by themselves."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def piece(tokenizer: Tokenizer, token_id: int) -> str:
    """The displayed bytes of one token."""
    return display_piece(tokenizer.token_bytes(token_id))


def text_of(tokenizer: Tokenizer, token_ids: Iterable[int]) -> str:
    """The text of a continuation: all bytes joined, control marks left out.

    Bytes that are no UTF-8 (a character cut at the end) become U+FFFD.
    """
    data = b"".join(
        tokenizer.token_bytes(token_id)
        for token_id in token_ids
        if not tokenizer.is_special(token_id)
    )
    return data.decode("utf-8", errors="replace")
