"""What a model will need in memory, compared with what is free before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

from explorer.core.deferred import torch
from explorer.core.errors import ModelUnavailable

LOGITS_COPIES = 6
"""Float32 blocks [rows, vocab] alive at once in a step: logits, log p, p, processed logits,
log q and what a sort needs."""

SHARE = 0.8
"""Part of the free memory that may be asked for; the rest is for everything else."""


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """Bytes, by what needs them."""

    weights: int
    cache: int
    logits: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.cache + self.logits


@dataclass(frozen=True, slots=True)
class ModelSize:
    """What the need for memory follows from.

    Attributes:
        parameters: weights held, those held twice counted twice.
        bytes_per_number: 4 for float32.
        kv_bytes_per_token: memory of a cached token of one row.
        vocab_size: width of the logits.
    """

    parameters: int
    bytes_per_number: int
    kv_bytes_per_token: int
    vocab_size: int


def estimate_need(size: ModelSize, rows: int, tokens: int) -> MemoryNeed:
    """Memory for a model and one run: weights, key-value cache, and blocks of logits.

    Args:
        size: of the model.
        rows: sequences held at once.
        tokens: length of each, the prompt included.

    >>> need = estimate_need(ModelSize(1000, 4, 10, 50), rows=2, tokens=30)
    >>> need.weights, need.cache, need.logits, need.total
    (4000, 900, 2400, 7300)
    """
    # A cache keeps up to half as many places again free, so that it need not grow each token.
    cache = rows * tokens * size.kv_bytes_per_token * 3 // 2
    logits = rows * size.vocab_size * 4 * LOGITS_COPIES
    return MemoryNeed(size.parameters * size.bytes_per_number, cache, logits)


def require_memory(name: str, need: MemoryNeed, free: int) -> None:
    """Refuse a model that needs more than `SHARE` of the free memory.

    Raises:
        ModelUnavailable: with all figures.
    """
    if need.total > SHARE * free:
        raise ModelUnavailable(
            f"{name} needs {need.total / 1e9:.2f} GB of memory ({need.weights / 1e9:.2f} for"
            f" weights, {need.cache / 1e9:.2f} for the cache, {need.logits / 1e9:.2f} for"
            f" logits); {free / 1e9:.2f} GB are free, of which {SHARE:.0%} may be used.",
            "Close other programs, choose a smaller model, or run fewer or shorter lanes.",
        )


def free_memory(device: str) -> int:
    """Bytes that can be asked for on a device.

    On a CPU (and on Apple's GPUs, which share it) what the system can spare, but no more than
    the control group of this process still may take: in a container that is the true limit.
    """
    if device.startswith("cuda"):
        return int(torch.cuda.mem_get_info(device)[0])
    free = int(psutil.virtual_memory().available)
    allowed = cgroup_free()
    return free if allowed is None else min(free, allowed)


def cgroup_free(
    root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> int | None:
    """Bytes this process's control groups still allow, None where nothing limits it."""
    rooms = [_room(folder) for folder in _groups(root, membership)]
    return min((room for room in rooms if room is not None), default=None)


def _groups(root: Path, membership: Path) -> list[Path]:
    """The folders of this process's groups, outermost first; version 2, then version 1."""
    try:
        lines = membership.read_text("utf-8").splitlines()
    except OSError:
        lines = []
    folders = [root, root / "memory"]
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "" or "memory" in controllers.split(","):
            folder = root if controllers == "" else root / "memory"
            for part in Path(path).parts[1:]:
                folder = folder / part
                folders.append(folder)
    return folders


def _room(folder: Path) -> int | None:
    """Limit less use of one group; pages of files that can be dropped do not count as used."""
    for limit_name, used_name, droppable in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        try:
            limit = int((folder / limit_name).read_text("ascii"))
            used = int((folder / used_name).read_text("ascii"))
            stat = dict(
                line.split() for line in (folder / "memory.stat").read_text("ascii").splitlines()
            )
        except (OSError, ValueError):  # no such file, or "max": no limit here
            continue
        return max(0, limit - used + int(stat.get(droppable, 0)))
    return None
