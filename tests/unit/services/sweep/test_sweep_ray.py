"""Ray as an engine: two workers, one killed midway, and the same rows as in one process."""

from __future__ import annotations

import importlib.util
import os
import signal
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest
from test_sweep_study import SMALL, Spy, tables

from explorer.core.errors import NotCapable
from explorer.services.sweep import ray_engine
from explorer.services.sweep.cells import Unit, batches, units
from explorer.services.sweep.engines import LocalEngine
from explorer.services.sweep.plan import Plan, make_plan
from explorer.services.sweep.ray_engine import RayEngine
from explorer.services.sweep.study import Study, Watch
from explorer.services.sweep.working import Made, Worker

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is an optional extra"
)


def planned(**changes) -> tuple[Plan, tuple[str, ...]]:
    return make_plan(SMALL | changes, "p.toml", None)


def workers() -> list[psutil.Process]:
    """Processes of Ray below this one that hold a `Worker`."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        titled = " ".join(process.info["cmdline"] or [])
        if titled.startswith("ray::Worker"):
            found.append(process)
    return found


@needs_ray
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_two_workers_one_of_them_killed_make_the_rows_of_one_process(tmp_path: Path) -> None:
    plan, prompts = planned(prompts={"bundled": "loops", "first": 8})
    one = Study(plan, prompts, tmp_path / "one").run(LocalEngine())
    killed: list[int] = []
    done: Counter[str] = Counter()

    def kill_one(cells: int, failures: int) -> None:
        done["cells"] += cells
        alive = workers()
        # the second may still be starting on a busy machine
        if not killed and len(alive) == 2 and done["cells"] < one.cells:
            killed.append(alive[0].pid)
            os.kill(alive[0].pid, signal.SIGKILL)

    spy = Spy(RayEngine(workers=2))
    two = Study(plan, prompts, tmp_path / "two").run(spy, Watch(done=kill_one))
    assert killed
    assert two.as_data() == one.as_data()
    assert two.failed == 0
    assert len(spy.keys) == len(set(spy.keys)) == two.cells
    assert tables(tmp_path / "two") == tables(tmp_path / "one")
    until = time.monotonic() + 30
    while workers():  # they end by themselves, a moment later
        assert time.monotonic() < until
        time.sleep(0.1)


@needs_ray
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore")
def test_a_unit_that_kills_every_worker_is_told_and_the_others_are_made(
    tmp_path: Path, monkeypatch
) -> None:
    class Fragile(Worker):  # of this function, so that Ray takes it along by value
        def run(self, unit: Unit) -> Made:
            if unit.batches[0].prompt == "deadly":
                os._exit(9)
            return super().run(unit)

    monkeypatch.setattr(ray_engine, "Worker", Fragile)
    given = {"prompts": ["Once", "deadly", "Then"], "models": ["tiny", "absent/model"]}
    plan, prompts = planned(**given, seeds=1, lanes=8)
    cells = batches(plan, prompts, dict.fromkeys(plan.models, ""))
    work = list(units(cells, plan, lambda key: False))
    made = {unit.batches[0].prompt + unit.model: m for unit, m in RayEngine(2).run(iter(work))}
    errors = {name: {row["error"] for row in result.rows} for name, result in made.items()}
    assert errors["Oncetiny"] == errors["Thentiny"] == {None}
    (died,) = errors["deadlytiny"]
    assert died.startswith("Its worker died 3 times (")
    (absent,) = errors["Onceabsent/model"]
    assert "Hub" in absent  # why that model is not to be had


def test_without_ray_it_is_said_how_to_get_it(monkeypatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(ray_engine.importlib, "import_module", absent)
    with pytest.raises(NotCapable, match=r"pip install 'ray>=2\.9'"):
        RayEngine()
