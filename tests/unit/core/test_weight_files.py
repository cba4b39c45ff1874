"""Headers tell the truth about a file, or the file is refused."""

from __future__ import annotations

import hashlib
import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from explorer.core.errors import ModelUnavailable
from explorer.core.weight_files import (
    file_digest,
    kv_bytes_per_token,
    read_header,
    read_headers,
    weight_files,
    weights_digest,
)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {"a": torch.zeros(3, 4), "b": torch.zeros(5, dtype=torch.bfloat16)}
    save_file(tensors, path, metadata={"format": "pt"})
    return path


def test_a_header_counts_weights_and_bytes(weights):
    header = read_header(weights)
    assert (header.parameters, header.bytes) == (17, 3 * 4 * 4 + 5 * 2)
    assert header.metadata == {"format": "pt"}
    both = read_headers([weights, weights])
    assert (both.parameters, both.bytes) == (34, 116)


def _cut(data):
    return data[:-1]


def _longer(data):
    return data + b"x"


def _half_a_header(data):
    return data[:20]


def _empty(_data):
    return b""


def _no_json(data):
    return data[:8] + b"?" * (len(data) - 8)


def _absurd_length(data):
    return struct.pack("<Q", 1 << 62) + data[8:]


def _list_for_header(_data):
    text = json.dumps([1, 2]).encode()
    return struct.pack("<Q", len(text)) + text


@pytest.mark.parametrize(
    "damage",
    [_cut, _longer, _half_a_header, _empty, _no_json, _absurd_length, _list_for_header],
    ids=lambda damage: damage.__name__,
)
def test_a_damaged_file_is_named_with_what_to_do(weights, damage):
    weights.write_bytes(damage(weights.read_bytes()))
    with pytest.raises(ModelUnavailable) as caught:
        read_header(weights)
    assert str(weights) in caught.value.message
    assert "fetch the model again" in caught.value.hint


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"gone\.safetensors"):
        read_header(tmp_path / "gone.safetensors")


def test_pickled_weights_alone_are_refused_with_the_way_out(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelUnavailable, match=r"pytorch_model.bin") as caught:
        weight_files(tmp_path)
    assert "Convert" in caught.value.hint


def test_a_folder_without_weights_is_refused(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"no model\.safetensors"):
        weight_files(tmp_path)


def test_shards_come_from_the_index_and_must_all_be_there(tmp_path, weights):
    names = ["model-1-of-2.safetensors", "model-2-of-2.safetensors"]
    index = {"weight_map": {"a": names[0], "b": names[1], "c": names[0]}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    weights.rename(tmp_path / names[0])
    with pytest.raises(ModelUnavailable, match=r"lacks 1 of 2 weights files: model-2-of-2"):
        weight_files(tmp_path)
    (tmp_path / names[1]).write_bytes((tmp_path / names[0]).read_bytes())
    assert [path.name for path in weight_files(tmp_path)] == names


def test_an_index_cannot_lead_out_of_the_folder(tmp_path, weights):
    folder = tmp_path / "model"
    folder.mkdir()
    index = {"weight_map": {"a": "../model.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelUnavailable, match="lacks 1 of 1"):
        weight_files(folder)


def test_a_damaged_index_is_refused(tmp_path):
    (tmp_path / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(ModelUnavailable, match=r"index.json is damaged"):
        weight_files(tmp_path)


def test_digests(tmp_path, weights):
    expected = "sha256:" + hashlib.sha256(weights.read_bytes()).hexdigest()
    assert file_digest(weights) == weights_digest([weights]) == expected
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"other")
    both = weights_digest([weights, other])
    assert both == weights_digest([other, weights]) != expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"n_layer": 12, "n_head": 12, "n_embd": 768}, 2 * 12 * 768 * 4),
        (
            {
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "hidden_size": 64,
                "head_dim": 32,
                "num_key_value_heads": 1,
            },
            2 * 2 * 32 * 4,
        ),
        ({"text_config": {"n_layer": 1, "n_head": 2, "n_embd": 8}}, 2 * 8 * 4),
        ({"head_dim": None}, 0),
    ],
)
def test_memory_of_a_cached_token(config, expected):
    assert kv_bytes_per_token(config, 4) == expected
