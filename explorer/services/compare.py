"""What the page asks for: one object that holds models, sessions and the catalogue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from explorer.core.errors import InvalidParams, ModelUnavailable, NotCapable
from explorer.core.handle import ModelHandle
from explorer.core.loops import LoopThresholds
from explorer.core.spare_memory import give_back
from explorer.core.trace_entries import to_entry
from explorer.core.trace_io import write_traces
from explorer.core.types import Trace
from explorer.render.export_html import export_page
from explorer.services.catalog_view import catalog_json
from explorer.services.export import to_csv
from explorer.services.generation import Run, RunOptions, second_models
from explorer.services.gpu_opening import WAITING, Opening
from explorer.services.labs.desk import LabDesk
from explorer.services.latent.desk import LatentDesk
from explorer.services.limits import Limits
from explorer.services.live import FRAME_S, Frame, LiveRun
from explorer.services.loops.desk import LoopDesk
from explorer.services.model_pool import ModelPool, ModelStatus
from explorer.services.offered import OfferedModels
from explorer.services.presets import EXAMPLES, PRESETS
from explorer.services.prompt_report import PromptReport, report_on
from explorer.services.score_desk import ScoreDesk
from explorer.services.scoring import score
from explorer.services.sessions import Sessions
from explorer.services.settings import Settings
from explorer.services.sharing import SharingDesk
from explorer.services.sweep.map_desk import MapDesk
from explorer.services.token_stages import Asked, TokenStages
from explorer.services.traces.desk import TraceDesk

DEFAULT_TOP = 10
MAX_STOP_STRINGS = 16
MIN_RUN_S = 1.0
EXPORTS = ("jsonl", "csv", "html")
API_UPDATE_S = 0.5
RUN_SLOTS = 32
"""Runs at once over all visitors: they take their steps together, so many cost little more."""
WORK_SLOTS = 8
"""Longer work at once (labs, studies, verifying, scoring): it takes forwards of its own."""


@dataclass(frozen=True, slots=True)
class CompareRequest:
    """One press of Run; the terms are those of `RunOptions`."""

    model: str
    prompt: str
    template: str
    specs: tuple[str, ...]
    max_new_tokens: int = 128
    seed: int = -1
    coupled: bool = False
    top: int = 10
    stop_on_loop: bool = False
    loop: LoopThresholds = field(default_factory=LoopThresholds)
    stop_strings: tuple[str, ...] = ()
    deadline_s: float | None = None


class Services:
    """Everything below the page.

    Args:
        settings: read once.
        pool: the models.
    """

    def __init__(self, settings: Settings, pool: ModelPool) -> None:
        self.settings = settings
        self.pool = pool
        self.default_model = settings.model
        self.on_gpu: Callable[[str, Run], Opening] = lambda _name, run: Opening(run)
        self._sessions = Sessions()
        self._token_stages = TokenStages()
        self._slots = threading.BoundedSemaphore(RUN_SLOTS)
        work = threading.BoundedSemaphore(WORK_SLOTS)
        self.models = OfferedModels(settings, pool)
        self.sharing = SharingDesk(self.models)
        self.latent = LatentDesk(self.models)
        self.limits = limits = Limits.of(settings)
        self.scores = ScoreDesk(self.models, work, limits=limits)
        self.labs = LabDesk(self.models, work, settings.cache, limits)
        self.maps = MapDesk(self.models, work, limits)
        self.traces = TraceDesk(
            self.models,
            work,
            {"compare": self.latest_traces, "labs": self.labs.traces, "maps": self.maps.traces},
            limits,
        )
        self.loops = LoopDesk(
            self.models,
            work,
            {"compare": self.latest_traces, "traces": self.traces.shown},
            limits,
        )

    def catalog_json(self) -> list[dict[str, object]]:
        """Every stage with its parameters."""
        return catalog_json()

    def presets(self) -> dict[str, list[str]]:
        """Sets of lanes by name."""
        return {name: list(specs) for name, specs in PRESETS.items()}

    def examples(self) -> list[dict[str, str | int]]:
        """Prompts that run on one click."""
        return [
            {
                "label": e.label,
                "prompt": e.prompt,
                "template": e.template,
                "preset": e.preset,
                "max_new_tokens": e.max_new_tokens,
            }
            for e in EXAMPLES
        ]

    def model_status(self, name: str) -> ModelStatus:
        """How far a model is; returns at once."""
        return self.pool.status(name)

    def start_loading(self, name: str) -> None:
        """Begin to load a model; returns at once.

        Raises:
            ModelUnavailable: for a model that is not offered here.
        """
        self.models.allow(name)
        self.pool.start_loading(name)

    def inspect_prompt(
        self, model: str, prompt: str, template: str, max_new_tokens: int
    ) -> PromptReport:
        """What the model will make of a prompt, with warnings; never loads anything."""
        try:
            self.limits.check_text("The prompt", prompt)
        except InvalidParams as error:
            return PromptReport(None, "", "", (str(error),))
        return report_on(self.pool.ready(model), prompt, template, max_new_tokens)

    def run(self, session: str, request: CompareRequest) -> Iterator[Frame]:
        """Run a request in a session's name; the run under way there goes on until this begins.

        Closing the iterator ends the run. What was made is kept for `export`.

        Raises:
            ExplorerError: for a request that cannot begin; an earlier run and its result stay.
        """
        self._check(request)
        # A tab's run takes the place of the one before it.
        with self.limits.runs.one(session, "compare"):
            yield from self._run(session, request)

    def _run(self, session: str, request: CompareRequest) -> Iterator[Frame]:
        options = RunOptions(
            max_new_tokens=request.max_new_tokens,
            seed=request.seed,
            coupled=request.coupled,
            top=request.top,
            stop_on_loop=request.stop_on_loop,
            loop=request.loop,
            stop_strings=request.stop_strings,
            deadline_s=request.deadline_s or self.settings.max_run_s,
            chat=request.template == "chat",
        )
        cancel = self._sessions.prepare(session)
        handle = yield from self._await_model(request.model, cancel)
        seconds: dict[str, ModelHandle] = {}
        for name in second_models(request.specs):
            second = (yield from self._await_model(name, cancel)) if handle else None
            handle = handle if second else None
            seconds.update({name: second} if second else {})
        if handle is None or not (yield from self._await_slot(cancel)):
            yield Frame("", None, "")
            return
        try:
            run = Run(
                handle,
                request.prompt,
                request.specs,
                options,
                cancel=cancel,
                second_models=seconds,
            )
            opening = self.on_gpu(request.model, run)
            try:
                while not cancel.is_set() and not opening.wait(FRAME_S):
                    yield Frame("", None, WAITING)
            finally:
                opening.stop_waiting()
            live = LiveRun(opening.run, opening.note)
            if not self._sessions.begin(session, cancel, live):
                yield Frame("", None, "")
                return
            try:
                yield from live.frames()
            finally:
                self._sessions.finish(session, live)
        finally:
            self._slots.release()

    def _check(self, request: CompareRequest) -> None:
        for name in (request.model, *second_models(request.specs)):
            self.models.allow(name)
        self.limits.check_text("The prompt", request.prompt)
        self.limits.check_lanes(len(request.specs))
        limit = self.limits.tokens
        if not 1 <= request.max_new_tokens <= limit:
            raise InvalidParams(
                f"{request.max_new_tokens} new tokens were asked for.", f"Ask for 1 to {limit:,}."
            )
        if not 1 <= request.top <= self.limits.top:
            raise InvalidParams(
                f"{request.top} alternatives a token were asked for.",
                f"Ask for 1 to {self.limits.top}.",
            )
        if len(request.stop_strings) > MAX_STOP_STRINGS:
            raise InvalidParams(
                f"{len(request.stop_strings)} stop strings were given.",
                f"At most {MAX_STOP_STRINGS} are watched.",
            )
        longest = self.limits.seconds
        seconds = request.deadline_s
        # NaN is in no range.
        if seconds is not None and not MIN_RUN_S <= seconds <= longest:
            raise InvalidParams(
                f"A time limit of {seconds:g} seconds was asked for.",
                f"Give {MIN_RUN_S:g} to {longest:g} seconds, or leave it empty.",
            )

    def _await_model(
        self, name: str, cancel: threading.Event
    ) -> Generator[Frame, None, ModelHandle | None]:
        """Frames that tell how far the model is, until it is there; None if cancelled."""
        self.pool.start_loading(name)
        while (handle := self.pool.ready(name)) is None:
            status = self.pool.status(name)
            if status.state == "failed":
                raise ModelUnavailable(status.error, status.hint)
            if status.state == "absent":  # it was loaded and made room for another since
                self.pool.start_loading(name)
            share = "" if status.fraction is None else f" {status.fraction:.0%}"
            yield Frame("", None, f"Loading {name}: {status.what}{share}")
            if cancel.wait(FRAME_S):
                return None
        return handle

    def _await_slot(self, cancel: threading.Event) -> Generator[Frame, None, bool]:
        """Frames until there is a place for the run, which the caller gives back; or False.

        Taken after the model is there: a model that loads for minutes holds up nobody else.
        """
        while not self._slots.acquire(timeout=FRAME_S):
            yield Frame("", None, f"Waiting for a place: {RUN_SLOTS} runs are under way")
            if cancel.is_set():
                return False
        return True

    def compare_traces(
        self, prompt: str, decoders: list[str], model: str, max_new_tokens: int, seed: int
    ) -> Iterator[list[dict[str, object]]]:
        """How many tokens each decoder has, twice a second, and at the end the traces.

        Traces hold every alternative of every token: sent again and again they would grow with
        the square of the run.
        """
        request = CompareRequest(
            model=model or self.default_model,
            prompt=prompt,
            template="raw",
            specs=tuple(decoders),
            max_new_tokens=max_new_tokens,
            seed=seed,
            top=min(DEFAULT_TOP, self.limits.top),
        )
        self._check(request)
        handle = self.pool.get(request.model)
        options = RunOptions(
            max_new_tokens=max_new_tokens,
            seed=seed,
            top=request.top,
            deadline_s=self.limits.seconds,
        )
        seconds = {name: self.pool.get(name) for name in second_models(request.specs)}
        run = Run(handle, prompt, request.specs, options, second_models=seconds)
        while not self._slots.acquire(timeout=API_UPDATE_S):
            yield _progress(run)
        try:
            opening = self.on_gpu(request.model, run)
            opening.wait()
            run = opening.run
            told = time.monotonic()
            for _ in run.columns():
                if time.monotonic() - told >= API_UPDATE_S:
                    yield _progress(run)
                    told = time.monotonic()
        finally:
            self._slots.release()
        yield [to_entry(trace) for trace in run.traces()]

    def score_trace(self, text: str, model: str) -> dict[str, object]:
        """A teacher-forced trace of given text as a JSON object."""
        self.limits.check_text("The text", text)
        name = model or self.default_model
        handle, top = self.models.get(name), min(DEFAULT_TOP, self.limits.top)
        with self._slots:
            trace = score(handle, text, top=top)
        give_back()  # a program closes no tab
        return to_entry(trace)

    def token_stages(
        self, session: str, lane: int, index: int, token_id: int, order: tuple[int, ...] = ()
    ) -> dict[str, object]:
        """What each stage of a lane did at one token of the session's latest run.

        Args:
            session: whose.
            lane: place of the lane.
            index: place of the token.
            token_id: what stands there; a search may have changed its mind since.
            order: places of the lane's stages in the order to try; () is as they ran.

        Raises:
            NotCapable: where that token is not there any more.
        """
        result = self._sessions.latest(session)
        traces = () if result is None else result.traces
        steps = traces[lane].steps if 0 <= lane < len(traces) else ()
        if result is None or not 0 <= index < len(steps) or steps[index].token_id != token_id:
            raise NotCapable("This token is not kept any more.", "Run again and pin another.")
        model = self.pool.ready(traces[lane].model.id)
        asked = Asked(traces[lane], index, order, result.max_new_tokens)
        return self._token_stages.rows(asked, model)

    def stop(self, session: str) -> None:
        """End a session's run within a token; everything made stays."""
        self._sessions.stop(session)

    def forget(self, session: str) -> None:
        """The tab was closed."""
        self._sessions.forget(session)
        self.latent.forget(session)
        self.scores.forget(session)
        self.traces.forget(session)
        self.loops.forget(session)
        self.labs.forget(session)
        self.maps.forget(session)
        give_back()

    def latest_traces(self, session: str) -> tuple[Trace, ...]:
        """What a session's latest run has made so far."""
        result = self._sessions.latest(session)
        return () if result is None else tuple(result.traces)

    def folder(self, session: str) -> Path:
        """A folder for what a session saves; it goes with the session."""
        return self._sessions.folder(session)

    def export(self, session: str, kind: str) -> Path:
        """A file of the session's latest run.

        Args:
            session: whose.
            kind: "jsonl", "csv" or "html".

        Raises:
            NotCapable: where there is no run yet.
        """
        if kind not in EXPORTS:
            raise InvalidParams(f"'{kind}' is no export format.", "Use jsonl, csv or html.")
        result = self._sessions.latest(session)
        if result is None or not any(trace.steps for trace in result.traces):
            raise NotCapable("There is nothing to save yet.", "Run a prompt first.")
        stamp = time.strftime("%Y%m%d-%H%M%S")
        path = self._sessions.folder(session) / f"explorer-{stamp}.{kind}"
        if kind == "jsonl":
            write_traces(path, result.traces)
        elif kind == "csv":
            path.write_text(to_csv(result.traces), encoding="utf-8")
        else:
            path.write_text(export_page(result.ndjson), encoding="utf-8")
        return path


def _progress(run: Run) -> list[dict[str, object]]:
    """How far each lane is, in a few bytes."""
    lanes = zip(run.chains, run.recorder.lanes, strict=True)
    return [
        {"decoder": chain.canonical, "tokens_so_far": len(record.steps)} for chain, record in lanes
    ]
