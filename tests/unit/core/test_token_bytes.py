"""Bytes of pieces, for each way of spelling them."""

from __future__ import annotations

import pytest

from explorer.core.token_bytes import BYTE_LETTERS, Spelling, piece_bytes, spelling_of


def test_the_table_names_every_byte_once():
    assert sorted(BYTE_LETTERS.values()) == list(range(256))
    assert BYTE_LETTERS["Ġ"] == 0x20
    assert BYTE_LETTERS["Ċ"] == 0x0A


@pytest.mark.parametrize(
    ("piece", "spelling", "expected"),
    [
        ("Ã¼", Spelling.BYTE_LEVEL, "ü".encode()),
        ("ä½", Spelling.BYTE_LEVEL, "你".encode()[:2]),
        ("日 not a byte letter", Spelling.BYTE_LEVEL, "日 not a byte letter".encode()),
        ("▁▁x", Spelling.SENTENCEPIECE, b"  x"),
        ("<0x0A>", Spelling.SENTENCEPIECE, b"\n"),
        ("<0x0A>x", Spelling.SENTENCEPIECE, b"<0x0A>x"),
        ("##ing", Spelling.WORDPIECE, b"ing"),
        ("walk", Spelling.WORDPIECE, b" walk"),
        ("Ġthe", Spelling.PLAIN, "Ġthe".encode()),
    ],
)
def test_pieces(piece, spelling, expected):
    assert piece_bytes(piece, spelling) == expected


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ({"decoder": {"type": "ByteLevel"}}, Spelling.BYTE_LEVEL),
        (
            {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "ByteLevel"}]}},
            Spelling.BYTE_LEVEL,
        ),
        (
            {"decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}]}},
            Spelling.SENTENCEPIECE,
        ),
        ({"model": {"type": "Unigram"}, "decoder": None}, Spelling.SENTENCEPIECE),
        ({"model": {"type": "BPE", "byte_fallback": True}}, Spelling.SENTENCEPIECE),
        ({"model": {"type": "WordPiece"}}, Spelling.WORDPIECE),
        ({"model": {"type": "WordLevel"}}, Spelling.PLAIN),
    ],
)
def test_the_spelling_is_read_from_the_definition(definition, expected):
    assert spelling_of(definition) is expected
