"""A run in a thread of its own, read by the page at the page's pace.

The thread decodes and writes wire lines; the reader wakes ten times a second and takes what is
there. So a slow browser never slows the model, and closing the reader stops the model.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from explorer.core.errors import ExplorerError
from explorer.core.recorder import tokens_per_s
from explorer.core.types import Trace
from explorer.render import wire
from explorer.render.figures import LaneSeries
from explorer.render.palette import format_count
from explorer.services.generation import Run
from explorer.services.leaving import start_cancellable
from explorer.services.wire_run import WireRun, closed_lines

log = logging.getLogger("explorer")

FRAME_S = 0.1
"""Seconds between two frames: at most ten updates a second."""
READING = "Reading the prompt"
WIRE_BYTES_A_SECOND = 1_000_000
"""A search that changes its mind rewrites its row: past this rate the page sees it less often."""
PLOT_S = 1.0
"""Least seconds between two redraws of the plot and the metrics."""
PLOT_TOKENS_A_SECOND = 1_500
"""A browser redraws a long plot slowly: for every so many tokens it waits a second more."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the page shows next.

    Attributes:
        ndjson: all wire lines so far.
        series: per lane, the curves of the plot; None where it need not be redrawn.
        state: one line of status.
    """

    ndjson: str
    series: tuple[LaneSeries, ...] | None
    state: str


@dataclass(frozen=True, slots=True)
class Result:
    """What a run has made, for saving; it holds no model.

    Attributes:
        traces: one a lane.
        ndjson: the lines of a page that shows them, closed (docs/wire.md).
        max_new_tokens: how many each lane might have had.
    """

    traces: tuple[Trace, ...]
    ndjson: str
    max_new_tokens: int = 0


class LiveRun:
    """Runs a `Run` in a thread and turns it into frames.

    Args:
        run: a run that has not begun.
        remark: stands in every frame's state; "" for none.
    """

    def __init__(self, run: Run, remark: str = "") -> None:
        self.run, self._remark = run, remark
        self.text = ""
        self._wire = WireRun(run)
        self._header = self._wire.header()
        self._chunks: list[str] = []
        self._errors = ""
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._tokens = 0
        self._first_tokens = 0
        self._first_s = 0.0
        self._latest_s = 0.0
        self._note = READING
        self._percent_read = -1
        self._started = time.perf_counter()

    def frames(self) -> Iterator[Frame]:
        """Frames until the run ends, at most ten a second; the last holds everything.

        Closing the iterator cancels the run.
        """
        self._push(self._header)
        thread = threading.Thread(target=self._work, name="explorer-run", daemon=True)
        start_cancellable(thread, self.run.cancel)
        plotted = time.perf_counter()
        try:
            yield self._frame(plot=True)
            while not self._finished.wait(FRAME_S):
                now = time.perf_counter()
                plot = now - plotted >= PLOT_S + self._tokens / PLOT_TOKENS_A_SECOND
                if plot:
                    plotted = now
                yield self._frame(plot=plot)
            yield self._frame(plot=True)
        finally:
            self.run.cancel.set()
            thread.join()
            self._drain()

    def _frame(self, *, plot: bool) -> Frame:
        self._drain()
        return Frame(self.text, self.series() if plot else None, self._state())

    def _drain(self) -> None:
        with self._lock:
            chunks, self._chunks = self._chunks, []
            self.text += "".join(chunks)

    def _push(self, lines: str) -> None:
        if lines:
            with self._lock:
                self._chunks.append(lines)

    def _state(self) -> str:
        elapsed = time.perf_counter() - self._started
        if self._tokens == 0:
            return self._with_remark([self._note, f"{elapsed:.1f} s"])
        words = [format_count(self._tokens, "token")]
        # The sum of the lanes' speeds: each counts from its own first token.
        after = self._tokens - self._first_tokens + 1
        rate = tokens_per_s(after, self._latest_s, self._first_s)
        if rate is not None:
            words.append(f"{rate:.0f} tokens/s over all lanes")
        return self._with_remark([*words, f"{elapsed:.1f} s"])

    def _with_remark(self, words: list[str]) -> str:
        return " · ".join([*words, *filter(None, [self._remark])])

    def result(self) -> Result:
        """What was made so far, whole at any moment and whatever thread asks."""
        elapsed = time.perf_counter() - self._started
        over = self._finished.is_set()
        traces = self.run.traces()
        if over and not self._wire.rewrote:
            self._drain()
            return Result(traces, self.text, self.run.options.max_new_tokens)
        closing = self._errors + wire.done_line(self.run.options.seed, elapsed)
        lines = closed_lines(self.run, self._header, traces, closing)
        return Result(traces, lines, self.run.options.max_new_tokens)

    def series(self) -> tuple[LaneSeries, ...]:
        """Entropy and surprisal of every lane so far, nats."""
        lanes = []
        for chain, record in zip(self.run.chains, self.run.recorder.lanes, strict=True):
            steps = list(record.steps)
            lanes.append(
                LaneSeries(
                    title=chain.title,
                    entropy=tuple(step.entropy for step in steps),
                    surprisal=tuple(step.surprisal for step in steps),
                    pieces=(),
                )
            )
        return tuple(lanes)

    def _work(self) -> None:
        """The thread: decode, write lines and, whatever happens, end every lane."""
        self.run.on_prefill = self._prefilled
        try:
            with self._told():
                self._decode()
            with self._told():
                self._push(self._wire.last(time.perf_counter() - self._started))
        finally:
            self._finished.set()  # or the reader would wait for ever

    def _decode(self) -> None:
        measured = next_news = 0.0
        for column in self.run.columns():
            self._tokens += len({step.lane for step in column.steps})
            self._latest_s = column.elapsed_s
            if not self._first_tokens:
                self._first_tokens, self._first_s = self._tokens, column.elapsed_s
            now = time.perf_counter()
            if now < next_news:
                continue  # the page looks ten times a second: a search may change its mind between
            due = now - measured >= PLOT_S
            lines = self._wire.news(metrics=due)
            self._push(lines)
            next_news = now + max(FRAME_S, len(lines) / WIRE_BYTES_A_SECOND)
            measured = now if due else measured

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A failure becomes a line of the page; one of ours as it is, another under a number."""
        try:
            yield
        except ExplorerError as error:
            self._fail(wire.error_line(error.message, error.hint))
        except Exception:
            incident = uuid.uuid4().hex[:8]
            log.exception("run failed (incident %s)", incident)
            self._fail(
                wire.error_line(
                    f"The run failed unexpectedly (incident {incident}).",
                    "What was made so far is kept; the server's log has the details.",
                )
            )

    def _fail(self, line: str) -> None:
        self._errors += line
        self._push(line)

    def _prefilled(self, done: int, total: int) -> None:
        percent = 100 * done // total
        # A short prompt is read before anybody could see how far that is.
        if done < total and percent > self._percent_read:
            self._percent_read = percent
            self._note = f"{READING}, {format_count(len(self.run.prompt.ids), 'token')}: {percent}%"
            self._push(wire.progress_line(READING, done / total))
