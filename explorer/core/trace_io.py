"""Trace files: JSON lines, one trace a line, written atomically and read strictly.

Both ways are streams: memory holds one trace at a time, however many there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from explorer.core.atomic_file import replacing
from explorer.core.errors import TraceFormatError
from explorer.core.trace_entries import from_entry, to_entry
from explorer.core.trace_limits import ReadLimits, check_line
from explorer.core.trace_migrations import migrated
from explorer.core.trace_schema import TraceEntry
from explorer.core.types import Trace

_READ = ReadLimits()


def trace_to_json(trace: Trace) -> str:
    """One trace as its line, without the line break."""
    return json.dumps(to_entry(trace), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def trace_from_json(line: str, where: str = "this line") -> Trace:
    """The trace of one line.

    Raises:
        TraceFormatError: naming the place, what was found and what was expected.
    """
    return from_entry(entry_from_json(line.encode("utf-8", "surrogatepass"), where))


def entry_from_json(line: bytes, where: str, limits: ReadLimits = _READ) -> TraceEntry:
    """The checked fields of one line.

    Args:
        line: UTF-8.
        where: its place, for messages.
        limits: looked at before anything is parsed.

    Raises:
        TraceFormatError: naming the place, what was found and what was expected.
    """
    check_line(line, where, limits)
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise TraceFormatError(
            f"{where} is not UTF-8.", "The file was cut or is no trace file."
        ) from None
    try:
        data = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except _Refused as error:
        raise TraceFormatError(f"{where}: {error}.", "Write the file again.") from None
    except (ValueError, RecursionError) as error:  # whole numbers past Python's limit, too
        reason = str(error).split(";", 1)[0]
        raise TraceFormatError(
            f"{where} is not whole JSON: {reason}.", "The file was cut or edited; write it again."
        ) from None
    try:
        return TraceEntry.model_validate(migrated(data, where))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part)[:60] for part in first["loc"]) or "the trace"
        raise TraceFormatError(
            f"{where}: {field}: {first['msg']}.", "docs/trace.schema.json has the schema."
        ) from None


class _Refused(Exception):
    """JSON that parsers take, and that means one thing to one and another to the next."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # adds on the way
        raise _Refused(f"the name {twice[:60]!r} stands twice in one object")
    return found


def _no_constant(name: str) -> float:
    raise _Refused(f"{name} is no finite number")


def write_traces(path: str | Path, traces: Iterable[Trace]) -> int:
    """Write traces to a .jsonl file, one after another: all of them or, if anything fails, none.

    Returns:
        How many were written.
    """
    count = 0
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        for trace in traces:
            file.write(trace_to_json(trace) + "\n")
            count += 1
    return count


def read_traces(path: str | Path, limits: ReadLimits = _READ) -> Iterator[Trace]:
    """Traces of a .jsonl file, one at a time, in bounded memory.

    Whole traces before a fault are given first; then the fault is raised.

    Args:
        path: the file.
        limits: what is refused before it is parsed.

    Raises:
        TraceFormatError: for a file that is missing or too large, or a line that is no trace.
    """
    for _, entry in read_entries(path, limits):
        yield from_entry(entry)


def read_entries(path: str | Path, limits: ReadLimits = _READ) -> Iterator[tuple[int, TraceEntry]]:
    """As `read_traces`, but the checked fields as they stand in the file, with line numbers."""
    source = Path(path)
    if not source.is_file():
        raise TraceFormatError(f"There is no trace file at '{source}'.", "Check the path.")
    try:
        size = source.stat().st_size
        if size > limits.file_bytes:
            raise TraceFormatError(
                f"'{source.name}' has {size:,} bytes; at most {limits.file_bytes:,} are read.",
                "Split it: every line is a trace of its own.",
            )
        with source.open("rb") as file:
            yield from _entries(file, source.name, limits)
    except OSError as error:
        raise TraceFormatError(
            f"'{source}' cannot be read: {error.strerror or error}.", "Check it."
        ) from None


def _entries(file: BinaryIO, name: str, limits: ReadLimits) -> Iterator[tuple[int, TraceEntry]]:
    number = 0
    while line := file.readline(limits.line_bytes + 1):
        number += 1
        if number > limits.lines:
            raise TraceFormatError(
                f"{name} has more than {limits.lines:,} lines.", "Split it in two."
            )
        if line.strip(b" \t\r\n"):
            yield number, entry_from_json(line.rstrip(b"\r\n"), f"{name}, line {number}", limits)
