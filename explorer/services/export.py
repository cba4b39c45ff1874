"""Traces as files: by suffix, whole or not at all, one trace in memory at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from explorer.core.atomic_file import replacing
from explorer.core.errors import InvalidParams
from explorer.core.trace_io import write_traces
from explorer.core.types import Trace
from explorer.services.parquet import arrow, write_parquet
from explorer.services.token_table import COLUMNS, token_rows

SUFFIXES = (".jsonl", ".csv", ".parquet", ".html")


def to_csv(traces: Iterable[Trace]) -> str:
    """A CSV table, nats throughout; see `write_csv`."""
    out = io.StringIO()
    _write_rows(out, traces)
    return out.getvalue()


def write_csv(path: Path, traces: Iterable[Trace]) -> None:
    """Write a CSV table, nats throughout.

    Pieces are JSON strings: spaces and line breaks stay visible, and no piece such as "=1+1"
    can be taken for a formula by a spreadsheet.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        _write_rows(file, traces)


def _write_rows(out: TextIO, traces: Iterable[Trace]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    place = COLUMNS.index("piece")
    for row in token_rows(traces):
        quoted = json.dumps(row[place], ensure_ascii=False)
        writer.writerow([*row[:place], quoted, *row[place + 1 :]])


def check_suffix(path: Path) -> None:
    """Refuse a file that could not be written, before any work is done.

    Raises:
        InvalidParams: for a suffix that says no known format, with those that are known, or a
            place where no file can be.
        NotCapable: for Parquet where pyarrow, an optional extra, is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidParams(
            f"'{path.name}' ends in no known format.", f"Use one of: {', '.join(SUFFIXES)}."
        )
    if not path.parent.is_dir():
        raise InvalidParams(f"There is no folder '{path.parent}'.", "Make it first.")
    if path.is_dir():
        raise InvalidParams(f"'{path}' is a folder.", "Give the name of a file in it.")
    if path.suffix.lower() == ".parquet":
        arrow()


def write_file(path: Path, traces: Iterable[Trace], page: str) -> None:
    """Write traces in the format that the file's suffix names, whole or not at all.

    Args:
        path: .jsonl, .csv, .parquet or .html.
        traces: what to write; read once, one at a time.
        page: the self-contained page, for .html.
    """
    suffix = path.suffix.lower()
    if suffix == ".jsonl":
        write_traces(path, traces)
    elif suffix == ".csv":
        write_csv(path, traces)
    elif suffix == ".parquet":
        write_parquet(path, traces)
    else:
        with replacing(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
