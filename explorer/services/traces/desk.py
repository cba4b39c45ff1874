"""The Traces page's questions: open, show, fork, name, prune, undo, verify, where lanes part."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from explorer.core.errors import (
    ExplorerError,
    InvalidParams,
    ModelUnavailable,
    NotCapable,
    TraceFormatError,
)
from explorer.core.handle import ModelHandle
from explorer.core.trace_io import read_traces
from explorer.core.trace_limits import UPLOAD
from explorer.core.types import Trace
from explorer.decoders.spec import parse
from explorer.services import checks
from explorer.services.asked import typed
from explorer.services.branches import Tree, regrown
from explorer.services.divergence import parting
from explorer.services.forks import ForkOptions, Way, fork_runs
from explorer.services.generation import second_models
from explorer.services.jobs import Job, place
from explorer.services.limits import Limits
from explorer.services.prefix_cache import PrefixCache
from explorer.services.replay import MAX_LANES
from explorer.services.tab_store import TabStore
from explorer.services.token_stages import Asked, TokenStages
from explorer.services.traces.tabs import Tab, check_room, lines_of, of_one_run, run_of
from explorer.services.verify.files import verify_traces

MOST_TRACES = 200
MOST_TOKENS = 200_000
MOST_FORK_TOKENS = 2_048
MOST_TYPED = 20_000


class Models(Protocol):
    """Where a trace's model comes from."""

    def names(self) -> list[str]:
        """Models that are offered."""

    def get(self, name: str) -> ModelHandle:
        """The model, loaded if need be; refuses one that is not offered here."""

    def ready(self, name: str) -> ModelHandle | None:
        """The model where it is in memory."""


class TraceDesk:
    """Answers what the page asks; threads may share one.

    Args:
        models: where a trace's model comes from.
        places: runs at once over all visitors.
        sources: the traces of a session's latest run on another page, by its name; "compare" is
            the usual one.
        limits: what a visitor may ask for.
    """

    def __init__(
        self,
        models: Models,
        places: threading.BoundedSemaphore,
        sources: Mapping[str, Callable[[str], Sequence[Trace]]],
        limits: Limits | None = None,
    ) -> None:
        self._limits = limits or Limits()
        self._models, self._places, self._sources = models, places, dict(sources)
        self._tabs = TabStore(Tab, Tab.end_work)
        self._stages = TokenStages()
        self._prefixes = PrefixCache()

    def answer(self, session: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question; its `ask` says which (docs/wire.md, "traces").

        Raises:
            ExplorerError: for a question that cannot be answered.
        """
        tab = self._tabs[session]
        kind = asked.get("ask")
        if not isinstance(kind, str) or kind not in _ANSWERS:
            raise InvalidParams(f"{checks.shown(kind)} is no question.", "Reload the page.")
        return _ANSWERS[kind](self, tab, asked)

    def open_file(self, session: str, path: Path) -> None:
        """Put the traces of a file on the page, in place of what was there; undo brings it back.

        Raises:
            TraceFormatError: naming the line that is no trace; whole traces before it are shown.
            InvalidParams: for a file with more traces or tokens than a page can hold.
        """
        found: list[Trace] = []
        fault: ExplorerError | None = None
        tokens = 0
        try:
            for trace in read_traces(path, replace(UPLOAD, file_bytes=self._limits.upload_bytes)):
                tokens += len(trace.steps)
                if len(found) == MOST_TRACES or tokens > MOST_TOKENS:
                    fault = InvalidParams(
                        f"This file has more than {MOST_TRACES} traces or {MOST_TOKENS:,} tokens:"
                        f" the first {len(found)} traces are shown.",
                        "Read all of it from Python, or verify it on the command line.",
                    )
                    break
                found.append(trace)
        except ExplorerError as error:
            fault = error
        if found:
            self.put(session, found, path.name)
        if fault is not None:
            raise fault
        if not found:
            raise InvalidParams("This file holds no trace.", "Save one from the Compare page.")

    def put(self, session: str, traces: Sequence[Trace], name: str) -> None:
        """Put traces on the page, in place of what was there, as the tree they were saved from.

        Raises:
            TraceFormatError: where they are no tree; then they stand side by side.
        """
        tab = self._tabs[session]
        fault: ExplorerError | None = None
        with tab.lock:
            try:
                tree = regrown(traces, tab.tree.made)
            except TraceFormatError as error:
                fault = error
                plain = [replace(trace, branch=None) for trace in traces]
                tree = Tree(made=tab.tree.made).with_roots(plain)
            tab.do(tree)
            tab.name, tab.findings = name, {}
            tab.shown = of_one_run(tab.tree, tab.tree.branches[0].id)
        if fault is not None:
            raise fault

    def traces(self, session: str) -> tuple[Trace, ...]:
        """All branches of a tab with their places in the tree, for saving.

        Raises:
            NotCapable: where there is none.
        """
        tree = self._tabs[session].tree
        if not tree.branches:
            raise NotCapable("There is nothing to save yet.", "Open a file, or take a run.")
        return tree.traces()

    def shown(self, session: str) -> tuple[Trace, ...]:
        """The traces beside each other on the page."""
        tab = self._tabs[session]
        with tab.lock:
            return tuple(tab.tree[i].trace for i in tab.shown)

    def shown_lines(self, session: str) -> str:
        """The wire's lines of what is shown, for an exported page.

        Raises:
            NotCapable: where nothing is shown.
        """
        tab = self._tabs[session]
        if not tab.shown:
            raise NotCapable("There is nothing to save yet.", "Open a file, or take a run.")
        return lines_of([tab.tree[i] for i in tab.shown])

    def forget(self, session: str) -> None:
        """The tab was closed."""
        self._tabs.forget(session)

    def _model(self, name: str) -> ModelHandle:
        """A model that a trace or a typed method names; a file is a stranger's, and so are names.

        Raises:
            ModelUnavailable: for one that is neither offered nor loaded: it may be any path or
                any size.
        """
        model = self._models.ready(name)
        if model is not None:
            return model
        if name not in self._models.names():
            raise ModelUnavailable(
                f"The model {name} is not loaded for a file.",
                "If you trust it, choose it in the header, and try again once it is loaded.",
            )
        return self._models.get(name)

    # What may be asked.

    def _state(self, tab: Tab, _asked: Mapping[str, Any]) -> dict[str, Any]:
        with tab.lock:
            shown = [tab.tree[i] for i in tab.shown]
            return {
                "name": tab.name,
                "branches": [
                    {**row, "finding": tab.findings.get(str(row["id"])), "run": run_of(b.trace)}
                    for row, b in zip(tab.tree.outline(), tab.tree.branches, strict=True)
                ],
                "shown": list(tab.shown),
                "can_undo": tab.history.can_undo,
                "can_redo": tab.history.can_redo,
                "ndjson": lines_of(shown),
                "work": tab.work(),
            }

    def _take(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        where = typed(asked, "where") or "compare"
        source = self._sources.get(where)
        traces = [trace for trace in source(tab.session) if trace.steps] if source else []
        if not traces:
            raise NotCapable("There is no run to take yet.", "Run a prompt on the Compare page.")
        self.put(tab.session, traces[:MOST_TRACES], "the latest run")
        return self._state(tab, asked)

    def _show(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        wanted = asked.get("branches")
        if not isinstance(wanted, list) or not all(isinstance(i, str) for i in wanted):
            raise InvalidParams(f"'branches' is {checks.shown(wanted)}.", "Name branches.")
        if len(wanted) > MAX_LANES:
            raise InvalidParams(
                f"{len(wanted)} lanes do not fit beside each other.", f"Show at most {MAX_LANES}."
            )
        with tab.lock:
            chosen = [tab.tree[i] for i in dict.fromkeys(wanted)]
            if len({run_of(b.trace) for b in chosen}) > 1:
                raise InvalidParams(
                    "These lanes follow different prompts or models.", "Show lanes of one run."
                )
            tab.shown = tuple(b.id for b in chosen)
        return self._state(tab, asked)

    def _run(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        with tab.lock:
            tab.shown = of_one_run(tab.tree, typed(asked, "branch"))
        return self._state(tab, asked)

    def _edit(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        kind = asked["ask"]
        with tab.lock:
            if kind == "rename":
                tab.do(
                    tab.tree.renamed(
                        typed(asked, "branch"),
                        typed(asked, "text", MOST_TYPED),
                    )
                )
            elif kind == "annotate":
                tab.do(
                    tab.tree.annotated(
                        typed(asked, "branch"),
                        typed(asked, "text", MOST_TYPED),
                    )
                )
            elif kind == "prune":
                tab.do(tab.tree.pruned(typed(asked, "branch")))
            elif kind == "undo":
                tab.history.undo()
            else:
                tab.history.redo()
            here = {b.id for b in tab.tree.branches}
            tab.shown = tuple(i for i in tab.shown if i in here)
            if not tab.shown and tab.tree.branches:
                tab.shown = of_one_run(tab.tree, tab.tree.branches[0].id)
        return self._state(tab, asked)

    def _fork(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        branch = tab.tree[typed(asked, "branch")]
        at = checks.whole("at", asked.get("at"), 0, len(branch.trace.steps))
        limits = self._limits
        count = checks.whole("count", asked.get("count", 1), 1, min(MAX_LANES, limits.lanes))
        most = min(MOST_FORK_TOKENS, limits.tokens)
        tokens = checks.whole("tokens", asked.get("tokens", 64), 1, most)
        token = asked.get("token")
        forced = () if token is None else (checks.whole("token", token, 0),)
        way = Way(
            forced,
            typed(asked, "text", min(MOST_TYPED, limits.characters)),
            typed(asked, "decoder", MOST_TYPED),
            count,
        )
        spec = way.decoder or branch.trace.decoder
        if way.decoder:
            parse(spec)
        check_room(tab.tree, count * (at + tokens))

        def work(job: Job) -> None:
            job.report(f"Loading {branch.trace.model.id}")
            model = self._prefixes.wrap(self._model(branch.trace.model.id))
            known = tuple(b.trace for b in tab.tree.branches)
            seconds = {name: self._model(name) for name in second_models([spec])}
            options = ForkOptions(tokens, known, job.cancel, seconds, limits.top)
            made: list[Trace] = []
            with place(self._places, job):
                for run in fork_runs(model, branch.trace, at, [way], options):
                    for column in run.columns():
                        job.report(f"token {column.index + 1 - at} of {tokens} at most")
                    made += run.traces()
            with tab.lock:
                before = {b.id for b in tab.tree.branches}
                tab.do(tab.tree.with_forks(branch.id, at, made))
                new = [b.id for b in tab.tree.branches if b.id not in before]
                beside = [i for i in tab.shown if i != branch.id]
                room = MAX_LANES - 1 - len(new)
                tab.shown = (branch.id, *new, *beside[: max(0, room)])[:MAX_LANES]

        return self._begin(tab, "Writing", work)

    def _verify(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        branches = tab.tree.branches
        if not branches:
            raise NotCapable("There is nothing to verify yet.", "Open a file, or take a run.")

        def work(job: Job) -> None:
            done = 0
            by_model: dict[str, list[Any]] = {}
            for branch in branches:
                by_model.setdefault(branch.trace.model.id, []).append(branch)
            for name, group in by_model.items():
                job.report(f"Loading {name}", done / len(branches))
                model = self._model(name)
                with place(self._places, job):
                    checked = verify_traces([b.trace for b in group], model, load=self._model)
                    for branch, found in zip(group, checked, strict=True):
                        done += 1
                        tab.findings[branch.id] = found.as_data()
                        job.report(f"{done} of {len(branches)} lanes", done / len(branches))
                        if job.cancel.is_set():
                            return

        return self._begin(tab, "Verifying", work)

    def _begin(self, tab: Tab, what: str, work: Callable[[Job], None]) -> dict[str, Any]:
        with tab.lock:
            if tab.job is not None and not tab.job.done:
                raise NotCapable(f"{tab.job.what} is under way.", "Wait for it, or stop it.")
            tab.job = self._limits.begin(tab.session, Job(what), work)
            # It may have ended already: its end is told by the question after it, with all it made.
            return {**tab.job.as_data(), "done": False}

    def _job(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        job = tab.job
        if job is None or job.number != asked.get("job"):
            raise NotCapable("This work is not kept any more.", "Begin it again.")
        if asked.get("stop") and not job.done:
            job.cancel.set()
        if not job.done:
            return {**job.as_data(), "done": False}
        if job.error is not None:
            raise job.error
        return {**job.as_data(), **self._state(tab, asked)}

    def _part(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        a, b = (
            tab.tree[typed(asked, "one")].trace,
            tab.tree[typed(asked, "other")].trace,
        )
        model = self._models.ready(a.model.id)
        if model is not None and {a.model.digest, b.model.digest} != {model.info.digest}:
            model = None
        found = parting(a, b, model)
        return {"parting": None if found is None else found.as_data({**a.pieces, **b.pieces})}

    def _stages_of(self, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
        trace = tab.tree[typed(asked, "branch")].trace
        index = checks.whole("index", asked.get("index"), 0, len(trace.steps) - 1)
        order = asked.get("order")
        if not isinstance(order, list):
            raise InvalidParams(f"'order' is {checks.shown(order)}.", "Give a list.")
        places = tuple(checks.whole("order", place, 0) for place in order)
        model = self._models.ready(trace.model.id)
        if model is not None and model.info.digest != trace.model.digest:
            model = None
        most = trace.terms.max_new_tokens if trace.terms else len(trace.steps)
        return dict(self._stages.rows(Asked(trace, index, places, most), model))


_ANSWERS: dict[str, Callable[[TraceDesk, Tab, Mapping[str, Any]], dict[str, Any]]] = {
    "state": TraceDesk._state,
    "take": TraceDesk._take,
    "show": TraceDesk._show,
    "run": TraceDesk._run,
    "rename": TraceDesk._edit,
    "annotate": TraceDesk._edit,
    "prune": TraceDesk._edit,
    "undo": TraceDesk._edit,
    "redo": TraceDesk._edit,
    "fork": TraceDesk._fork,
    "verify": TraceDesk._verify,
    "job": TraceDesk._job,
    "part": TraceDesk._part,
    "stages": TraceDesk._stages_of,
}
