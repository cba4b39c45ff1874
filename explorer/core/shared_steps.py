"""Runs that share a model take their steps together: one forward for all that wait.

A step of a small model costs nearly the same for four rows as for forty, so twenty visitors who
each did their own forward would wait twenty times as long as they need to.

One of those that wait leads: it waits until everybody who took the last step has come, or until
nobody has come for a moment, and then does the forward for all. Alone, it leads at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from explorer.core.fair_lock import FairLock

if TYPE_CHECKING:
    from torch import Tensor

B = TypeVar("B")

MOST_ROWS = 256
"""Rows of one forward; what comes later goes with the next one."""
MOMENT_S = 0.01
"""How long one waits for those who took the last step, after the latest that came."""


@dataclass(eq=False, slots=True)
class Step(Generic[B]):
    """One batch's next token.

    Attributes:
        batch: whose; what the forward is done with.
        token_ids: one a row.
        who: the thread that waits for it.
        leads: it is to do the forward for all that wait.
        logits: [rows, vocab], once it is over.
        error: what went wrong instead.
        turn: held by the one who waits, until it is over or leads.
    """

    batch: B
    token_ids: Sequence[int]
    who: int = 0
    leads: bool = False
    logits: Tensor | None = None
    error: BaseException | None = None
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_over(self) -> bool:
        """True once it has its logits, or failed."""
        return self.logits is not None or self.error is not None


class SharedSteps(Generic[B]):
    """Where the runs of one model meet.

    Args:
        lock: of the model; held for each forward.
        forward: from steps, at least one, to the logits [rows, vocab] of each.
    """

    def __init__(
        self, lock: FairLock, forward: Callable[[Sequence[Step[B]]], Sequence[Tensor]]
    ) -> None:
        self._lock, self._forward = lock, forward
        self._guard = threading.Lock()
        self._came = threading.Event()
        self._waiting: list[Step[B]] = []
        self._expected: set[int] = set()
        self._leads = False
        self._latest = 0.0

    def take(self, batch: B, token_ids: Sequence[int]) -> Tensor:
        """Logits [rows, vocab] after one more token a row; waits for others for a moment at most.

        Raises:
            Exception: as the forward raised it, for everybody who took part.
        """
        step = Step(batch, token_ids, threading.get_ident())
        step.turn.acquire()
        with self._guard:
            self._waiting.append(step)
            # A thread is expected, not a batch: one with two contexts steps them in turn.
            self._expected.add(step.who)
            self._latest = time.monotonic()
            leads, self._leads = not self._leads, True
            self._came.set()
        if not leads:
            self._wait(step)
        if not step.is_over:
            self._lead(step)
        if step.error is not None:
            raise step.error
        assert step.logits is not None
        return step.logits

    def _wait(self, step: Step[B]) -> None:
        """Until it is over, or is the first of those that wait and leads."""
        try:
            step.turn.acquire()
        except BaseException:  # an interrupt while waiting: others do not wait for who is gone
            with self._guard:
                following = self._left(step) if step.leads else []
                if step in self._waiting:
                    self._waiting.remove(step)
            self._appoint(following)
            raise

    def _lead(self, step: Step[B]) -> None:
        """Do the forward for all that wait; then the first of those who came meanwhile leads."""
        group: list[Step[B]] = []
        try:
            group = self._gathered()
            with self._lock:
                found = self._forward(group)
            for one, logits in zip(group, found, strict=True):
                one.logits = logits
        except BaseException as error:
            for one in group:
                one.error = error
            raise
        finally:
            with self._guard:
                following = self._left(step)
                self._expected |= {one.who for one in group}
            for one in group:
                if one is not step:
                    one.turn.release()
            self._appoint(following)

    def _left(self, step: Step[B]) -> list[Step[B]]:
        """Who leads after one that led, if anybody waits; whoever calls has the guard."""
        if step in self._waiting:  # an interrupt came before its forward
            self._waiting.remove(step)
        self._expected = {one.who for one in self._waiting}
        self._leads = bool(self._waiting)
        for one in self._waiting[:1]:
            one.leads = True
        return self._waiting[:1]

    @staticmethod
    def _appoint(following: Sequence[Step[B]]) -> None:
        for one in following:
            one.turn.release()

    def _gathered(self) -> list[Step[B]]:
        while True:
            with self._guard:
                left = self._latest + MOMENT_S - time.monotonic()
                if left <= 0 or len(self._waiting) >= len(self._expected):
                    return self._taken()
                self._came.clear()
            self._came.wait(left)

    def _taken(self) -> list[Step[B]]:
        """The first of those that wait, as many as fit; never none."""
        count, rows = 0, 0
        for step in self._waiting:
            rows += len(step.token_ids)
            if count and rows > MOST_ROWS:
                break
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group
