"""The paper's table as it was measured last: read from the document that holds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "latent.md"
MARK = "<!-- table:"


def paper_tables(document: Path = DOCUMENT) -> list[dict[str, Any]]:
    """The tables of `docs/latent.md`, each with its heads and rows; [] where there are none.

    Figures stand in one place only, where their command and date stand, too.
    """
    try:
        text = document.read_text("utf-8")
    except OSError:
        return []
    _, found, rest = text.partition(MARK)
    tables: list[dict[str, Any]] = []
    title = ""
    rows: list[list[str]] = []
    for line in [*rest.splitlines()[1:], ""] if found else []:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip().strip("|").split("|")])
        elif rows:
            tables.append({"title": title, "heads": rows[0], "rows": rows[2:]})
            rows = []
        elif line.startswith("#"):
            break
        elif line.strip():
            title = line.strip()
    return tables
