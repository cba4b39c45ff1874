"""What a worker does, wherever it stands: one unit of cells in, a table and its figures out."""

from __future__ import annotations

import logging
import math
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.analyzers import measure
from explorer.core.errors import ExplorerError
from explorer.core.handle import ModelHandle
from explorer.core.types import StopReason, Trace
from explorer.services import loading
from explorer.services.generation import MAX_ROWS, Run, RunOptions, library_versions, second_models
from explorer.services.parquet import write_parquet
from explorer.services.sweep.cells import Batch, Cell, Terms, Unit
from explorer.services.sweep.plan import LOOP_RATE

_log = logging.getLogger("explorer")

Load = Callable[[str], ModelHandle]


@dataclass(frozen=True, slots=True)
class Made:
    """What came of a unit.

    Attributes:
        table: its traces as a Parquet file, one row a token; None where every cell failed.
        rows: one a cell, as `SweepFolder` keeps them.
        seconds: it took, a model's loading aside.
    """

    table: bytes | None
    rows: tuple[dict[str, Any], ...]
    seconds: float


class _SweepRun(Run):
    most_lanes = MAX_ROWS  # a plan says how many; rows are bounded all the same


class Worker:
    """Runs units on one model at a time; the next unit's model takes the place of the last.

    Args:
        load: from a name to a loaded model.
        cancel: ends a run within a token once it is set.
    """

    def __init__(self, load: Load | None = None, cancel: threading.Event | None = None) -> None:
        self._load, self._cancel = load or load_model, cancel
        self._name = ""
        self._model: ModelHandle | None = None
        self._seconds: dict[str, ModelHandle] = {}

    def run(self, unit: Unit) -> Made:
        """Run all cells of a unit; whatever a cell dies of is told in its row."""
        try:
            model = self._opened(unit.model)
        except Exception as error:  # noqa: BLE001  # one model must not end a study of ten
            reason = _reason(error)
            return failed(unit, reason)
        begin = time.perf_counter()
        traces: list[Trace] = []
        rows: list[dict[str, Any]] = []
        for batch in unit.batches:
            for cell, result in self.cells(model, batch, unit.terms):
                rows.append(row_of(model, batch, cell, result) | {"trace": None})
                if not isinstance(result, str):
                    rows[-1]["trace"] = len(traces)
                    traces.append(result)
        table = _table(traces) if traces else None
        return Made(table, tuple(rows), time.perf_counter() - begin)

    def _opened(self, name: str) -> ModelHandle:
        if self._model is None or self._name != name:
            self._model, self._name = None, ""  # let go of the last before the next is loaded
            self._seconds.clear()
            self._model = self._load(name)
            self._name = name
        return self._model

    def cells(
        self, model: ModelHandle, batch: Batch, terms: Terms
    ) -> Iterator[tuple[Cell, Trace | str]]:
        """Every cell of a batch with its trace, or with why it has none."""
        run = None
        failure = ""
        try:
            run = self._begun(model, batch, terms)
            for _ in run.columns():
                pass
        except ExplorerError as error:
            failure = str(error)
        except Exception as error:  # noqa: BLE001  # a cell that fails must not stop the others
            failure, run = _reason(error), None
        if run is None and len(batch.cells) > 1:
            # one spec can refuse a whole run: each is asked by itself then
            for cell in batch.cells:
                alone = Batch(batch.model, batch.number, batch.prompt, batch.seed, (cell,))
                yield from self.cells(model, alone, terms)
            return
        traces = () if run is None else run.traces()
        for place, cell in enumerate(batch.cells):
            whole = bool(traces) and traces[place].stop_reason is not StopReason.CANCELLED
            yield cell, traces[place] if whole else failure or "It was stopped before its end."

    def _begun(self, model: ModelHandle, batch: Batch, terms: Terms) -> Run:
        specs = [cell.decoder for cell in batch.cells]
        for name in second_models(specs):
            if name not in self._seconds:
                self._seconds[name] = self._load(name)
        options = RunOptions(
            max_new_tokens=terms.max_new_tokens,
            seed=batch.seed,
            top=terms.top,
            chat=terms.chat,
            ignore_eos=terms.ignore_eos,
        )
        return _SweepRun(
            model,
            batch.prompt,
            specs,
            options,
            cancel=self._cancel,
            second_models=self._seconds,
        )


def load_model(name: str) -> ModelHandle:
    """A model by name, on the best device of this machine."""
    return loading.load_model(name)


def failed(unit: Unit, reason: str) -> Made:
    """A unit of which no cell could be run."""
    rows = tuple(_row(batch, cell) | {"error": reason} for batch, cell in unit.cells)
    return Made(None, rows, 0.0)


def facts_of(model: ModelHandle) -> dict[str, Any]:
    """On what a cell was made, which is no part of its key."""
    info = model.info
    return {"dtype": info.dtype, "device": info.device, "versions": library_versions()}


def row_of(model: ModelHandle, batch: Batch, cell: Cell, result: Trace | str) -> dict[str, Any]:
    """What is kept of a cell beside its trace."""
    row = _row(batch, cell) | facts_of(model)
    return row | ({"error": result} if isinstance(result, str) else _figures(result))


def _row(batch: Batch, cell: Cell) -> dict[str, Any]:
    return {
        "key": cell.key,
        "model": batch.model,
        "decoder": cell.decoder,
        "prompt": batch.number,
        "seed": batch.seed,
        "trace": None,
        "error": None,
    }


def _figures(trace: Trace) -> dict[str, Any]:
    first = min(trace.loops, key=lambda loop: loop.onset, default=None)
    measured = measure(trace.steps) | {LOOP_RATE: 0.0 if first is None else 1.0}
    # no JSON number is infinite
    metrics = {k: None if v is None or not math.isfinite(v) else v for k, v in measured.items()}
    return {
        "tokens": len(trace.steps),
        "stop_reason": str(trace.stop_reason),
        "loop_onset": None if first is None else first.onset,
        "loop_period": None if first is None else first.period,
        "metrics": metrics,
    }


def _table(traces: list[Trace]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traces.parquet"
        write_parquet(path, traces)
        return path.read_bytes()


def _reason(error: Exception) -> str:
    if isinstance(error, ExplorerError):
        return str(error)
    _log.exception("a cell of the sweep failed")
    return f"{type(error).__name__}: {error}"[:500]
