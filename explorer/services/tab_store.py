"""What tabs have on a page: the latest so many are kept, and whatever leaves is told to end."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

MOST_TABS = 100

T = TypeVar("T")


class TabStore(Generic[T]):
    """One thing a tab, made as it is first asked for; threads may share one.

    Args:
        make: from a session to what it begins with.
        end: called with what leaves, so that nothing works on for a tab that is gone.
        most: tabs; the one that was asked for longest ago leaves.
    """

    def __init__(
        self, make: Callable[[str], T], end: Callable[[T], object], most: int = MOST_TABS
    ) -> None:
        self._make, self._end, self._most = make, end, most
        self._lock = threading.Lock()
        self._tabs: OrderedDict[str, T] = OrderedDict()

    def __getitem__(self, session: str) -> T:
        """What a session has."""
        gone: list[T] = []
        with self._lock:
            if session not in self._tabs:
                self._tabs[session] = self._make(session)
            self._tabs.move_to_end(session)
            tab = self._tabs[session]
            while len(self._tabs) > self._most:
                gone.append(self._tabs.popitem(last=False)[1])
        for other in gone:
            self._end(other)
        return tab

    def forget(self, session: str) -> None:
        """The tab was closed."""
        with self._lock:
            tab = self._tabs.pop(session, None)
        if tab is not None:
            self._end(tab)
