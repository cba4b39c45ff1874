"""What a model folder's README says of its licence."""

from __future__ import annotations

import re
from pathlib import Path

_LICENCE = re.compile(r"^license:\s*[\"']?([\w.\-]+)", re.MULTILINE)


def licence_of(folder: Path) -> str:
    """The licence in the README's front matter, else "unknown"."""
    try:
        text = (folder / "README.md").read_text("utf-8", errors="replace")[:10_000]
    except OSError:
        return "unknown"
    front = text.split("---")[1] if text.startswith("---") else ""
    found = _LICENCE.search(front)
    return found[1] if found else "unknown"
