"""What a folder of safetensors holds, read from the headers, without loading it."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.core.errors import ModelUnavailable

PICKLED_SUFFIXES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
INDEX_NAME = "model.safetensors.index.json"
MAX_HEADER_BYTES = 100_000_000
"""safetensors' own limit."""


@dataclass(frozen=True, slots=True)
class WeightsHeader:
    """What one or more safetensors files say of themselves.

    Attributes:
        parameters: number of weights.
        bytes: their size as stored.
        metadata: the files' own notes.
    """

    parameters: int
    bytes: int
    metadata: Mapping[str, str]

    def __add__(self, other: WeightsHeader) -> WeightsHeader:
        return WeightsHeader(
            self.parameters + other.parameters,
            self.bytes + other.bytes,
            {**self.metadata, **other.metadata},
        )


NO_WEIGHTS = WeightsHeader(0, 0, {})


def read_header(path: Path) -> WeightsHeader:
    """Read and check the header of a safetensors file.

    The tensors it announces must fill the file exactly, so that a download that broke off is
    found before anything is loaded.

    Raises:
        ModelUnavailable: if the file is missing, damaged or incomplete.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(MAX_HEADER_BYTES, size):
                raise ValueError(f"a header of {length} bytes in a file of {size}")
            header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        parameters = sum(math.prod(entry["shape"]) for entry in header.values())
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
    except (OSError, ValueError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, str(error)) from error
    if 8 + length + end != size:
        raise _damaged(path, f"{size} bytes where its header announces {8 + length + end}")
    return WeightsHeader(parameters, end, metadata)


def _damaged(path: Path, found: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"The weights file {path} is damaged or incomplete: {found}.",
        "Delete it and fetch the model again.",
    )


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a model folder, in the order of their names.

    Raises:
        ModelUnavailable: if there are none, only pickled ones, or a shard is missing.
    """
    index = folder / INDEX_NAME
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _damaged(index, str(error)) from error
        missing = [name for name in names if not (folder / Path(name).name).is_file()]
        if missing:
            raise ModelUnavailable(
                f"{folder} lacks {len(missing)} of {len(names)} weights files: {missing[0]}.",
                "Fetch the model again.",
            )
        return [folder / Path(name).name for name in names]
    single = folder / "model.safetensors"
    if single.is_file():
        return [single]
    raise _no_safetensors(folder)


def _no_safetensors(folder: Path) -> ModelUnavailable:
    pickled = sorted(p.name for p in folder.glob("*") if p.suffix in PICKLED_SUFFIXES)
    if pickled:
        return ModelUnavailable(
            f"{folder} holds pickled weights only ({pickled[0]}), and those can run code.",
            "Convert them to safetensors where you trust them: load the model with"
            " transformers, then model.save_pretrained(folder).",
        )
    return ModelUnavailable(
        f"{folder} holds no model.safetensors.",
        "Give a folder with config.json, a tokenizer and safetensors weights.",
    )


def read_headers(files: Iterable[Path]) -> WeightsHeader:
    """The headers of all files taken together; errors as `read_header`."""
    return sum((read_header(path) for path in files), NO_WEIGHTS)


def file_digest(path: Path) -> str:
    """Digest ("sha256:…") of one file's bytes."""
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def weights_digest(files: Iterable[Path]) -> str:
    """Digest of a model's weights: of the one file, or of the list of its shards' digests."""
    digests = {path.name: file_digest(path) for path in files}
    if len(digests) == 1:
        return next(iter(digests.values()))
    lines = "".join(f"{name} {digest}\n" for name, digest in sorted(digests.items()))
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()


def kv_bytes_per_token(config: Mapping[str, Any], bytes_per_number: int) -> int:
    """Memory of one cached token of one row: 2 x layers x kv heads x head size x bytes.

    An upper bound where some layers have a sliding window or none.

    Args:
        config: a model's config.json, or its `text_config`.
        bytes_per_number: 4 for float32.

    >>> config = {"num_hidden_layers": 30, "num_attention_heads": 9, "hidden_size": 576}
    >>> kv_bytes_per_token({**config, "num_key_value_heads": 3}, 4)
    46080
    """
    config = config.get("text_config") or config
    layers = _first(config, "num_hidden_layers", "n_layer", "num_layers", "n_layers")
    heads = _first(config, "num_attention_heads", "n_head", "num_heads", "n_heads")
    hidden = _first(config, "hidden_size", "n_embd", "d_model")
    kv_heads = _first(config, "num_key_value_heads") or heads
    head_size = _first(config, "head_dim") or (hidden // heads if heads else 0)
    return 2 * layers * kv_heads * head_size * bytes_per_number


def _first(config: Mapping[str, Any], *names: str) -> int:
    """The first of these entries that is a number, else 0."""
    return next((int(config[n]) for n in names if isinstance(config.get(n), int)), 0)
