"""The Loops page's questions: a run, one of its lanes, and what the sections ask of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.handle import ModelHandle
from explorer.core.loops import LoopThresholds
from explorer.core.types import Trace
from explorer.services import checks
from explorer.services.asked import typed, whole
from explorer.services.generation import MAX_LANES, Run, RunOptions, read_specs, second_models
from explorer.services.jobs import Job, place
from explorer.services.limits import Limits
from explorer.services.live import LiveRun
from explorer.services.loops import (
    anatomy_answers,
    escape_answers,
    experiment_answers,
    graph_answers,
)
from explorer.services.loops.tabs import News, Tab
from explorer.services.replay import replay
from explorer.services.tab_store import TabStore

MOST_SPECS = 20_000
TOP = 10
MOST_TOKENS = 20_000
"""Of the lanes of one run, all together: what a browser draws without a pause."""


class Models(Protocol):
    """Where models come from."""

    def allow(self, name: str) -> None:
        """Do nothing for a model that may be asked for; refuse another."""

    def get(self, name: str) -> ModelHandle:
        """The model, loaded if need be; refuses one that is not offered here."""

    def ready(self, name: str) -> ModelHandle | None:
        """The model where it is in memory."""


class LoopDesk:
    """Answers what the page asks; threads may share one.

    Args:
        models: where models come from.
        places: runs at once over all visitors.
        sources: runs that were made elsewhere, of a session, by where: "compare", "traces".
        limits: what a visitor may ask for.
    """

    def __init__(
        self,
        models: Models,
        places: threading.BoundedSemaphore,
        sources: Mapping[str, Callable[[str], Sequence[Trace]]],
        limits: Limits | None = None,
    ) -> None:
        self.models, self.limits = models, limits or Limits()
        self._places, self._sources = places, dict(sources)
        self.tabs = TabStore(Tab, Tab.end_work)

    def answer(self, session: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question; its `ask` says which (docs/wire.md, "Loops").

        Raises:
            ExplorerError: for a question that cannot be answered.
        """
        kind = asked.get("ask")
        if not isinstance(kind, str) or kind not in _ANSWERS:
            raise InvalidParams(f"{checks.shown(kind)} is no question.", "Reload the page.")
        return _ANSWERS[kind](self, self.tabs[session], asked)

    def forget(self, session: str) -> None:
        """The tab was closed."""
        self.tabs.forget(session)

    # For the sections.

    def model_of(self, trace: Trace) -> ModelHandle:
        """The model that made a trace, in memory.

        Raises:
            NotCapable: where it is not, or another stands under its name.
        """
        model = self.models.ready(trace.model.id)
        if model is None:
            raise NotCapable(
                f"The model {trace.model.id} is not loaded.",
                "Choose it in the header, and try again once it is there.",
            )
        if model.info.digest != trace.model.digest:
            raise NotCapable(
                f"{trace.model.id} has other weights than those that made this trace.",
                "Run its prompt again.",
            )
        return model

    def place(self, job: Job) -> AbstractContextManager[None]:
        """One of the places for runs, waited for.

        Raises:
            NotCapable: where the job is stopped before there is one.
        """
        return place(self._places, job)

    def begin(
        self, tab: Tab, what: str, work: Callable[[Job], None], news: News | None = None
    ) -> dict[str, Any]:
        """Start work and answer with its number; "job" asks after it."""
        # It may have ended already: its end is told by the question after it, with all it made.
        return {**tab.begin(what, work, self.limits, news).as_data(), "done": False}

    # What may be asked.

    def _state(self, tab: Tab, _asked: Mapping[str, Any]) -> dict[str, Any]:
        with tab.lock:
            return {
                "name": tab.name,
                "lanes": [_lane(trace) for trace in tab.traces],
                "lane": tab.lane,
                "ndjson": tab.lines,
                "model": tab.traces[0].model.id if tab.traces else "",
                "prompt": tab.traces[0].prompt.text if tab.traces else "",
                "work": tab.work(),
            }

    def _take(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        where = typed(asked, "where")
        if where not in self._sources:
            raise InvalidParams(
                f"{checks.shown(where)} is no place to take a run from.",
                f"Use one of: {', '.join(self._sources)}.",
            )
        traces = [trace for trace in self._sources[where](tab.session) if trace.steps]
        if not traces:
            raise NotCapable(
                f"There is no run on the {where.capitalize()} page.", "Make one there first."
            )
        self.put(tab, traces, f"from {where.capitalize()}")
        return self._state(tab, asked)

    def put(self, tab: Tab, traces: Sequence[Trace], name: str) -> None:
        """Show the lanes of a run that was made.

        Raises:
            NotCapable: for more tokens than a page can show.
        """
        first = traces[0]
        run = [t for t in traces if t.model == first.model and t.prompt.ids == first.prompt.ids]
        run = run[:MAX_LANES]
        tokens = sum(len(trace.steps) for trace in run)
        if tokens > MOST_TOKENS:
            raise NotCapable(
                f"These lanes have {tokens:,} tokens.",
                f"At most {MOST_TOKENS:,} are taken apart here: show fewer lanes there.",
            )
        tab.put(run, name, replay(run).ndjson)

    def _choose(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        with tab.lock:
            tab.lane = whole(asked, "lane", 0, max(0, len(tab.traces) - 1))
            tab.kept = {}
        return self._state(tab, asked)

    def _run(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        prompt = typed(asked, "prompt", self.limits.characters)
        name = typed(asked, "model", 1_000)
        specs = asked.get("decoders")
        if not isinstance(specs, list) or not all(isinstance(s, str) for s in specs):
            raise InvalidParams(f"'decoders' is {checks.shown(specs)}.", "Give a list of specs.")
        chains = [c.canonical for c in read_specs([s for s in specs if s.strip()])]
        self.limits.check_lanes(len(chains))
        options = RunOptions(
            max_new_tokens=whole(asked, "tokens", 1, self.limits.tokens),
            seed=whole(asked, "seed", -1, 2**63 - 1) if "seed" in asked else 0,
            top=min(TOP, self.limits.top),
            stop_on_loop=bool(asked.get("stop_on_loop")),
            loop=thresholds(asked.get("loop")),
            deadline_s=self.limits.seconds,
        )
        for model in (name, *second_models(chains)):
            self.models.allow(model)
        parts: list[str] = []

        def work(job: Job) -> None:
            job.report(f"Loading {name}")
            model = self.models.get(name)
            seconds = {other: self.models.get(other) for other in second_models(chains)}
            with self.place(job):
                run = Run(model, prompt, chains, options, cancel=job.cancel, second_models=seconds)
                live = LiveRun(run)
                for frame in live.frames():
                    parts[:] = [frame.ndjson]
                    job.report(frame.state)
                made = live.result()
            tab.put(made.traces, "this page's run", made.ndjson)

        def news(question: Mapping[str, Any]) -> dict[str, Any]:
            lines = parts[0] if parts else ""
            since = question.get("from", 0)
            at = since if isinstance(since, int) and 0 <= since <= len(lines) else 0
            return {"lines": lines[at:], "from": at}

        return self.begin(tab, "Running", work, news)

    def _job(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        job, news = tab.job, tab.news
        if job is None or job.number != asked.get("job"):
            raise NotCapable("This work is not kept any more.", "Begin it again.")
        if asked.get("stop") and not job.done:
            job.cancel.set()
        # Read before the news: what is made between the two is told next time.
        told = job.as_data()
        if job.error is not None and told["done"]:
            raise job.error
        return told | dict(news(asked) if news is not None else {})


def thresholds(asked: Any) -> LoopThresholds:
    """What counts as a loop, as a question has it: {max_period, min_copies, min_tokens}, or null.

    Raises:
        InvalidParams: for numbers that cannot be used.
    """
    if asked is None:
        return LoopThresholds()
    if not isinstance(asked, Mapping):
        raise InvalidParams(f"'loop' is {checks.shown(asked)}.", "Give its three numbers.")
    return checks.loop_thresholds(
        asked.get("max_period"), asked.get("min_copies"), asked.get("min_tokens")
    )


def _lane(trace: Trace) -> dict[str, Any]:
    return {
        "decoder": trace.decoder,
        "tokens": len(trace.steps),
        "stop_reason": str(trace.stop_reason),
        "loops": [[loop.onset, loop.period, loop.copies] for loop in trace.loops],
    }


_ANSWERS: dict[str, Callable[[LoopDesk, Tab, Mapping[str, Any]], dict[str, Any]]] = {
    "state": LoopDesk._state,
    "take": LoopDesk._take,
    "choose": LoopDesk._choose,
    "run": LoopDesk._run,
    "job": LoopDesk._job,
    **anatomy_answers.ANSWERS,
    **experiment_answers.ANSWERS,
    **graph_answers.ANSWERS,
    **escape_answers.ANSWERS,
}
