"""A lab as one call: begun, followed and ended together."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from explorer.services.labs.desk import LabDesk

UPDATE_S = 0.5


def lab_steps(
    desk: LabDesk, lab: str, model: str, params: Mapping[str, Any], seed: int
) -> Iterator[dict[str, Any]]:
    """How far a lab is, twice a second, and at the end its results (docs/wire.md, "Results").

    Whoever leaves the iterator ends the lab.

    Args:
        desk: where labs run.
        lab: its name.
        model: name of a model that may be asked for.
        params: by name; those left out are as usual.
        seed: decides every draw.

    Raises:
        ExplorerError: for what cannot be run, and as the lab's runs do.
    """
    tab = f"program-{uuid.uuid4().hex}"
    asked = {"ask": "run", "lab": lab, "model": model, "params": params, "seed": seed}
    try:
        job = desk.answer(tab, asked)
        while not job["done"]:
            yield {"lab": lab, "said": job["said"], "fraction": job["fraction"]}
            time.sleep(UPDATE_S)
            job = desk.answer(tab, {"ask": "job", "job": job["job"]})
        yield job["run"]
    finally:
        desk.forget(tab)
