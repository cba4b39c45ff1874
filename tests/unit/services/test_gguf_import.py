"""GGUF files give the model they were written from, once."""

from __future__ import annotations

import json
import logging

import pytest
import torch
from model_folders import byte_level_tokenizer, write_gguf

from explorer.core.errors import ModelUnavailable
from explorer.core.models import load_local
from explorer.services import gguf_import
from explorer.services.gguf_import import (
    correct_tokenizer,
    import_gguf,
    read_fields,
    split_digits,
)
from explorer.services.model_cache import ModelCache


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "toy.gguf"
    return path, write_gguf(path)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return ModelCache(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def imported(written, cache):
    told = []
    found = import_gguf(written[0], cache, lambda what, share: told.append((what, share)))
    return found, told


def test_the_laws_are_those_of_the_original(written, imported):
    handle = load_local(imported[0].path, id="toy")
    law = list(handle.open_batch().prefill([5, 6, 7]))[-1]
    with torch.inference_mode():
        expected = written[1](torch.tensor([[5, 6, 7]])).logits[:, -1]
    torch.testing.assert_close(law, expected, atol=1e-4, rtol=0)
    assert handle.tokenizer.eos_ids == {0, 2}
    assert handle.tokenizer.bos_id == 1
    assert handle.tokenizer.chat_text("hi").startswith("<|im_start|>user\nhi<|im_end|>")


def test_the_record_says_where_it_is_from(written, imported):
    record = imported[0].record
    assert record.source == "toy.gguf, dequantised to float32"
    assert record.licence == "mit"
    assert record.name == str(written[0])
    assert record.revision.startswith("sha256:")


def test_progress_rises_to_the_end(imported):
    shares = [share for _, share in imported[1] if share is not None]
    assert shares == sorted(shares)
    assert shares[0] == 0.0
    assert {"Reading the GGUF file", "Dequantising"} <= {what for what, _ in imported[1]}


def test_the_second_time_it_is_only_looked_up(written, imported, cache, monkeypatch):
    monkeypatch.setattr(gguf_import, "convert_gguf", lambda *_: pytest.fail("converted again"))
    assert import_gguf(written[0], cache, lambda *_: None) == imported[0]


def test_digits_are_taken_one_by_one_as_the_original_does(imported):
    tokenizer = load_local(imported[0].path, id="toy").tokenizer
    ids = tokenizer.encode_continuation("a 345 6789")
    pieces = [tokenizer.token_bytes(i) for i in ids]
    assert [p for p in pieces if p.strip().isdigit()] == [b"3", b"4", b"5", b"6", b"7", b"8", b"9"]
    # … which the same merges do not do by themselves:
    plain = byte_level_tokenizer()
    assert any(len(p) > 1 for p in plain.tokenize(" 345 6789") if p.strip("Ġ").isdigit())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, ["Digits"]),
        ({"type": "ByteLevel"}, ["Digits", "ByteLevel"]),
        (
            {"type": "Sequence", "pretokenizers": [{"type": "Split"}, {"type": "ByteLevel"}]},
            ["Digits", "Split", "ByteLevel"],
        ),
    ],
)
def test_splitting_digits_comes_first_and_only_once(before, after):
    once = split_digits({"pre_tokenizer": before, "model": {"vocab": {}}})
    assert [step["type"] for step in once["pre_tokenizer"]["pretokenizers"]] == after
    assert split_digits(once) == once
    assert once["model"] == {"vocab": {}}


def test_an_unknown_way_of_splitting_is_warned_of_and_left(tmp_path, caplog):
    (tmp_path / "tokenizer.json").write_text(json.dumps({"pre_tokenizer": None}))
    with caplog.at_level(logging.WARNING, "explorer"):
        correct_tokenizer(tmp_path, "gpt-2")
        assert caplog.text == ""
        correct_tokenizer(tmp_path, "tekken")
    assert "kind 'tekken' may split text otherwise" in caplog.text
    assert json.loads((tmp_path / "tokenizer.json").read_text()) == {"pre_tokenizer": None}


def test_what_is_no_gguf_file_is_refused(tmp_path, cache):
    path = tmp_path / "x.gguf"
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        import_gguf(path, cache, lambda *_: None)
    path.write_bytes(b"PK\x03\x04 a zip file")
    with pytest.raises(ModelUnavailable, match="no GGUF file"):
        import_gguf(path, cache, lambda *_: None)


def test_a_file_too_large_for_the_memory_is_refused_before_it_is_expanded(
    tmp_path, written, monkeypatch
):
    monkeypatch.setattr(gguf_import, "free_memory", lambda device: 100_000)
    monkeypatch.setattr(gguf_import, "convert_gguf", lambda *_: pytest.fail("expanded"))
    asked = []
    cache = ModelCache(tmp_path / "cache")
    with pytest.raises(ModelUnavailable, match=r"toy\.gguf needs 0\.00 GB") as caught:
        import_gguf(written[0], cache, lambda *_: None, afford=asked.append)
    assert "0.00 GB are free" in caught.value.message
    assert asked == [read_fields(written[0])[0]]
    assert cache.all() == []


@pytest.mark.parametrize("kept", [8, 2000, -1000])
def test_a_cut_off_file_is_refused(tmp_path, cache, written, kept):
    path = tmp_path / "cut.gguf"
    path.write_bytes(written[0].read_bytes()[:kept])
    with pytest.raises(ModelUnavailable, match="damaged or incomplete"):
        import_gguf(path, cache, lambda *_: None)
