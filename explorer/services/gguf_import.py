"""GGUF files, dequantised once and kept in the cache."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from explorer.core.errors import ModelUnavailable
from explorer.core.gguf_weights import convert_gguf
from explorer.core.progress import Progress
from explorer.core.weight_files import file_digest
from explorer.services.model_cache import ModelCache, ModelFolder, Record
from explorer.services.model_memory import MemoryNeed, free_memory, require_memory

LOG = logging.getLogger("explorer")

DIGITS_APART = frozenset(
    {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}
)
"""Values of tokenizer.ggml.pre whose tokenizers take every digit by itself."""

SPLIT_AS_CONVERTED = frozenset({"", "default", "gpt-2"})
"""Those that transformers' conversion splits as the original does."""


def afford_anything(_parameters: int) -> None:
    """Nobody minds the size."""


def import_gguf(
    path: Path,
    cache: ModelCache,
    progress: Progress,
    name: str = "",
    afford: Callable[[int], None] = afford_anything,
) -> ModelFolder:
    """The model of a GGUF file as a folder with float32 safetensors.

    Made at the first call and found by the file's digest ever after.

    Args:
        path: the file.
        cache: where the result is kept.
        progress: told how far it is.
        name: the name it is asked for by, for lists.
        afford: told the number of parameters before anything is expanded; may refuse.

    Raises:
        ModelUnavailable: if the file is missing, no GGUF, of an unknown kind, or if there is no
            room for the result, in memory or on the disk.
    """
    progress("Computing the digest of the GGUF file", None)
    try:
        with path.open("rb") as file:
            magic = file.read(4)
        digest = file_digest(path)
    except OSError as error:
        raise ModelUnavailable(
            f"{path} cannot be read: {error.strerror}.", "Check the path."
        ) from error
    if magic != b"GGUF":
        raise ModelUnavailable(
            f"{path} is no GGUF file: it begins with {magic!r}.", "Fetch the file again."
        )
    key = "gguf-" + digest.removeprefix("sha256:")[:16]
    found = cache.find(key)
    if found is not None:
        return found
    parameters, fields = read_fields(path)
    afford(parameters)
    require_expansion(name or str(path), parameters)

    def make(folder: Path) -> Record:
        convert_gguf(path, folder, progress)
        correct_tokenizer(folder, str(fields.get("tokenizer.ggml.pre", "")))
        return Record(
            source=f"{path.name}, dequantised to float32",
            licence=str(fields.get("general.license", "unknown")),
            revision=digest,
            name=name or str(path),
        )

    return cache.build(key, make, needed=4 * parameters + (64 << 20), progress=progress)


def require_expansion(name: str, parameters: int) -> None:
    """Refuse weights that would not fit into memory as float32, all at once, on the CPU.

    Raises:
        ModelUnavailable: with all figures.
    """
    require_memory(name, MemoryNeed(4 * parameters, 0, 0), free_memory("cpu"))


def read_fields(path: Path) -> tuple[int, Mapping[str, Any]]:
    """How many weights a GGUF file holds, and what it says of itself in single values.

    Raises:
        ModelUnavailable: if it is damaged or cut off.
    """
    import gguf  # of use to few models

    try:
        reader = gguf.GGUFReader(path)
        parameters = sum(int(tensor.n_elements) for tensor in reader.tensors)
        wanted = ("general.license", "general.architecture", "tokenizer.ggml.pre")
        fields = {name: field.contents() for name in wanted if (field := reader.get_field(name))}
    except Exception as error:  # the reader maps the file: anything can be out of its bounds
        raise ModelUnavailable(
            f"{path} is damaged or incomplete: {error}", "Fetch the file again."
        ) from error
    return parameters, fields


def correct_tokenizer(folder: Path, pre: str) -> None:
    """Make a converted tokenizer split text as the original does, where we know how.

    GGUF names the way of splitting ("smollm") without spelling it out, and the conversion
    passes it over: numbers then come in other tokens than the model was trained on.
    """
    path = folder / "tokenizer.json"
    if pre in DIGITS_APART:
        definition = json.loads(path.read_text("utf-8"))
        path.write_text(json.dumps(split_digits(definition), ensure_ascii=False), "utf-8")
    elif pre not in SPLIT_AS_CONVERTED:
        LOG.warning("the tokenizer of kind '%s' may split text otherwise than its original", pre)


def split_digits(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A tokenizer's definition with every digit taken by itself, before anything else."""
    digits = {"type": "Digits", "individual_digits": True}
    old = definition.get("pre_tokenizer")
    steps = [] if old is None else old["pretokenizers"] if old["type"] == "Sequence" else [old]
    if digits not in steps:
        steps = [digits, *steps]
    sequence = {"type": "Sequence", "pretokenizers": steps}
    return {**definition, "pre_tokenizer": sequence}
