"""A lab as one call: followed to its end, ended by whoever leaves, refused in words."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from test_lab_desk import SMALL, Models

from explorer.core.errors import ExplorerError
from explorer.services.labs import for_programs
from explorer.services.labs.desk import LabDesk
from explorer.services.labs.for_programs import lab_steps


@pytest.fixture(scope="module")
def models() -> Models:
    return Models()


@pytest.fixture
def desk(models: Models, monkeypatch: pytest.MonkeyPatch) -> LabDesk:
    monkeypatch.setattr(for_programs, "UPDATE_S", 0.02)
    return LabDesk(models, threading.BoundedSemaphore(1))


def steps(desk: LabDesk, **changed: Any) -> Iterator[dict[str, Any]]:
    asked = {"lab": "human_or_machine", "model": "tiny", "params": SMALL, "seed": 1}
    return lab_steps(desk, **{**asked, **changed})


def test_it_tells_how_far_it_is_and_at_last_the_results(desk: LabDesk) -> None:
    *told, run = list(steps(desk))
    assert told
    assert all(step["lab"] == "human_or_machine" and step["said"] for step in told[1:])
    assert run["claims"]
    assert run["params"]["tokens"] == SMALL["tokens"]
    json.dumps(run, allow_nan=False)


def test_whoever_leaves_ends_it(desk: LabDesk) -> None:
    with closing(steps(desk, params={"openings": 12, "draws": 16, "tokens": 256})) as long:
        next(long)
    began = time.monotonic()
    # The only place is free again long before that lab would have ended.
    assert list(steps(desk, seed=2))[-1]["claims"]
    assert time.monotonic() - began < 60
    assert not desk._limits.runs._runs


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"lab": "human_or_machin"}, "human_or_machine"),
        ({"model": "/etc"}, "/etc is not offered"),
        ({"params": {"tokens": "many"}}, "tokens"),
        ({"params": ["tokens"]}, "'params' is"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_cannot_be_run_is_refused(desk: LabDesk, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ExplorerError, match=words):
        list(steps(desk, **changed))
