"""From a name to a model in memory: find it, see that it fits, load it."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from explorer.core.errors import ModelUnavailable
from explorer.core.models import (
    HFModel,
    Origin,
    check_config,
    choose_dtype,
    load_local,
    stored_dtype,
)
from explorer.core.progress import Progress, quiet
from explorer.core.spread import kind_of
from explorer.core.weight_files import kv_bytes_per_token, read_headers, weight_files
from explorer.services.devices import choose_device, room_for
from explorer.services.model_cache import ModelFolder
from explorer.services.model_memory import MemoryNeed, ModelSize, estimate_need
from explorer.services.model_sources import Sources, find_model
from explorer.services.settings import read_settings

LOG = logging.getLogger("explorer")


def load_model(
    name: str,
    *,
    progress: Progress | None = None,
    rows: int = 8,
    tokens: int = 512,
    device: str | None = None,
    sources: Sources | None = None,
) -> HFModel:
    """A model by name, fetched first where need be.

    Args:
        name: as `explorer.services.model_sources` says.
        progress: told what is being done and how far.
        rows: sequences that will run at once, for the estimate of memory.
        tokens: length of each, the prompt included, for the same.
        device: "cpu", "cuda", "mps", or one of `explorer.core.spread`; None for the best there is.
        sources: where to look; None for the real ones.

    Raises:
        UnknownName: if the name is of no known form.
        ModelUnavailable: if it cannot be had, is damaged, or does not fit into memory.
        NotCapable: if it is no causal language model.
    """
    device = device or choose_device()
    places = sources or Sources()
    progress = progress or quiet
    place = kind_of(device)

    def afford(parameters: int) -> None:
        places.afford(parameters)
        # How it is stored is not known before it is here: the smallest type that might do.
        weights = MemoryNeed(parameters * choose_dtype(place, "float16").itemsize, 0, 0)
        room_for(device, weights).require(name, weights)

    found = find_model(name, progress, replace(places, afford=afford))
    progress("Loading the weights", None)
    check_config(found.path)
    dtype = choose_dtype(place, stored_dtype(found.path))
    size = size_of(found.path, dtype.itemsize)
    places.afford(size.parameters)
    need = estimate_need(size, rows, tokens)
    room = room_for(device, need)
    room.require(name, need)
    record = found.record
    origin = Origin(record.revision, record.digest, record.licence, record.source)
    handle = load_local(found.path, id=name, device=room.device, dtype=dtype, origin=origin)
    handle.records = handle.records and read_settings().cuda_graphs
    LOG.info("%s is loaded from %s, %s on %s", name, found.path, handle.info.dtype, room.device)
    return handle


def size_of(folder: Path, bytes_per_number: int) -> ModelSize:
    """What the need for memory follows from, read from the headers.

    An output layer that shares its weights with the embeddings is counted by itself: packed
    for a few rows, it is held a second time.
    """
    config = _config(folder)
    text = config.get("text_config") or config
    vocab = int(text.get("vocab_size") or 0)
    hidden = int(text.get("hidden_size") or text.get("n_embd") or 0)
    tied = bool(config.get("tie_word_embeddings", text.get("tie_word_embeddings", False)))
    parameters = read_headers(weight_files(folder)).parameters + (vocab * hidden if tied else 0)
    return ModelSize(
        parameters=parameters,
        bytes_per_number=bytes_per_number,
        kv_bytes_per_token=kv_bytes_per_token(config, bytes_per_number),
        vocab_size=vocab,
    )


def _config(folder: Path) -> Mapping[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(
            f"{folder} has no readable config.json: {error}.", "Fetch the model again."
        ) from error
    return dict(config)


def fetch_model(
    name: str, *, progress: Progress | None = None, sources: Sources | None = None
) -> ModelFolder:
    """Make a model ready on disk without loading it; errors as `find_model`."""
    return find_model(name, progress or quiet, sources or Sources())
