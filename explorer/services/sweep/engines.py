"""Engines: where units of cells are run. An engine is an order of work, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from explorer.services.sweep.cells import Unit
from explorer.services.sweep.working import Load, Made, Worker


class Engine(Protocol):
    """Runs units, in any order, and gives each back once."""

    def run(self, work: Iterable[Unit]) -> Iterator[tuple[Unit, Made]]:
        """Every unit with what came of it.

        Units are taken as they are needed, and a result is given out before more is held: a
        study of a million traces must not fill the memory. Closing the iterator ends the work.
        """


class LocalEngine:
    """One process, one model in memory at a time, the lanes of a run in lockstep.

    Args:
        load: from a name to a loaded model.
    """

    def __init__(self, load: Load | None = None) -> None:
        self._load = load

    def run(self, work: Iterable[Unit]) -> Iterator[tuple[Unit, Made]]:
        """As `Engine.run`, in order."""
        worker = Worker(self._load)
        for unit in work:
            yield unit, worker.run(unit)
