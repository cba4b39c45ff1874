"""The Labs page's questions: what labs there are, one run a visitor, its results as they come."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Protocol

from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.handle import ModelHandle
from explorer.core.results import Traces
from explorer.core.types import Trace
from explorer.labs import CATALOG
from explorer.services import checks
from explorer.services.asked import typed, whole
from explorer.services.jobs import Job, place
from explorer.services.labs.catalog_view import lab_json, method_code
from explorer.services.labs.in_compare import of_traces, of_tuned
from explorer.services.labs.parameters import checked
from explorer.services.labs.running import LabRun, open_lab, run_lab
from explorer.services.labs.times import LabTimes
from explorer.services.limits import Limits
from explorer.services.permalink import as_data
from explorer.services.replay import MAX_LANES, replay
from explorer.services.tab_store import TabStore


class Models(Protocol):
    """Where models come from."""

    def allow(self, name: str) -> None:
        """Do nothing for a model that may be asked for; refuse another."""

    def get(self, name: str) -> ModelHandle:
        """The model, loaded if need be; refuses one that is not offered here."""

    def lend(self, name: str, handle: ModelHandle) -> None:
        """Have a model that a visit made, under a name that nobody guesses."""

    def take_back(self, name: str) -> None:
        """The visit is over."""

    def lends(self, name: str) -> bool:
        """Whether a name is such a model's."""


@dataclass
class Tab:
    """What one tab has on the page.

    Attributes:
        session: whose.
        run: the latest, once its model is there.
        job: under which it goes.
        model: the name by which the model of the run was asked for.
        lent: names of the models that its runs tuned, by the ids that traces have.
        gone: the tab was closed.
        lock: held while the rest changes.
    """

    session: str
    run: LabRun | None = None
    job: Job | None = None
    model: str = ""
    lent: dict[str, str] = field(default_factory=dict)
    gone: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def end_work(self) -> None:
        """Whatever is under way ends within a token."""
        if self.job is not None:
            self.job.cancel.set()

    def end_visit(self, take_back: Callable[[str], None]) -> None:
        """The tab was closed: its work ends, and its models are wanted no more."""
        self.end_work()
        with self.lock:
            self.gone = True
            for name in self.lent.values():
                take_back(name)


class LabDesk:
    """Answers what the page asks; threads may share one.

    Args:
        models: where models come from.
        places: runs at once over all visitors.
        cache: folder in which the times that labs took are kept; None keeps none.
        limits: what a visitor may ask for.
    """

    def __init__(
        self,
        models: Models,
        places: threading.BoundedSemaphore,
        cache: Path | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._models, self._places, self._times = models, places, LabTimes(cache)
        self._tabs = TabStore(Tab, lambda tab: tab.end_visit(models.take_back))

    def answer(self, session: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question (docs/wire.md, "Labs").

        Raises:
            ExplorerError: for a question that cannot be answered.
        """
        kind = asked.get("ask")
        if not isinstance(kind, str) or kind not in _ANSWERS:
            raise InvalidParams(f"{checks.shown(kind)} is no question.", "Reload the page.")
        return _ANSWERS[kind](self, self._tabs[session], asked)

    def run_of(self, session: str) -> LabRun:
        """The latest run of a session, for saving.

        Raises:
            NotCapable: where there is none that has shown anything.
        """
        run = self._tabs[session].run
        if run is None or not (run.results or run.claims):
            raise NotCapable("There is nothing to save yet.", "Run a lab first.")
        return run

    def traces(self, session: str) -> tuple[Trace, ...]:
        """The continuations that a session's latest run shows."""
        run = self._tabs[session].run
        return () if run is None else run.traces

    def forget(self, session: str) -> None:
        """The tab was closed."""
        self._tabs.forget(session)

    def _gallery(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        model = typed(asked, "model", 1_000)
        labs = []
        for info in CATALOG.items():
            seconds, measured = self._times.of(info, model)
            labs.append(lab_json(info) | {"seconds": seconds, "measured": measured})
        work = None if tab.job is None or tab.job.done else tab.job.as_data()
        return {"labs": labs, "work": work, "running": tab.run.info.name if tab.run else None}

    def _code(self, _tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        return {"modules": method_code(CATALOG[typed(asked, "lab")])}

    def _run(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        info = CATALOG[typed(asked, "lab")]
        given = asked.get("params", {})
        if not isinstance(given, Mapping):
            raise InvalidParams(f"'params' is {checks.shown(given)}.", "Give names with values.")
        values = checked(info, given)
        name = typed(asked, "model", 1_000)
        self._models.allow(name)
        seed = whole(asked, "seed", 0, 2**53)

        def work(job: Job) -> None:
            job.report(f"Loading {name}")
            run = open_lab(info, self._models.get(name), values, seed)
            with tab.lock:
                tab.run = run
            with place(self._places, job):
                run_lab(
                    run,
                    cancel=job.cancel,
                    load=self._models.get,
                    on_update=lambda r: job.report(r.said or "begun", r.fraction),
                )
            self._lend(tab, run)
            if not run.stopped and run.params == info.params():
                self._times.keep(info, name, run.seconds)

        with tab.lock:
            if tab.job is not None and not tab.job.done:
                raise NotCapable("A lab is under way.", "Wait for it, or stop it.")
            job = self._limits.begin(tab.session, Job(info.title), work)
            tab.run, tab.model, tab.job = None, name, job
            return {**tab.job.as_data(), "done": False}

    def _job(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        job = tab.job
        if job is None or job.number != asked.get("job"):
            raise NotCapable("This run is not kept any more.", "Begin it again.")
        if asked.get("stop") and not job.done:
            job.cancel.set()
        told, run = job.as_data(), tab.run
        if job.error is not None and told["done"]:
            raise job.error
        if run is None:
            return told
        names = [*list(run.results), *list(run.claims)]
        answer = {**told, "shown": len(names)}
        # Results are told as they come and once more at the end: pictures may have grown.
        if told["done"] or asked.get("shown") != len(names):
            tuned = [{"id": i, "about": run.tuned[i].about} for i in tab.lent if i in run.tuned]
            answer["run"] = run.as_data() | {"tuned": tuned}
        return answer

    def _lend(self, tab: Tab, run: LabRun) -> None:
        """Have what a run tuned, in place of what the lab tuned before."""
        with tab.lock:
            for id, tuned in run.tuned.items():
                old = tab.lent.pop(id, None)
                if old is not None:
                    self._models.take_back(old)
                if not tab.gone:
                    tab.lent[id] = f"{id}-{secrets.token_hex(4)}"
                    self._models.lend(tab.lent[id], tuned.model)

    def _traces(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        mates = _mates(tab, typed(asked, "name"))
        return {"ndjson": replay([t for t, _ in mates], [name for _, name in mates]).ndjson}

    def _compare(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A set-up of the Compare page, from what a run shows or from a model that it tuned."""
        if "name" in asked:
            shown = [trace for trace, _ in _mates(tab, typed(asked, "name"))]
            together = [trace for trace in shown if trace.seed == shown[0].seed]
            state = of_traces(together, tab.model, tab.lent)
        else:
            name = tab.lent.get(typed(asked, "tuned"))
            if name is None or not self._models.lends(name):
                raise NotCapable("This model is not kept any more.", "Run the lab again.")
            state = of_tuned(name, tab.model, tab.run.traces if tab.run else ())
        return {"state": as_data(state), "offered": True}


def _mates(tab: Tab, name: str) -> list[tuple[Trace, str]]:
    """The continuations of a result that can stand beside each other, with their names."""
    result = tab.run.results.get(name) if tab.run else None
    if not isinstance(result, Traces) or not result.traces:
        raise NotCapable("This run shows no such continuation.", "Run the lab again.")
    first = result.traces[0]
    return [
        (trace, title)
        for trace, title in zip_longest(result.traces, result.names, fillvalue="")
        if isinstance(trace, Trace)
        and trace.prompt.ids == first.prompt.ids
        and trace.model == first.model
    ][:MAX_LANES]


_ANSWERS: dict[str, Callable[[LabDesk, Tab, Mapping[str, Any]], dict[str, Any]]] = {
    "gallery": LabDesk._gallery,
    "code": LabDesk._code,
    "run": LabDesk._run,
    "job": LabDesk._job,
    "traces": LabDesk._traces,
    "compare": LabDesk._compare,
}
