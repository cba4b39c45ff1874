"""The lock goes to who asked first."""

from __future__ import annotations

import threading
import time

import pytest

from explorer.core.fair_lock import FairLock


def test_the_one_who_waits_is_next_even_if_the_holder_asks_again_at_once():
    lock, order = FairLock(), []
    held, asking = threading.Event(), threading.Event()

    def greedy_holder() -> None:
        for _ in range(4):
            with lock:
                order.append("first")
                held.set()
                assert asking.wait(10)
                time.sleep(0.1)  # between saying so and asking there is only a call

    def newcomer() -> None:
        assert held.wait(10)
        asking.set()
        with lock:
            order.append("second")

    threads = [threading.Thread(target=greedy_holder), threading.Thread(target=newcomer)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert order[:2] == ["first", "second"]
    assert not lock.locked


def test_only_one_holds_it():
    lock, inside, most = FairLock(), [0], [0]

    def work() -> None:
        for _ in range(200):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 1


def test_an_error_inside_releases_it():
    lock = FairLock()
    with pytest.raises(KeyError), lock:
        raise KeyError
    with lock:
        assert lock.locked


def test_releasing_what_nobody_holds_is_an_error():
    with pytest.raises(RuntimeError, match="nobody holds"):
        FairLock().release()
