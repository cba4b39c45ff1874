"""What may stop a lane besides its length: a loop, or a string it should not run past."""

from __future__ import annotations

from explorer.core.handle import Tokenizer
from explorer.core.loops import LoopDetector, LoopThresholds
from explorer.core.types import StopReason


class LoopWatcher:
    """Stops a row once it repeats itself, by the thresholds of `LoopDetector`."""

    def __init__(self, thresholds: LoopThresholds | None = None) -> None:
        self._detector = LoopDetector(thresholds)

    def push(self, token_id: int) -> StopReason | None:
        """Add a token."""
        return StopReason.LOOP if self._detector.push(token_id) else None

    def copy(self) -> LoopWatcher:
        """An independent watcher with the same past."""
        twin = LoopWatcher(self._detector.thresholds)
        twin._detector = self._detector.copy()
        return twin


class StopStringWatcher:
    """Stops a row once its text holds one of the strings; the text keeps it.

    The search runs over bytes, so a string may begin or end inside a token or a character.
    """

    def __init__(self, tokenizer: Tokenizer, strings: tuple[str, ...]) -> None:
        self._tokenizer = tokenizer
        self._strings = strings
        self._needles = tuple(s.encode() for s in strings if s)
        self._reach = max((len(n) for n in self._needles), default=1) - 1
        self._tail = b""

    def push(self, token_id: int) -> StopReason | None:
        """Add a token."""
        if self._tokenizer.is_special(token_id):
            return None
        window = self._tail + self._tokenizer.token_bytes(token_id)
        self._tail = window[-self._reach :] if self._reach else b""
        return StopReason.STOP_STRING if any(n in window for n in self._needles) else None

    def copy(self) -> StopStringWatcher:
        """An independent watcher with the same past."""
        twin = StopStringWatcher(self._tokenizer, self._strings)
        twin._tail = self._tail
        return twin
