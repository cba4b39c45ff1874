"""The Maps page's questions: one small sweep a visitor, its maps as they fill, a place's traces."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.handle import ModelHandle
from explorer.core.results import Heatmap, as_data
from explorer.core.types import Trace
from explorer.decoders.spec import format_value
from explorer.services import checks
from explorer.services.asked import typed
from explorer.services.jobs import Job, place
from explorer.services.limits import Limits
from explorer.services.sweep.cells import batches, count_cells, terms_of
from explorer.services.sweep.map_plan import MAUVE, MapPlan, form_data, map_plan
from explorer.services.sweep.pictures import pictures
from explorer.services.sweep.summary import Summary, summarize
from explorer.services.sweep.working import Worker, row_of
from explorer.services.tab_store import TabStore


class Models(Protocol):
    """Where models come from."""

    def allow(self, name: str) -> None:
        """Do nothing for a model that may be asked for; refuse another."""

    def get(self, name: str) -> ModelHandle:
        """The model, loaded if need be; refuses one that is not offered here."""


@dataclass
class Tab:
    """What one tab has on the page.

    Attributes:
        session: whose.
        plan: of the latest map.
        rows: one a finished run, as `row_of` gives them.
        traces: by decoder.
        chosen: the decoder of the place that was clicked last.
        job: the latest work.
        lock: held while the rest changes.
    """

    session: str
    plan: MapPlan | None = None
    rows: list[dict[str, Any]] = field(default_factory=list)
    traces: dict[str, list[Trace]] = field(default_factory=dict)
    chosen: str = ""
    job: Job | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def end_work(self) -> None:
        """Whatever is under way ends within a token."""
        if self.job is not None:
            self.job.cancel.set()


class MapDesk:
    """Answers what the page asks; threads may share one.

    Args:
        models: where models come from.
        places: runs at once over all visitors.
        limits: what a visitor may ask for.
    """

    def __init__(
        self, models: Models, places: threading.BoundedSemaphore, limits: Limits | None = None
    ) -> None:
        self._models, self._places, self._limits = models, places, limits or Limits()
        self._tabs = TabStore(Tab, Tab.end_work)

    def answer(self, session: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question (docs/wire.md, "Maps").

        Raises:
            ExplorerError: for a question that cannot be answered.
        """
        kind = asked.get("ask")
        if not isinstance(kind, str) or kind not in _ANSWERS:
            raise InvalidParams(f"{checks.shown(kind)} is no question.", "Reload the page.")
        return _ANSWERS[kind](self, self._tabs[session], asked)

    def traces(self, session: str) -> tuple[Trace, ...]:
        """The continuations of the place that was clicked last."""
        tab = self._tabs[session]
        with tab.lock:
            return tuple(tab.traces.get(tab.chosen, ()))

    def forget(self, session: str) -> None:
        """The tab was closed."""
        self._tabs.forget(session)

    def _form(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        work = None if tab.job is None or tab.job.done else tab.job.as_data()
        return form_data(self._limits) | {"work": work}

    def _run(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        made = map_plan(asked, self._limits)
        name = made.plan.models[0]
        self._models.allow(name)

        def work(job: Job) -> None:
            job.report(f"Loading {name}")
            model = self._models.get(name)
            with place(self._places, job):
                _fill(tab, made, model, job)

        with tab.lock:
            if tab.job is not None and not tab.job.done:
                raise NotCapable("A map is being made.", "Wait for it, or stop it.")
            job = self._limits.begin(tab.session, Job("Map"), work)
            tab.plan, tab.rows, tab.traces, tab.chosen, tab.job = made, [], {}, "", job
            return {**job.as_data(), "done": False}

    def _job(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        job = tab.job
        if job is None or job.number != asked.get("job") or tab.plan is None:
            raise NotCapable("This map is not kept any more.", "Make it again.")
        if asked.get("stop") and not job.done:
            job.cancel.set()
        told = job.as_data()
        if job.error is not None and told["done"]:
            raise job.error
        with tab.lock:
            rows = list(tab.rows)
        answer = {**told, "shown": len(rows)}
        if told["done"] or asked.get("shown") != len(rows):
            answer["map"] = _shown(tab.plan, summarize(tab.plan.plan, rows))
        return answer

    def _choose(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A place of the map was clicked: its traces are those that the Traces page takes."""
        column, row = typed(asked, "column", 100), typed(asked, "row", 100)
        with tab.lock:
            made = tab.plan
            groups = () if made is None else summarize(made.plan, tab.rows).groups
            found = [
                group.decoder
                for group in groups
                if made is not None
                and format_value(group.params[made.x]) == column
                and format_value(group.params[made.y]) == row
            ]
            if not found or not tab.traces.get(found[0]):
                raise NotCapable("This place has no traces.", "Make the map again.")
            tab.chosen = found[0]
            return {"decoder": tab.chosen, "traces": len(tab.traces[tab.chosen])}


def _fill(tab: Tab, made: MapPlan, model: ModelHandle, job: Job) -> None:
    """Run every cell; a place of the map fills as its runs end."""
    plan = made.plan
    total = count_cells(plan, len(made.prompts))
    worker = Worker(cancel=job.cancel)
    for batch in batches(plan, made.prompts, {plan.models[0]: model.info.digest}):
        for cell, result in worker.cells(model, batch, terms_of(plan)):
            if isinstance(result, str) and job.cancel.is_set():
                return  # cut short; what a stopped map had whole by then is kept
            with tab.lock:
                tab.rows.append(row_of(model, batch, cell, result))
                if not isinstance(result, str):
                    tab.traces.setdefault(cell.decoder, []).append(result)
                done = len(tab.rows)
            job.report(f"{done:,} of {total:,} runs", done / total)


def _shown(made: MapPlan, summary: Summary) -> dict[str, Any]:
    maps = [as_data(p.result) for p in pictures(summary) if isinstance(p.result, Heatmap)]
    most = max((group.runs for group in summary.groups), default=0)
    errors = [{"reason": reason, "runs": n} for reason, n in summary.errors.items()]
    return {"maps": maps, "mauve": MAUVE.format(most=most), "errors": errors}


_ANSWERS: dict[str, Callable[[MapDesk, Tab, Mapping[str, Any]], dict[str, Any]]] = {
    "form": MapDesk._form,
    "run": MapDesk._run,
    "job": MapDesk._job,
    "choose": MapDesk._choose,
}
