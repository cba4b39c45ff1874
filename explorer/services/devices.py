"""Where a model goes: which device, and what is free there."""

from __future__ import annotations

import os
from dataclasses import dataclass

from explorer.core.deferred import torch
from explorer.core.spread import LAYERS, PARTS, processes
from explorer.services.model_memory import SHARE, MemoryNeed, free_memory, require_memory
from explorer.services.space import on_zero_gpu


def choose_device() -> str:
    """A CUDA card, else Apple's GPU, else the CPU; a GPU that is lent call by call is none.

    Where torchrun has started several processes, each holds a part of every layer.
    """
    if processes() > 1:
        return PARTS
    if on_zero_gpu():
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@dataclass(frozen=True, slots=True)
class Room:
    """Memory that a model may take.

    Attributes:
        device: where it goes, as `load_local` takes it.
        free: bytes, over all devices of this process.
        share: part of the weights and of the cache that this process holds.
    """

    device: str
    free: int
    share: float = 1.0

    def require(self, name: str, need: MemoryNeed) -> None:
        """Refuse what does not fit.

        Raises:
            ModelUnavailable: with all figures.
        """
        held = MemoryNeed(int(need.weights * self.share), int(need.cache * self.share), need.logits)
        require_memory(name, held, self.free)


def room_for(device: str, need: MemoryNeed) -> Room:
    """Where a model of this need goes: over all GPUs only if the first is too small for it."""
    if device == PARTS:
        place = f"cuda:{os.environ['LOCAL_RANK']}" if torch.cuda.is_available() else "cpu"
        # On a CPU the processes share one memory.
        here = 1 if torch.cuda.is_available() else processes()
        return Room(device, free_memory(place) // here, 1 / processes())
    if device in ("cuda", LAYERS) and torch.cuda.device_count() > 1:
        free = free_memory("cuda")
        if device == LAYERS or need.total > SHARE * free:
            every = (free_memory(f"cuda:{i}") for i in range(torch.cuda.device_count()))
            return Room(LAYERS, sum(every))
        return Room(device, free)
    return Room(device, free_memory("cuda" if device == LAYERS else device))
