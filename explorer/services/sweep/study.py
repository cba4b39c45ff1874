"""A sweep from a plan to a folder: runs what is not finished, then counts what there is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from explorer.core.errors import ModelUnavailable
from explorer.services import loading
from explorer.services.parquet import arrow
from explorer.services.sweep.cells import Batch, batches, count_cells, units
from explorer.services.sweep.engines import Engine
from explorer.services.sweep.folder import SweepFolder
from explorer.services.sweep.plan import Plan
from explorer.services.sweep.summary import Summary, summarize

_log = logging.getLogger("explorer")


def model_digest(name: str) -> str:
    """Digest of a model's weights, which is fetched where it is not here yet."""
    return loading.fetch_model(name).record.digest


@dataclass(frozen=True, slots=True)
class Watch:
    """How a sweep tells how far it is.

    Attributes:
        begun: called once with all cells, and with those finished before.
        done: called with how many cells were finished just now, and how many of them failed.
    """

    begun: Callable[[int, int], object] = lambda total, before: None
    done: Callable[[int, int], object] = lambda cells, failures: None


@dataclass(frozen=True, slots=True)
class Study:
    """A plan, its prompts, and the folder it is kept in.

    Attributes:
        plan: what is run.
        prompts: their texts.
        folder: where it is kept.
        digest: from a model's name to the digest of its weights.
    """

    plan: Plan
    prompts: tuple[str, ...]
    folder: Path
    digest: Callable[[str], str] = field(default=model_digest)

    def run(self, engine: Engine, watch: Watch | None = None, *, retry: bool = False) -> Summary:
        """Run every cell that is not finished, and sum up all that are.

        Args:
            engine: where.
            watch: told how far it is.
            retry: run cells again that failed before.

        Raises:
            InvalidParams, NotCapable: for a folder that cannot be used, or pyarrow missing.
            UnknownName: for a model of no known form.
        """
        arrow()  # what is missing is said before the work
        watch = watch or Watch()
        store = SweepFolder(self.folder)
        digests = {name: self._digest(name) for name in self.plan.model_list}

        def cells() -> Iterator[Batch]:
            return batches(self.plan, self.prompts, digests)

        def is_done(key: str) -> bool:
            return store.is_done(key) and not (retry and store.has_failed(key))

        with store.opened(self.plan):
            before = sum(is_done(cell.key) for batch in cells() for cell in batch.cells)
            watch.begun(count_cells(self.plan, len(self.prompts)), before)
            for unit, made in engine.run(units(cells(), self.plan, is_done)):
                store.keep(unit, made)
                failures = [row["error"] for row in made.rows if row["error"] is not None]
                watch.done(len(made.rows), len(failures))
            rows: Iterator[dict[str, Any]] = store.write_metrics(store.rows(cells()))
            return summarize(self.plan, rows)

    def _digest(self, name: str) -> str:
        try:
            return self.digest(name)
        except ModelUnavailable as error:
            # its cells say why; the other models are run
            _log.warning("%s", error)
            return ""
