"""The paper's table as text, as Markdown and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.core.intervals import Figure
    from explorer.latent.table import Row, Table


def as_json(tables: Sequence[Table]) -> str:
    """All tables, every figure with its interval and what it was counted among."""
    return json.dumps([asdict(table) for table in tables], indent=2)


def as_text(tables: Sequence[Table]) -> str:
    """Columns for a terminal, a note on each below."""
    from explorer.cli.tables import table as columns

    parts = []
    for each in tables:
        body = columns(_header(each), [_cells(row, each, _short) for row in each.rows])
        parts.append(f"{_heading(each)}\n\n{body}")
    return "\n\n".join([*parts, _notes(tables)])


def as_markdown(tables: Sequence[Table]) -> str:
    """The same as Markdown."""
    parts = []
    for each in tables:
        header = _header(each)
        lines = [header, ["---"] * len(header), *[_cells(row, each, _share) for row in each.rows]]
        body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        parts.append(f"{_heading(each)}\n\n{body}")
    return "\n\n".join([*parts, _notes(tables)])


def _named(each: Table) -> list[str]:
    return list(dict.fromkeys(name for row in each.rows for name in row.figures))


def _heading(each: Table) -> str:
    origin = "the turns that come with the project" if each.bundled else "held-out sentences"
    return (
        f"{each.language}: {each.points:,} points a row (seed {each.seed}), "
        f"{each.held_out:,} {origin}"
    )


def _header(each: Table) -> list[str]:
    return ["space", "d", "points", *(name.replace("_", " and ") for name in _named(each))]


def _cells(row: Row, each: Table, said: Callable[[Figure], str]) -> list[str]:
    figures = (row.figures.get(name) for name in _named(each))
    shares = ["-" if figure is None else said(figure) for figure in figures]
    return [row.name, str(row.dimensions), row.how, *shares]


def _share(figure: Figure) -> str:
    """A share in per cent with its interval.

    >>> from explorer.core.intervals import wilson
    >>> _share(wilson(8, 10))
    '80.0 (49.0-94.3)'
    """
    return f"{100 * figure.value:.1f} ({100 * figure.low:.1f}-{100 * figure.high:.1f})"


def _short(figure: Figure) -> str:
    """The same with the longer arm of its interval only, for narrow columns.

    >>> from explorer.core.intervals import wilson
    >>> _short(wilson(8, 10))
    '80.0 ±31.0'
    """
    arm = max(figure.high - figure.value, figure.value - figure.low)
    return f"{100 * figure.value:.1f} ±{100 * arm:.1f}"


def _notes(tables: Sequence[Table]) -> str:
    from explorer.latent.table import FIGURES

    known = {name for each in tables for name in _named(each)}
    notes = [text for name, text in FIGURES.items() if name in known]
    notes.append("all in per cent, with 95 % intervals: Wilson's, or for counts of kinds jackknife")
    return "\n".join(f"- {note}" for note in notes)
