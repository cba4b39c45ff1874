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
from explorer.render import wire
from explorer.render.figures import LaneSeries
from explorer.services.generation import Run
from explorer.services.wire_run import WireRun

log = logging.getLogger("explorer")

FRAME_S = 0.1
"""Seconds between two frames: at most ten updates a second."""
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


class LiveRun:
    """Runs a `Run` in a thread and turns it into frames.

    Args:
        run: a run that has not begun.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.text = ""
        self._wire = WireRun(run)
        self._chunks: list[str] = []
        self._lock = threading.Lock()
        self._finished = threading.Event()
        self._tokens = 0
        self._note = "Reading the prompt"
        self._started = time.perf_counter()

    def frames(self) -> Iterator[Frame]:
        """Frames until the run ends, at most ten a second; the last holds everything.

        Closing the iterator cancels the run.
        """
        self._push(self._wire.header())
        thread = threading.Thread(target=self._work, name="explorer-run", daemon=True)
        thread.start()
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
            return f"{self._note} · {elapsed:.1f} s"
        rate = self._tokens / max(elapsed, 1e-9)
        return f"{self._tokens:,} tokens · {rate:.0f} tokens a second · {elapsed:.1f} s"

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
        measured = 0.0
        for column in self.run.columns():
            self._tokens += len({step.lane for step in column.steps})
            due = time.perf_counter() - measured >= PLOT_S
            measured = time.perf_counter() if due else measured
            self._push(self._wire.news(metrics=due))

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A failure becomes a line of the page; one of ours as it is, another under a number."""
        try:
            yield
        except ExplorerError as error:
            self._push(wire.error_line(error.message, error.hint))
        except Exception:
            incident = uuid.uuid4().hex[:8]
            log.exception("run failed (incident %s)", incident)
            self._push(
                wire.error_line(
                    f"The run failed unexpectedly (incident {incident}).",
                    "What was made so far is kept; the server's log has the details.",
                )
            )

    def _prefilled(self, chunk: int) -> None:
        total = len(self.run.prompt.ids)
        self._note = f"Reading the prompt, {total:,} tokens (part {chunk})"
