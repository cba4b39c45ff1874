"""Threads that are told to end when the process does."""

from __future__ import annotations

import atexit
import threading
import time
import weakref

LEAVING_S = 5.0
"""What all of them together may take."""

_cancels: weakref.WeakKeyDictionary[threading.Thread, threading.Event] = weakref.WeakKeyDictionary()


def start_cancellable(thread: threading.Thread, cancel: threading.Event) -> None:
    """Start a thread; when the interpreter ends, `cancel` is set and the thread waited for.

    A daemon thread that is still amid torch's code then would abort the whole process.
    """
    _cancels[thread] = cancel
    thread.start()


@atexit.register
def _end_all() -> None:
    left = [(thread, cancel) for thread, cancel in _cancels.items() if thread.is_alive()]
    for _, cancel in left:
        cancel.set()
    until = time.monotonic() + LEAVING_S
    for thread, _ in left:
        thread.join(max(0.0, until - time.monotonic()))
