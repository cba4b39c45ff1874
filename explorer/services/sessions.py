"""Who runs what: one live run a browser tab, its result kept for export."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from explorer.services.generation import Run


@dataclass(slots=True)
class Session:
    """One tab.

    Attributes:
        cancel: set to end the tab's present run within a token.
        run: its latest run, finished or not.
        ndjson: what the page was sent of it.
    """

    cancel: threading.Event = field(default_factory=threading.Event)
    run: Run | None = None
    ndjson: str = ""


class Sessions:
    """Sessions by key; the least recently used are forgotten past a bound.

    Args:
        capacity: most sessions kept.
        tokens: most tokens kept in all results together, at some 3 kB each; the results of the
            tabs idle longest make room, that of the tab just served never does.
    """

    def __init__(self, capacity: int = 200, tokens: int = 400_000) -> None:
        self._capacity = capacity
        self._tokens = tokens
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, key: str) -> threading.Event:
        """A new run begins in this tab: the one under way, if any, is cancelled.

        The latest result stays until `store` replaces it.
        """
        with self._lock:
            session = self._sessions.setdefault(key, Session())
            self._sessions.move_to_end(key)
            session.cancel.set()
            session.cancel = threading.Event()
            while len(self._sessions) > self._capacity:
                _, oldest = self._sessions.popitem(last=False)
                oldest.cancel.set()
            return session.cancel

    def store(self, key: str, run: Run, ndjson: str) -> None:
        """Keep a tab's latest result; a forgotten tab stays forgotten."""
        with self._lock:
            session = self._sessions.get(key)
            if session is not None and session.cancel is run.cancel:
                session.run, session.ndjson = run, ndjson
                self._sessions.move_to_end(key)
                self._make_room(key)

    def _make_room(self, newest: str) -> None:
        total = sum(_size(session) for session in self._sessions.values())
        for key, session in self._sessions.items():
            if total <= self._tokens or key == newest:
                return
            total -= _size(session)
            session.run, session.ndjson = None, ""

    def get(self, key: str) -> Session | None:
        """A tab's session, or None."""
        with self._lock:
            return self._sessions.get(key)

    def stop(self, key: str) -> None:
        """End a tab's run; what was made stays."""
        with self._lock:
            session = self._sessions.get(key)
        if session is not None:
            session.cancel.set()

    def forget(self, key: str) -> None:
        """The tab was closed."""
        with self._lock:
            session = self._sessions.pop(key, None)
        if session is not None:
            session.cancel.set()


def _size(session: Session) -> int:
    """Tokens held for a tab."""
    run = session.run
    return 0 if run is None else sum(len(record.steps) for record in run.recorder.lanes)
