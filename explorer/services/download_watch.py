"""Progress of a download that is done by somebody else: the size of its folder, watched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from explorer.core.errors import ModelUnavailable
from explorer.core.progress import Progress

POLL_S = 0.25


@dataclass(frozen=True, slots=True)
class Download:
    """What is watched.

    Attributes:
        what: what is being fetched, for people.
        folder: where it grows.
        bytes: its size when done, 0 where that is unknown.
        stall_s: seconds without a byte after which it is given up.
        limit_s: seconds it may take in all.
    """

    what: str
    folder: Path
    bytes: int
    stall_s: float = 60.0
    limit_s: float = 3600.0


def folder_size(folder: Path) -> int:
    """Bytes in all files below a folder; files that vanish meanwhile count nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:
                continue
    return total


def watch(download: Download, finished: Callable[[float], bool], progress: Progress) -> None:
    """Tell the progress until the download is finished.

    Args:
        download: what is watched.
        finished: waits up to the given seconds, and says whether the download has ended.
        progress: told the share of bytes that is there, never more than 1.

    Raises:
        ModelUnavailable: if nothing comes for too long, or it takes too long in all.
    """
    began = grew = time.monotonic()
    size = -1
    while not finished(POLL_S):
        now, found = time.monotonic(), folder_size(download.folder)
        if found != size:
            grew, size = now, found
        share = min(1.0, found / download.bytes) if download.bytes else None
        progress(download.what, share)
        if now - grew > download.stall_s:
            raise _gave_up(download, f"nothing came for {download.stall_s:.0f} s")
        if now - began > download.limit_s:
            raise _gave_up(download, f"not done after {download.limit_s:.0f} s")


def _gave_up(download: Download, reason: str) -> ModelUnavailable:
    return ModelUnavailable(f"{download.what}: {reason}.", "Check the network and try again.")
