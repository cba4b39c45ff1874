"""Ray as an engine: actors with one model each, on a laptop's own cluster or on a real one.

Ray is an optional extra and is imported only here, when it is used. The cluster is the one that
`RAY_ADDRESS` names, and this machine where it names none.
"""

from __future__ import annotations

import importlib
import itertools
import os
from collections.abc import Iterable, Iterator
from typing import Any

from explorer.core.errors import NotCapable
from explorer.services.sweep.cells import Unit
from explorer.services.sweep.working import Made, Worker, failed

TRIES_AFTER_DEATH = 2
"""How often a unit is given to a new worker after its worker died."""


class RayEngine:
    """Several workers, each with one model; one that dies is replaced and its unit run again.

    Args:
        workers: how many; 0 for one a GPU of the cluster, or one a CPU where it has none.

    Raises:
        NotCapable: where Ray, an optional extra, is not installed.
    """

    def __init__(self, workers: int = 0) -> None:
        self._ray = ray_module()
        self._workers = workers

    def run(self, work: Iterable[Unit]) -> Iterator[tuple[Unit, Made]]:
        """As `Engine.run`, in the order in which units end."""
        ours = not self._ray.is_initialized()
        if ours:
            here = {} if os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
            self._ray.init(log_to_driver=False, **here)
        try:
            for _, own in itertools.groupby(work, key=lambda unit: unit.model):
                yield from self._one_model(own)
        finally:
            if ours:
                self._ray.shutdown()

    def _one_model(self, work: Iterator[Unit]) -> Iterator[tuple[Unit, Made]]:
        ray = self._ray
        actors = self._actors()
        running: dict[Any, tuple[Unit, Any]] = {}
        try:
            # one unit a worker: a second one that waits would be counted as tried when it dies
            free = list(actors)
            while True:
                while free and (unit := next(work, None)) is not None:
                    actor = free.pop()
                    running[actor.run.remote(unit)] = (unit, actor)
                if not running:
                    return
                (ready, *_), _ = ray.wait(list(running), num_returns=1)
                unit, actor = running.pop(ready)
                free.append(actor)
                yield unit, self._result(ready, unit)
        finally:
            for actor in actors:
                ray.kill(actor)

    def _result(self, ready: Any, unit: Unit) -> Made:
        try:
            made = self._ray.get(ready)
        except self._ray.exceptions.RayError as error:
            tries = TRIES_AFTER_DEATH + 1
            name = type(error).__name__
            return failed(unit, f"Its worker died {tries} times ({name}): it may want less memory.")
        assert isinstance(made, Made)
        return made

    def _actors(self) -> list[Any]:
        resources = self._ray.cluster_resources()
        gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        options = {"num_cpus": 1, "num_gpus": 1 if gpus else 0}
        actor = self._ray.remote(Worker).options(
            max_restarts=-1, max_task_retries=TRIES_AFTER_DEATH, **options
        )
        return [actor.remote() for _ in range(self._workers or gpus or cpus)]


def ray_module() -> Any:
    """Ray.

    Raises:
        NotCapable: where it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise NotCapable(
            "The engine 'ray' needs Ray, which is not installed.",
            "Run: pip install 'ray>=2.9', or take the engine 'local'.",
        ) from None
