"""Who runs what: one live run a browser tab, its result kept for export."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from explorer.services.live import LiveRun, Result

SAVED = "explorer-saved-"
"""Begins the name of a tab's folder; the number of the process follows."""


@dataclass(slots=True, weakref_slot=True)
class Session:
    """One tab.

    Attributes:
        preparing: set to end a request that waits for its model or for a place.
        cancel: set to end the tab's present run within a token.
        live: the run under way, if any.
        result: what the latest finished run left. It holds no model: one that made room for
            another goes, whoever still looks at what it wrote.
        files: folder of saved files, once there is one.
    """

    preparing: threading.Event = field(default_factory=threading.Event)
    cancel: threading.Event = field(default_factory=threading.Event)
    live: LiveRun | None = None
    result: Result | None = None
    files: Path | None = None

    def end(self) -> None:
        """End whatever is under way."""
        self.preparing.set()
        self.cancel.set()

    @property
    def size(self) -> int:
        """Steps held for the tab."""
        live = 0 if self.live is None else self.live.run.recorder.held
        return live + (0 if self.result is None else size_of(self.result))


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

    def prepare(self, key: str) -> threading.Event:
        """A request of this tab waits for what it needs; the one that waited before gives up.

        Returns:
            What ends it, and later its run. The run under way goes on until `begin`.
        """
        with self._lock:
            session = self._sessions.setdefault(key, Session())
            self._sessions.move_to_end(key)
            session.preparing.set()
            session.preparing = threading.Event()
            while len(self._sessions) > self._capacity:
                _, oldest = self._sessions.popitem(last=False)
                _drop(oldest)
            return session.preparing

    def begin(self, key: str, cancel: threading.Event, live: LiveRun) -> bool:
        """A run that was prepared begins: the one under way, if any, is cancelled.

        Returns:
            False where a newer request took its place, or the tab was closed.
        """
        with self._lock:
            session = self._sessions.get(key)
            if session is None or session.preparing is not cancel or cancel.is_set():
                return False
            session.cancel.set()
            session.cancel, session.live = cancel, live
            session.preparing = threading.Event()
            return True

    def finish(self, key: str, live: LiveRun) -> None:
        """Keep what a run made; that of a forgotten tab or a superseded run is dropped."""
        result = live.result()
        with self._lock:
            session = self._sessions.get(key)
            if session is not None and session.live is live:
                session.live, session.result = None, result
                self._sessions.move_to_end(key)
                self._make_room(key)

    def _make_room(self, newest: str) -> None:
        sizes = {key: session.size for key, session in self._sessions.items()}
        total = sum(sizes.values())
        for key, session in self._sessions.items():
            if total <= self._tokens or key == newest:
                return
            if session.result is not None:
                total -= size_of(session.result)
                session.result = None

    def latest(self, key: str) -> Result | None:
        """What a tab's latest run has made so far; None where there is none."""
        with self._lock:
            session = self._sessions.get(key)
            live = None if session is None else session.live
            if live is None:
                return None if session is None else session.result
        return live.result()

    def folder(self, key: str) -> Path:
        """A folder for a tab's saved files, which goes with the tab, or with the process."""
        with self._lock:
            session = self._sessions.setdefault(key, Session())
            if session.files is None:
                session.files = Path(tempfile.mkdtemp(prefix=f"{SAVED}{os.getpid()}-"))
                weakref.finalize(session, shutil.rmtree, session.files, ignore_errors=True)
            return session.files

    def stop(self, key: str) -> None:
        """End a tab's run; what was made stays."""
        with self._lock:
            session = self._sessions.get(key)
        if session is not None:
            session.end()

    def forget(self, key: str) -> None:
        """The tab was closed."""
        with self._lock:
            session = self._sessions.pop(key, None)
        if session is not None:
            _drop(session)


def _drop(session: Session) -> None:
    session.end()
    if session.files is not None:
        shutil.rmtree(session.files, ignore_errors=True)


def clear_leftovers() -> int:
    """Remove the saved files of processes that were killed; those of living ones stay.

    Returns:
        How many tabs' folders were removed.
    """
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob(f"{SAVED}*-*"):
        number = folder.name.removeprefix(SAVED).partition("-")[0]
        if number.isdigit() and folder.is_dir() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)  # another user's stays: it is refused
            removed += not folder.exists()
    return removed


def size_of(result: Result) -> int:
    """Steps that a result holds; a step shared by several rows of a search counts once."""
    steps = {id(step) for trace in result.traces for step in trace.steps}
    for trace in result.traces:
        for hypothesis in trace.hypotheses:
            steps.update(id(step) for step in hypothesis.steps)
    return len(steps)
