"""Turns at choosing: runs that choose quickly do it one after another, a slow one beside them."""

from __future__ import annotations

import time
from types import TracebackType

from explorer.core.fair_lock import FairLock

LONG_S = 0.03
"""CPU seconds; a run whose last choice took longer holds up nobody with the next one."""


class Turn:
    """One run's part in a lock that others share; a context manager, entered by one thread.

    Choosing is some hundred small operations. Threads that do theirs at once hand the
    interpreter's lock to each other at every one of them, and all are slower than one after
    another. But a run with many rows and costly methods would make all others wait: it goes
    without the lock, and pays for that itself.

    Args:
        lock: of all runs.

    >>> lock = FairLock()
    >>> with Turn(lock):
    ...     lock.locked
    True
    """

    def __init__(self, lock: FairLock) -> None:
        self._lock = lock
        self._took_s = self._began_s = 0.0
        self._holds = False

    def __enter__(self) -> None:
        self._holds = self._took_s <= LONG_S
        if self._holds:
            self._lock.acquire()
        self._began_s = time.thread_time()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._took_s = time.thread_time() - self._began_s
        if self._holds:
            self._lock.release()
