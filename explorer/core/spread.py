"""Models past one device: their layers over all GPUs of a machine, or each layer over processes.

Both are transformers' own: `device_map="auto"` puts whole layers on one GPU after another;
tensor parallelism gives every process that torchrun has started a part of each layer, and all do
the same steps with the same numbers. Nothing else of the project knows of either.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from explorer.core.deferred import torch
from explorer.core.errors import ModelUnavailable

LAYERS = "auto"
"""As a device: whole layers, over all GPUs."""
PARTS = "processes"
"""As a device: a part of each layer in every process of torchrun."""
NEEDED = "accelerate"


def processes() -> int:
    """How many processes torchrun has started, this one among them; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "LOCAL_RANK" in os.environ else 1


def is_first() -> bool:
    """True in the one process that speaks to people."""
    return processes() == 1 or os.environ.get("RANK", "0") == "0"


def placement(device: str) -> dict[str, Any]:
    """What `from_pretrained` is told of a device; nothing for a single one.

    Raises:
        ModelUnavailable: where the package that transformers needs for it is missing.
    """
    if device not in (LAYERS, PARTS):
        return {}
    if importlib.util.find_spec(NEEDED) is None:
        raise ModelUnavailable(
            f"A model over several devices needs the package {NEEDED}.",
            f"pip install {NEEDED}, or generation-explorer[gpus].",
        )
    if device == LAYERS:
        return {"device_map": "auto"}
    from transformers.distributed import DistributedConfig  # type: ignore[attr-defined]  # it is

    return {"distributed_config": DistributedConfig(tp_size=processes())}


def kind_of(device: str) -> torch.device:
    """The kind of device that a dtype is chosen for."""
    if device in (LAYERS, PARTS):
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)
