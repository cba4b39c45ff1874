"""The folder of a sweep: what is finished, kept so that a kill loses nothing of it.

A unit's traces are written first (`traces/ID.parquet`), then the record of its cells
(`cells/ID.json`): the record is what says that a unit is finished. Both appear whole or not at
all, so a folder can be gone on from at any moment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from explorer.core.atomic_file import replacing
from explorer.core.errors import InvalidParams, NotCapable
from explorer.services.parquet import arrow
from explorer.services.sweep.cells import Batch, Unit
from explorer.services.sweep.plan import METRICS, Plan
from explorer.services.sweep.working import Made

_FORM = "sweep/1"
_ROWS_A_GROUP = 20_000


class SweepFolder:
    """One folder; at most one sweep writes to it at a time.

    Args:
        path: is made where it is not there.

    Raises:
        InvalidParams: for a folder with other things in it, or one that cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._plan, self._lock = path / "sweep.json", path / ".lock"
        self.traces, self.cells = path / "traces", path / "cells"
        self._files: dict[str, str] = {}
        self._failed: set[str] = set()
        try:
            if path.exists() and not self._plan.exists() and any(map(_is_foreign, path.iterdir())):
                raise InvalidParams(
                    f"'{path}' holds other things than a sweep.", "Name a new folder."
                )
            for folder in (self.traces, self.cells):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidParams(
                f"'{path}' cannot be written: {error.strerror}.", "Name another folder."
            ) from None

    @contextmanager
    def opened(self, plan: Plan) -> Iterator[None]:
        """Hold the folder, write down the plan, and see what is finished.

        Raises:
            NotCapable: where another sweep holds it.
        """
        lock = FileLock(self._lock)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise NotCapable(
                f"Another sweep writes to '{self.path}'.", "Wait for it, or name another folder."
            ) from None
        try:
            with replacing(self._plan) as file:
                said = {"form": _FORM, "plan": plan.model_dump()}
                file.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
            self._sweep_up()
            yield
        finally:
            lock.release()

    def _sweep_up(self) -> None:
        """Drop what a kill left half-written, and read which cells are finished."""
        for folder in (self.path, self.traces, self.cells):
            for path in folder.glob(".*"):
                if path.name != self._lock.name:
                    path.unlink()
        for path in self.traces.glob("*.parquet"):
            if not (self.cells / f"{path.stem}.json").exists():
                path.unlink()
        for path in sorted(self.cells.glob("*.json")):
            self._note(path.stem, _read(path))

    def _note(self, unit: str, rows: Iterable[dict[str, Any]]) -> None:
        for row in rows:
            key, failed = row["key"], row["error"] is not None
            if failed and key in self._files and key not in self._failed:
                continue  # it was run again since, and went well
            self._files[key] = unit
            (self._failed.add if failed else self._failed.discard)(key)

    def is_done(self, key: str) -> bool:
        """Whether a cell has been run, with success or not."""
        return key in self._files

    def has_failed(self, key: str) -> bool:
        """Whether a cell was run and has no trace."""
        return key in self._failed

    def keep(self, unit: Unit, made: Made) -> None:
        """Keep what came of a unit; after this it is finished for good."""
        if made.table is not None:
            with replacing(self.traces / f"{unit.id}.parquet") as file:
                file.write_bytes(made.table)
        record = {"form": _FORM, "seconds": made.seconds, "cells": list(made.rows)}
        with replacing(self.cells / f"{unit.id}.json") as file:
            text = json.dumps(record, ensure_ascii=True, allow_nan=False)
            file.write_text(text, encoding="utf-8")
        self._note(unit.id, made.rows)

    def rows(self, batches: Iterable[Batch]) -> Iterator[dict[str, Any]]:
        """Finished cells of these batches in their order, each with the name of its file.

        One record is held at a time.
        """
        held = ""
        rows: dict[str, dict[str, Any]] = {}
        for batch in batches:
            for cell in batch.cells:
                unit = self._files.get(cell.key)
                if unit is None:
                    continue
                if unit != held:
                    found = _read(self.cells / f"{unit}.json")
                    held, rows = unit, {row["key"]: row for row in found}
                # the plan in hand says which prompt it is
                yield rows[cell.key] | {"prompt": batch.number, "file": f"{unit}.parquet"}

    def write_metrics(self, rows: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Write `metrics.parquet`, one row a cell, and give every row on.

        Raises:
            NotCapable: where pyarrow, an optional extra, is not installed.
        """
        pa, parquet = arrow()
        schema = _schema(pa)
        group: list[dict[str, Any]] = []
        with (
            replacing(self.path / "metrics.parquet") as file,
            parquet.ParquetWriter(file, schema) as writer,
        ):
            for row in rows:
                group.append(_flat(row))
                if len(group) == _ROWS_A_GROUP:
                    writer.write_table(pa.Table.from_pylist(group, schema=schema))
                    group = []
                yield row
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


def _is_foreign(path: Path) -> bool:
    """Whether a folder without a plan holds more than a sweep that was killed at its beginning."""
    return path.name not in ("traces", "cells", ".lock") and not path.name.startswith(".sweep.json")


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return [dict(row) for row in data["cells"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise InvalidParams(
            f"'{path}' is no record of cells.", "Take it away: its cells are run again."
        ) from None


def _schema(pa: Any) -> Any:
    text, whole, number = pa.string(), pa.int64(), pa.float64()
    named = [("key", text), ("model", text), ("decoder", text), ("prompt", whole), ("seed", whole)]
    named += [("tokens", whole), ("stop_reason", text), ("loop_onset", whole)]
    named += [("loop_period", whole), *((metric, number) for metric in METRICS)]
    named += [("dtype", text), ("device", text), ("error", text), ("file", text), ("trace", whole)]
    return pa.schema(named)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    metrics: dict[str, Any] = row.get("metrics", {})
    file = row["file"] if row["error"] is None else None
    return row | metrics | {"file": file}
