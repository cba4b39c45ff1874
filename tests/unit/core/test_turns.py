"""Quick runs choose one after another; a slow one holds up nobody."""

from __future__ import annotations

import threading
import time

import pytest

from explorer.core import turns
from explorer.core.fair_lock import FairLock
from explorer.core.turns import Turn


def spend(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_quick_runs_take_turns() -> None:
    lock = FairLock()
    inside = most = 0

    def work() -> None:
        nonlocal inside, most
        turn = Turn(lock)
        for _ in range(20):
            with turn:
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == 1
    assert not lock.locked


def test_after_a_long_choice_a_run_goes_without_and_after_a_short_one_with_the_lock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "LONG_S", 0.01)
    lock = FairLock()
    turn = Turn(lock)
    with turn:
        assert lock.locked
        spend(0.03)
    with turn:
        assert not lock.locked  # the choice before was long; this one is short
    with turn:
        assert lock.locked


def test_waiting_is_no_choosing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LONG_S", 0.01)
    lock = FairLock()
    turn = Turn(lock)
    with turn:
        time.sleep(0.03)
    with turn:
        assert lock.locked


def test_the_lock_comes_back_whatever_happens() -> None:
    lock = FairLock()
    with pytest.raises(ValueError, match="x"), Turn(lock):
        raise ValueError("x")
    assert not lock.locked
