"""What one tab has on the Loops page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from explorer.core.errors import NotCapable
from explorer.core.types import Trace
from explorer.services.jobs import Job
from explorer.services.limits import Limits

News = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From the question after a job to what it has made since."""


@dataclass
class Tab:
    """What one tab has on the page.

    Attributes:
        session: whose.
        traces: the lanes of one run.
        name: where they are from, in words.
        lane: the one that is taken apart.
        lines: the wire's lines of the run.
        job: the latest work.
        news: what the latest work has made; called while it is under way.
        kept: what sections have made of this run, by their names; another run empties it.
        lock: held while the rest changes.
    """

    session: str
    traces: tuple[Trace, ...] = ()
    name: str = ""
    lane: int = 0
    lines: str = ""
    job: Job | None = None
    news: News | None = None
    kept: dict[str, Any] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def trace(self) -> Trace:
        """The lane that is taken apart.

        Raises:
            NotCapable: where there is none yet.
        """
        if not self.traces:
            raise NotCapable("No run is chosen yet.", "Run a prompt, or take a run that was made.")
        return self.traces[self.lane]

    def put(self, traces: Sequence[Trace], name: str, lines: str) -> None:
        """Another run; the first lane with a loop is the one that is taken apart."""
        with self.lock:
            self.traces, self.name, self.lines = tuple(traces), name, lines
            looping = [lane for lane, trace in enumerate(self.traces) if trace.loops]
            self.lane = looping[0] if looping else 0
            self.kept = {}

    def begin(
        self, what: str, work: Callable[[Job], None], limits: Limits, news: News | None = None
    ) -> Job:
        """Start work, where none is under way.

        Args:
            what: in words, for the page.
            work: done in a thread.
            limits: what a visitor may ask for.
            news: what it has made since, told with every answer on how far it is.

        Raises:
            NotCapable: while other work is under way, here or elsewhere in the tab.
        """
        with self.lock:
            if self.job is not None and not self.job.done:
                raise NotCapable(f"{self.job.what} is under way.", "Wait for it, or stop it.")
            job = limits.begin(self.session, Job(what), work)
            self.news, self.job = news, job
            return job

    def end_work(self) -> None:
        """Whatever is under way ends within a token."""
        if self.job is not None:
            self.job.cancel.set()

    def work(self) -> dict[str, object] | None:
        """What is under way, for the page."""
        return None if self.job is None or self.job.done else self.job.as_data()
