"""A run that waits for a GPU which is lent call by call; elsewhere there is nothing to wait for."""

from __future__ import annotations

import contextvars
import logging
import threading
from typing import Protocol

from explorer.services.generation import Run

LOG = logging.getLogger("explorer")

WAITING = "Waiting for a GPU"


class AwaitedRun(Protocol):
    """A run on a GPU that is yet to be had."""

    @property
    def run(self) -> Run:
        """The run itself."""

    def open(self) -> None:
        """Wait for the GPU; raises where there is none."""

    def close(self) -> None:
        """Give the GPU back."""


class Opening:
    """A run that waits for a GPU in a thread; where there is none, it is the plain run.

    Args:
        plain: the run on the CPU.
        gpu: the run on a GPU; None where there is nothing to wait for.
        note: why there is nothing.

    Attributes:
        run: the one to take, once `wait` says so.
        note: why it is on the CPU; "" where it is not.
    """

    def __init__(self, plain: Run, gpu: AwaitedRun | None = None, note: str = "") -> None:
        self.run: Run = plain
        self.note = note
        self._lock, self._done, self._is_wanted = threading.Lock(), threading.Event(), True
        if gpu is None:
            self._done.set()
            return
        # The visitor's quota is found by the request, which is a context variable.
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._open, gpu), daemon=True).start()

    def _open(self, gpu: AwaitedRun) -> None:
        try:
            gpu.open()
            self.run = gpu.run
        except Exception as error:  # noqa: BLE001  # whatever it is, the CPU is there
            LOG.info("no GPU: %s", error)
            self.note = f"on the CPU, slower: no GPU was to be had ({_short(error)})"
        finally:
            with self._lock:
                self._done.set()
                wanted = self._is_wanted
        if not wanted:
            gpu.close()

    def wait(self, seconds: float | None = None) -> bool:
        """True once `run` is the one to take."""
        return self._done.wait(seconds)

    def stop_waiting(self) -> None:
        """Nobody waits any more: a GPU that comes only now is given back."""
        with self._lock:
            self._is_wanted = self._done.is_set()


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 80 else f"{text[:79]}…"
