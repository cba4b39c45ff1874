"""Traces of older schemas, made into today's before they are checked.

A schema's name ends in a number. It grows when a reader of the old one could misread the new:
a field that is renamed, means another thing or has gone. Optional fields are added without it.
Each entry of `MIGRATIONS` takes the JSON object of a line one version up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from explorer.core.errors import TraceFormatError
from explorer.core.trace_schema import SCHEMA

Migration = Callable[[dict[str, Any]], dict[str, Any]]

MIGRATIONS: Mapping[str, Migration] = {}
"""Old schema to the step that leads up from it. There has been one schema so far."""


def migrated(data: object, where: str, steps: Mapping[str, Migration] = MIGRATIONS) -> object:
    """The object of a line in today's schema.

    Args:
        data: what the line holds.
        where: its place, for messages.
        steps: the migrations to use.

    Raises:
        TraceFormatError: for a schema that no migration leads up from, or a line that lacks what
            its schema promises.
    """
    seen: set[str] = set()
    while True:
        found = data.get("schema") if isinstance(data, dict) else None
        if found == SCHEMA:
            return data
        if not isinstance(data, dict) or not isinstance(found, str) or found not in steps:
            known = ", ".join(repr(name) for name in (SCHEMA, *steps))
            shown = repr(found) if len(repr(found)) <= 60 else f"{repr(found)[:60]}…"
            raise TraceFormatError(f"{where} has schema {shown}.", f"This version reads {known}.")
        if found in seen:
            raise AssertionError(f"the migrations go round in a circle at {found}")
        seen.add(found)
        try:
            data = steps[found](dict(data))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise TraceFormatError(
                f"{where} is no whole trace of schema {found!r}: {error}.",
                "The file was cut or edited; write it again.",
            ) from None
