"""One run of a lab: what it has shown so far, and what came of its claims."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from explorer.core.errors import NotCapable
from explorer.core.handle import ModelHandle
from explorer.core.lab import Claim, LabInfo, LabStopped, Progress, Tuned
from explorer.core.params import Params, parse_params
from explorer.core.results import Result, Traces, as_data
from explorer.core.types import ParamValue, Trace
from explorer.services import checks
from explorer.services.generation import library_versions
from explorer.services.labs.context import RunningLab
from explorer.services.loading import load_model

MAX_SEED = 2**63 - 1


@dataclass
class LabRun:
    """What a lab has shown; grows while it runs.

    Attributes:
        info: which lab.
        params: as they were checked.
        seed: of every draw.
        model: whose runs.
        results: by name, in the order they first came.
        claims: by statement, the same.
        tuned: models that it made, by their ids.
        said: how far it is, in words.
        fraction: how far it is; None where that is unknown.
        seconds: since it began.
        stopped: it was told to stop before its end.
        done: it has ended.
    """

    info: LabInfo
    params: Params
    seed: int
    model: ModelHandle
    results: dict[str, Result] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    tuned: dict[str, Tuned] = field(default_factory=dict)
    said: str = ""
    fraction: float | None = None
    seconds: float = 0.0
    stopped: bool = False
    done: bool = False

    @property
    def traces(self) -> tuple[Trace, ...]:
        """All continuations that it shows."""
        shown = [r for r in self.results.values() if isinstance(r, Traces)]
        return tuple(trace for result in shown for trace in result.traces)

    def as_data(self) -> dict[str, Any]:
        """As JSON has it (docs/wire.md, "Results")."""
        info = self.model.info
        return {
            "lab": self.info.name,
            "title": self.info.title,
            "papers": [paper.citation for paper in self.info.papers],
            "fidelity": self.info.fidelity,
            "scaled_down": self.info.scaled_down,
            "params": self.params.model_dump(mode="json"),
            "seed": self.seed,
            "model": {"id": info.id, "digest": info.digest, "dtype": info.dtype},
            "versions": library_versions(),
            "seconds": round(self.seconds, 2),
            "stopped": self.stopped,
            "claims": [claim_data(claim) for claim in list(self.claims.values())],
            "results": [as_data(result) for result in list(self.results.values())],
        }


def claim_data(claim: Claim) -> dict[str, Any]:
    """A claim as JSON has it."""
    return {
        "statement": claim.statement,
        "holds": claim.holds,
        "measured": as_data(claim.measured),
        "relation": claim.relation,
        "threshold": claim.threshold,
        "paper": claim.paper,
    }


def open_lab(
    info: LabInfo, model: ModelHandle, given: Mapping[str, ParamValue] | None = None, seed: int = 0
) -> LabRun:
    """A run of a lab, not yet begun; everything is checked here.

    Args:
        info: which lab.
        model: a loaded model.
        given: parameters by name; those left out are as usual.
        seed: decides every draw.

    Raises:
        InvalidParams: for a parameter or a seed that cannot be used.
        NotCapable: where the model lacks what the lab needs.
    """
    missing = sorted(str(need) for need in info.needs - model.capabilities)
    if missing:
        raise NotCapable(
            f"The lab {info.name} needs {', '.join(missing)}, which {model.info.id} lacks.",
            "Choose another model: tiny has all of it.",
        )
    params = parse_params(info.name, info.params, given or {})
    return LabRun(info, params, checks.whole("seed", seed, 0, MAX_SEED), model)


def run_lab(
    run: LabRun,
    *,
    cancel: threading.Event | None = None,
    load: Callable[[str], ModelHandle] = load_model,
    on_update: Callable[[LabRun], object] = bool,
) -> LabRun:
    """Run a lab to its end, or until it is told to stop; what was shown by then stays.

    Args:
        run: from `open_lab`.
        cancel: set from any thread to stop it.
        load: finds the other models that a lab names.
        on_update: called after every update.

    Raises:
        ExplorerError: as the lab's runs do.
    """
    context = RunningLab(run.model, run.seed, cancel, load)
    started = time.perf_counter()
    try:
        for update in run.info.run(context, run.params):
            run.seconds = time.perf_counter() - started
            if isinstance(update, Progress):
                run.said, run.fraction = update.said, update.fraction
            elif isinstance(update, Claim):
                run.claims[update.statement] = update
            elif isinstance(update, Tuned):
                run.tuned[update.model.info.id] = update
            else:
                run.results[update.name] = update
            on_update(run)
            context.check()
    except LabStopped:
        run.stopped = True
    finally:
        run.seconds = time.perf_counter() - started
        run.done = True
    return run
