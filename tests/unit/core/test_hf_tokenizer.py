"""Ids, bytes, ends and templates of tokenizers of the two common kinds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_folders import byte_level_tokenizer, sentencepiece_tokenizer
from tokenizers import processors

from explorer.core.errors import NotCapable
from explorer.core.hf_tokenizer import MAX_TEMPLATE_CHARS, HFTokenizer

BYTE_LEVEL = HFTokenizer(byte_level_tokenizer(), eos_ids=[2])
SENTENCEPIECE = HFTokenizer(sentencepiece_tokenizer())


def _joined(tokenizer, text):
    return b"".join(map(tokenizer.token_bytes, tokenizer.encode_continuation(text)))


@given(st.text())
def test_bytes_of_a_text_come_back_exactly(text):
    assert _joined(BYTE_LEVEL, text) == text.encode()


@pytest.mark.parametrize(
    "text", ["", "  two  spaces\n\ttab\r\n", "你好🎉", "a<|im_end|>b ⟦tool⟧ c", "\x00\x7f\xa0\xad"]
)
def test_hard_texts_come_back_exactly(text):
    assert _joined(BYTE_LEVEL, text) == text.encode()


@pytest.mark.parametrize("text", ["the cat", " the  the", "über 你\n", "plain"])
def test_sentencepiece_with_byte_fallback_comes_back_exactly(text):
    assert _joined(SENTENCEPIECE, text) == text.encode()
    assert SENTENCEPIECE.token_bytes(SENTENCEPIECE.encode_continuation(" the")[0]) == b" the"


def test_special_tokens_are_named_and_marked_and_added_ones_are_text():
    assert BYTE_LEVEL.token_bytes(2) == b"<|im_end|>"
    assert BYTE_LEVEL.is_special(2)
    (tool,) = BYTE_LEVEL.encode_continuation("⟦tool⟧")
    assert BYTE_LEVEL.token_bytes(tool) == "⟦tool⟧".encode()
    assert not BYTE_LEVEL.is_special(tool)
    assert BYTE_LEVEL.vocab_size == tool + 1


def test_an_id_without_a_piece_has_no_bytes():
    assert BYTE_LEVEL.token_bytes(BYTE_LEVEL.vocab_size + 7) == b""


def test_both_the_end_of_a_turn_and_the_end_of_a_document_end_a_continuation():
    assert BYTE_LEVEL.eos_ids == {0, 2}
    assert BYTE_LEVEL.bos_id == 1


def test_a_begin_mark_goes_in_front_and_an_end_mark_is_not_appended():
    raw = byte_level_tokenizer()
    raw.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|im_start|> $A <|im_end|>",
        special_tokens=[("<|im_start|>", 1), ("<|im_end|>", 2)],
    )
    tokenizer = HFTokenizer(raw)
    assert tokenizer.encode("the way") == [1, *tokenizer.encode_continuation("the way")]
    assert tokenizer.encode("") == [1]


def test_an_empty_prompt_is_the_begin_mark_else_the_end_mark_else_refused():
    raw = byte_level_tokenizer()
    assert HFTokenizer(raw).encode("") == [1]
    raw.bos_token = None
    assert HFTokenizer(raw).encode("") == [2]
    bare = HFTokenizer(_without_marks(raw))
    assert bare.bos_id is None
    assert bare.eos_ids == frozenset()
    with pytest.raises(NotCapable, match="empty prompt"):
        bare.encode("")


def _without_marks(raw):
    return SimpleNamespace(
        backend_tokenizer=raw.backend_tokenizer,
        added_tokens_decoder={},
        all_special_ids=[],
        bos_token_id=None,
        eos_token_id=None,
        get_vocab=raw.get_vocab,
        encode=raw.encode,
    )


def test_the_chat_template_opens_the_assistants_turn():
    expected = "<|im_start|>user\nask me<|im_end|>\n<|im_start|>assistant\n"
    assert BYTE_LEVEL.has_chat_template
    assert BYTE_LEVEL.chat_text("ask me") == expected
    ids = BYTE_LEVEL.encode_chat("ask me")
    assert ids[0] == 1
    assert ids.count(2) == 1
    assert b"".join(map(BYTE_LEVEL.token_bytes, ids)) == expected.encode()


def test_no_template_a_huge_one_and_a_broken_one_are_refused():
    assert not SENTENCEPIECE.has_chat_template
    with pytest.raises(NotCapable, match="no chat template"):
        SENTENCEPIECE.chat_text("x")
    raw = byte_level_tokenizer()
    raw.chat_template = "x" * (MAX_TEMPLATE_CHARS + 1)
    assert not HFTokenizer(raw).has_chat_template
    with pytest.raises(NotCapable, match="65537 characters"):
        HFTokenizer(raw).chat_text("x")
    raw.chat_template = "{{ raise_exception('no') }}"
    with pytest.raises(NotCapable, match="template fails"):
        HFTokenizer(raw).chat_text("x")
    raw.chat_template = {"default": "{{ messages[0]['content'] }}!"}
    assert HFTokenizer(raw).chat_text("x") == "x!"


def test_the_digest_is_of_the_whole_definition():
    assert HFTokenizer(byte_level_tokenizer()).digest == BYTE_LEVEL.digest
    assert HFTokenizer(byte_level_tokenizer(300)).digest != BYTE_LEVEL.digest
    assert BYTE_LEVEL.digest.startswith("sha256:")


def test_a_tokenizer_without_a_backend_still_has_bytes_and_a_digest():
    raw = sentencepiece_tokenizer()
    slow = SimpleNamespace(
        added_tokens_decoder=raw.added_tokens_decoder,
        all_special_ids=raw.all_special_ids,
        bos_token_id=1,
        eos_token_id=2,
        get_vocab=raw.get_vocab,
        encode=raw.encode,
        convert_ids_to_tokens=raw.convert_ids_to_tokens,
    )
    tokenizer = HFTokenizer(slow)
    assert tokenizer.token_bytes(raw.get_vocab()["▁the"]) == b" the"
    assert tokenizer.digest.startswith("sha256:")
