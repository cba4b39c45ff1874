"""How long a lab takes on this machine: as it did last time, else as on the reference machine."""

from __future__ import annotations

import json
from pathlib import Path

from explorer.core.atomic_file import replacing
from explorer.core.lab import LabInfo

_FILE = "lab-times.json"


class LabTimes:
    """Seconds by lab and model, kept in a folder.

    Args:
        folder: of the cache; None keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / _FILE

    def of(self, info: LabInfo, model: str) -> tuple[float, bool]:
        """Seconds of the usual parameters, and whether they were measured on this machine."""
        kept = self._read().get(f"{info.name} {model}")
        return (kept, True) if isinstance(kept, (int, float)) else (info.seconds, False)

    def keep(self, info: LabInfo, model: str, seconds: float) -> None:
        """Remember how long a whole run with the usual parameters took."""
        if self._path is None:
            return
        times = self._read() | {f"{info.name} {model}": round(seconds, 1)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self._path) as path:
            path.write_text(json.dumps(times, sort_keys=True), encoding="utf-8")

    def _read(self) -> dict[str, float]:
        try:
            found = json.loads(self._path.read_text(encoding="utf-8")) if self._path else {}
        except (OSError, ValueError):  # absent, or of a program that was killed: it costs a guess
            return {}
        return found if isinstance(found, dict) else {}
