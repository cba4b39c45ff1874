"""Work that takes longer than a click: in a thread, asked after, and ended when told to."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from explorer.core.errors import ExplorerError, NotCapable
from explorer.services.leaving import start_cancellable

LOG = logging.getLogger("explorer")

WAIT_S = 0.5
"""Between two looks whether there is a place, or the work was stopped."""

Work = Callable[["Job"], None]


@dataclass
class Job:
    """One piece of work.

    Attributes:
        what: in words, for the page.
        number: names it.
        cancel: set to end it.
        said: how far it is, in words.
        fraction: how far it is, 0 to 1; None where that is unknown.
        done: it has ended, one way or another.
        error: what went wrong; None where nothing did.
        most_s: seconds it may take from when it has a place; None sets no limit.
        at_end: called once it has ended.
        timed_out: it was ended because it took too long.
    """

    what: str
    number: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    cancel: threading.Event = field(default_factory=threading.Event)
    said: str = ""
    fraction: float | None = None
    done: bool = False
    error: ExplorerError | None = None
    most_s: float | None = None
    at_end: Callable[[], object] | None = None
    timed_out: bool = False

    def start(self, work: Work) -> Job:
        """Begin in a thread."""
        thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        start_cancellable(thread, self.cancel)
        return self

    def report(self, said: str, fraction: float | None = None) -> None:
        """Say how far it is."""
        self.said, self.fraction = said, fraction

    def _run(self, work: Work) -> None:
        try:
            work(self)
        except ExplorerError as error:
            self.error = error
        except Exception:
            incident = uuid.uuid4().hex[:8]
            LOG.exception("incident %s", incident)
            self.error = ExplorerError(
                f"Something failed that should not have (incident {incident}).",
                "Try again; if it stays, report this number: the server's log has the details.",
            )
        finally:
            if self.timed_out:
                self.said = f"Ended after {self.most_s:g} s, the longest a run may take here."
            if self.at_end is not None:
                self.at_end()
            self.done = True

    @contextmanager
    def clock(self) -> Iterator[None]:
        """Told to end where this takes longer than it may."""
        timer = threading.Timer(self.most_s or 0, self._time_out)
        timer.daemon = True
        if self.most_s is not None:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _time_out(self) -> None:
        self.timed_out = True
        self.cancel.set()

    def as_data(self) -> dict[str, object]:
        """For the page."""
        return {
            "job": self.number,
            "what": self.what,
            "said": self.said,
            "fraction": self.fraction,
            "done": self.done,
            "stopped": self.cancel.is_set(),
        }


@contextmanager
def place(places: threading.BoundedSemaphore, job: Job) -> Iterator[None]:
    """One of the places for runs, waited for.

    Raises:
        NotCapable: where the job is stopped before there is one.
    """
    while not places.acquire(timeout=WAIT_S):
        job.report("waiting for a place")
        if job.cancel.is_set():
            raise NotCapable("Stopped before it began.", "Try again.")
    try:
        with job.clock():
            yield
    finally:
        places.release()
