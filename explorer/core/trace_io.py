"""Trace files: JSON lines, one trace a line, written atomically and read strictly."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from explorer.core.errors import TraceFormatError
from explorer.core.trace_schema import SCHEMA, TraceEntry, from_entry, to_entry
from explorer.core.types import Trace

MAX_LINE_BYTES = 256 * 1024 * 1024


def trace_to_json(trace: Trace) -> str:
    """One trace as its line, without the line break."""
    return json.dumps(to_entry(trace), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def trace_from_json(line: str, where: str = "this line") -> Trace:
    """The trace of one line.

    Raises:
        TraceFormatError: naming the place, what was found and what was expected.
    """
    try:
        data = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise TraceFormatError(
            f"{where} is not whole JSON: {error}.", "The file was cut or edited; write it again."
        ) from None
    found = data.get("schema") if isinstance(data, dict) else None
    if found != SCHEMA:
        raise TraceFormatError(
            f"{where} has schema {found!r}.", f"This version reads {SCHEMA!r} only."
        )
    try:
        return from_entry(TraceEntry.model_validate(data))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the trace"
        raise TraceFormatError(
            f"{where}: {field}: {first['msg']}.", "See the trace schema in the documentation."
        ) from None


def write_traces(path: str | Path, traces: Iterable[Trace]) -> int:
    """Write traces to a .jsonl file: all of them or, if anything fails, none.

    Returns:
        How many were written.
    """
    target = Path(path)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    temporary = Path(name)
    count = 0
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            for trace in traces:
                file.write(trace_to_json(trace) + "\n")
                count += 1
        # mkstemp files are private; a written file should look like any other of this user's.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return count


def read_traces(path: str | Path) -> Iterator[Trace]:
    """Traces of a .jsonl file, one at a time, in bounded memory.

    Whole traces before a fault are given first; then the fault is raised.

    Raises:
        TraceFormatError: for a missing file or a line that is no trace.
    """
    source = Path(path)
    if not source.is_file():
        raise TraceFormatError(f"There is no trace file at '{source}'.", "Check the path.")
    with source.open("rb") as file:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            where = f"{source.name}, line {number}"
            if len(line) > MAX_LINE_BYTES:
                raise TraceFormatError(
                    f"{where} is longer than {MAX_LINE_BYTES:,} bytes.", "It is no trace."
                )
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError:
                raise TraceFormatError(
                    f"{where} is not UTF-8.", "The file was cut or is no trace file."
                ) from None
            if text.strip():
                yield trace_from_json(text, where)
