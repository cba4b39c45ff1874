"""A lock that is granted in the order it was asked for."""

from __future__ import annotations

from collections import deque
from threading import Lock
from types import TracebackType


class FairLock:
    """First come, first served.

    `threading.Lock` may be taken again at once by the thread that has just released it,
    so that a run which does one forward after another would starve all others. Here the
    one who waits longest is next. Not reentrant.

    >>> lock = FairLock()
    >>> with lock:
    ...     lock.locked
    True
    >>> lock.locked
    False
    """

    def __init__(self) -> None:
        self._guard = Lock()
        self._waiting: deque[Lock] = deque()
        self._held = False

    @property
    def locked(self) -> bool:
        """True while somebody holds it."""
        return self._held

    def acquire(self) -> None:
        """Wait for one's turn."""
        with self._guard:
            if not self._held:
                self._held = True
                return
            turn = Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            turn.acquire()  # released by the holder before us
        except BaseException:  # an interrupt while waiting: do not leave a hole in the queue
            self._give_up(turn)
            raise

    def _give_up(self, turn: Lock) -> None:
        """Leave the queue, or pass the lock on where it was handed over meanwhile."""
        with self._guard:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return
        self.release()

    def release(self) -> None:
        """Hand the lock to the one who waits longest.

        Raises:
            RuntimeError: if nobody holds it.
        """
        with self._guard:
            if not self._held:
                raise RuntimeError("release of a FairLock that nobody holds")
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
