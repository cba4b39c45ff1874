"""What a visitor may ask for: one object that every desk holds, made from the settings."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from explorer.core.errors import InvalidParams, NotCapable
from explorer.services.jobs import Job, Work
from explorer.services.settings import Settings


class VisitorRuns:
    """Counts the runs of each visitor that are under way; threads may share one.

    Args:
        most: of one visitor at once; a visitor is a tab, or a program's session.
    """

    def __init__(self, most: int = 8) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._runs: dict[str, Counter[str]] = {}

    def enter(self, session: str, kind: str = "") -> None:
        """A run begins.

        Args:
            session: whose.
            kind: runs of one kind that take each other's place count once; "" counts each.

        Raises:
            NotCapable: where the visitor has as many as may be.
        """
        with self._lock:
            runs = self._runs.get(session, Counter())
            others = runs[""] + sum(name != "" and name != kind for name in runs)
            if others >= self.most:
                raise NotCapable(
                    f"{others} of your runs are under way, as many as one visitor may have here.",
                    "Wait for one, or stop it.",
                )
            self._runs.setdefault(session, runs)[kind] += 1

    def leave(self, session: str, kind: str = "") -> None:
        """A run that entered has ended."""
        with self._lock:
            runs = self._runs[session]
            runs[kind] -= 1
            if not runs[kind]:
                del runs[kind]
            if not runs:
                del self._runs[session]

    @contextmanager
    def one(self, session: str, kind: str = "") -> Iterator[None]:
        """One run, from its beginning to its end; see `enter`."""
        self.enter(session, kind)
        try:
            yield
        finally:
            self.leave(session, kind)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a visitor may ask for.

    Attributes:
        tokens: new ones of a lane.
        seconds: of a run.
        characters: of a prompt.
        lanes: of a run.
        top: alternatives kept a token.
        upload_bytes: of a trace file.
        runs: those under way, by visitor.
    """

    tokens: int = 2_048
    seconds: float = 600.0
    characters: int = 200_000
    lanes: int = 8
    top: int = 50
    upload_bytes: int = 64 * 2**20
    runs: VisitorRuns = field(default_factory=VisitorRuns)

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Those of the settings; no run is under way yet."""
        return cls(
            tokens=settings.max_new_tokens,
            seconds=settings.max_run_s,
            characters=settings.max_prompt_chars,
            lanes=settings.max_lanes,
            top=settings.max_top,
            upload_bytes=settings.max_upload_bytes,
            runs=VisitorRuns(settings.max_visitor_runs),
        )

    def check_text(self, what: str, text: str) -> None:
        """Refuse a text that is too long.

        Raises:
            InvalidParams: with its length.
        """
        if len(text) > self.characters:
            raise InvalidParams(
                f"{what} has {len(text):,} characters.", f"At most {self.characters:,} are read."
            )

    def check_lanes(self, count: int) -> None:
        """Refuse too many lanes.

        Raises:
            InvalidParams: with their number.
        """
        if count > self.lanes:
            raise InvalidParams(
                f"{count} decoding methods were asked for.", f"Ask for 1 to {self.lanes}."
            )

    def begin(self, session: str, job: Job, work: Work) -> Job:
        """Start a job as one of a visitor's runs; its time runs from when it has a place.

        Raises:
            NotCapable: where the visitor has as many as may be.
        """
        self.runs.enter(session)
        job.most_s = self.seconds
        job.at_end = lambda: self.runs.leave(session)
        return job.start(work)
