"""Room on a disk, asked for before anything is written."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from explorer.core.errors import ModelUnavailable

HINT = "Free some space, or let EXPLORER_CACHE name a folder on a larger disk."


def require_space(folder: Path, needed: int) -> None:
    """Refuse what does not fit.

    Args:
        folder: where it is to be written; need not exist yet.
        needed: bytes.

    Raises:
        ModelUnavailable: with both figures.
    """
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise ModelUnavailable(
            f"No disk space: {needed / 1e9:.2f} GB are needed in {folder},"
            f" and {free / 1e9:.2f} GB are free.",
            HINT,
        )


def is_full(error: Exception) -> bool:
    """True for an error that says that the disk ran full meanwhile."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return "No space left" in str(error)  # safetensors wraps the system's error in its own
