"""The bytes a token stands for, whatever way its tokenizer spells them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

_BYTE_PIECE = re.compile(r"^<0x([0-9A-Fa-f]{2})>$")
_SPACE_MARK = "▁"


class Spelling(StrEnum):
    """How pieces spell bytes."""

    BYTE_LEVEL = "byte_level"
    """A letter a byte (GPT-2's table): "Ġthe"."""
    SENTENCEPIECE = "sentencepiece"
    """Text with "▁" for a space, and "<0xE4>" for a byte that has no piece."""
    WORDPIECE = "wordpiece"
    """Text; "##" says that the piece continues a word."""
    PLAIN = "plain"
    """Text as it is."""


def _byte_letters() -> dict[str, int]:
    """GPT-2's table, letter to byte: printable bytes stand for themselves."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {chr(byte): byte for byte in printable}
    others = [byte for byte in range(256) if byte not in printable]
    return letters | {chr(256 + i): byte for i, byte in enumerate(others)}


BYTE_LETTERS: Mapping[str, int] = _byte_letters()


def spelling_of(backend: Mapping[str, Any]) -> Spelling:
    """How a tokenizer of the `tokenizers` library spells, from its JSON definition."""
    kinds = set(_kinds(backend.get("decoder"))) | set(_kinds(backend.get("pre_tokenizer")))
    model = backend.get("model") or {}
    if "ByteLevel" in kinds:
        return Spelling.BYTE_LEVEL
    if "Metaspace" in kinds or "ByteFallback" in kinds or model.get("byte_fallback"):
        return Spelling.SENTENCEPIECE
    if "WordPiece" in kinds or model.get("type") == "WordPiece":
        return Spelling.WORDPIECE
    return Spelling.SENTENCEPIECE if model.get("type") == "Unigram" else Spelling.PLAIN


def _kinds(part: object) -> list[str]:
    """The types of a component and, where it is a sequence, of its parts."""
    if not isinstance(part, Mapping):
        return []
    inner = [*(part.get("decoders") or ()), *(part.get("pretokenizers") or ())]
    return [str(part.get("type")), *(kind for item in inner for kind in _kinds(item))]


def piece_bytes(piece: str, spelling: Spelling) -> bytes:
    r"""The bytes of one piece of the vocabulary.

    >>> piece_bytes("Ġthe", Spelling.BYTE_LEVEL), piece_bytes("▁the", Spelling.SENTENCEPIECE)
    (b' the', b' the')
    >>> piece_bytes("<0xE4>", Spelling.SENTENCEPIECE)
    b'\xe4'
    """
    if spelling is Spelling.BYTE_LEVEL and all(letter in BYTE_LETTERS for letter in piece):
        return bytes(BYTE_LETTERS[letter] for letter in piece)
    if spelling is Spelling.SENTENCEPIECE:
        byte = _BYTE_PIECE.match(piece)
        if byte:
            return bytes([int(byte[1], 16)])
        return piece.replace(_SPACE_MARK, " ").encode()
    if spelling is Spelling.WORDPIECE:
        return piece[2:].encode() if piece.startswith("##") else b" " + piece.encode()
    return piece.encode()
