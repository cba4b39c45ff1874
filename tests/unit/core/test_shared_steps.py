"""Where runs meet: one forward for all that wait, nobody waits for long, errors reach everybody."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from explorer.core import shared_steps
from explorer.core.fair_lock import FairLock
from explorer.core.shared_steps import SharedSteps


class Forward:
    """Answers with the batch's number; remembers who came together."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.groups: list[list[object]] = []
        self.delay_s = delay_s
        self.fails: list[BaseException] = []

    def __call__(self, steps):
        self.groups.append([step.batch for step in steps])
        time.sleep(self.delay_s)
        if self.fails:
            raise self.fails.pop()
        return [torch.full((len(step.token_ids), 3), float(step.batch)) for step in steps]


def together(shared: SharedSteps, batches: int, steps: int, rows: int = 2) -> list[str]:
    """Threads that take so many steps each; what went wrong."""
    problems: list[str] = []
    begin = threading.Barrier(batches)

    def work(number: int) -> None:
        begin.wait()
        for _ in range(steps):
            try:
                logits = shared.take(number, [0] * rows)
            except ValueError as error:
                problems.append(str(error))
                continue
            if logits.shape != (rows, 3) or not bool((logits == number).all()):
                problems.append(f"{number} got {logits}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(batches)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    return problems


def test_alone_nobody_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_steps, "MOMENT_S", 30.0)
    forward = Forward()
    assert together(SharedSteps(FairLock(), forward), 1, 5) == []
    assert forward.groups == [[0]] * 5


def test_all_who_took_the_last_step_take_the_next_one_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_steps, "MOMENT_S", 2.0)
    forward = Forward(0.02)
    assert together(SharedSteps(FairLock(), forward), 6, 8) == []
    assert sum(map(len, forward.groups)) == 48
    # the first may go alone; from the third on all six are there, each once
    assert [sorted(group) for group in forward.groups[2:8]] == [[0, 1, 2, 3, 4, 5]] * 6


def test_one_who_does_not_come_again_is_missed_once() -> None:
    forward = Forward()
    shared = SharedSteps(FairLock(), forward)
    assert together(shared, 2, 3) == []
    for _ in range(20):
        shared.take(7, [0])
        # from here on nobody else is waited for
        assert shared._expected == {threading.get_ident()}
    assert forward.groups[-20:] == [[7]] * 20


def test_a_thread_with_two_batches_does_not_wait_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_steps, "MOMENT_S", 30.0)
    shared = SharedSteps(FairLock(), Forward())
    for number in range(6):
        assert float(shared.take(number % 2, [0])[0, 0]) == number % 2


def test_too_many_rows_go_in_two_forwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_steps, "MOST_ROWS", 8)
    forward = Forward(0.01)
    assert together(SharedSteps(FairLock(), forward), 5, 6, rows=3) == []
    assert max(map(len, forward.groups)) == 2
    # one that has more rows than fit goes alone
    assert together(SharedSteps(FairLock(), forward), 2, 2, rows=20) == []


def test_an_error_reaches_all_who_took_part_and_the_next_step_works() -> None:
    forward = Forward(0.02)
    forward.fails = [ValueError("no memory")]
    problems = together(SharedSteps(FairLock(), forward), 4, 3)
    assert problems == ["no memory"] * len(forward.groups[0])


def interrupted(*_args: object, **_kwargs: object) -> None:
    raise KeyboardInterrupt


def test_a_leader_that_is_interrupted_before_its_forward_leaves_nobody_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forward = Forward()
    shared = SharedSteps(FairLock(), forward)
    with monkeypatch.context() as patch:
        patch.setattr(SharedSteps, "_gathered", interrupted)
        with pytest.raises(KeyboardInterrupt):
            shared.take(1, [0])
    assert together(shared, 3, 3) == []
    assert sum(map(len, forward.groups)) == 9  # the step that was given up is not taken


def test_one_that_is_interrupted_while_it_is_to_lead_hands_it_on() -> None:
    shared = SharedSteps(FairLock(), Forward())

    class Interrupted:
        def acquire(self) -> None:
            raise KeyboardInterrupt

        def release(self) -> None: ...

    first, second = (shared_steps.Step(number, [0], number) for number in (1, 2))
    first.turn, first.leads = Interrupted(), True
    second.turn.acquire()
    shared._waiting, shared._leads = [first, second], True
    with pytest.raises(KeyboardInterrupt):
        shared._wait(first)
    assert shared._waiting == [second]
    assert second.leads
    assert second.turn.acquire(timeout=2)
    # one that only waits is waited for no more, and is never made the leader
    third = shared_steps.Step(3, [0], 3)
    third.turn = Interrupted()
    shared._waiting.append(third)
    with pytest.raises(KeyboardInterrupt):
        shared._wait(third)
    assert shared._waiting == [second]


def test_others_of_the_model_get_their_turn_between_two_forwards() -> None:
    lock = FairLock()
    shared = SharedSteps(lock, Forward(0.005))
    turns = 0
    done = threading.Event()

    def prefills() -> None:
        nonlocal turns
        while not done.is_set():
            with lock:
                turns += 1

    other = threading.Thread(target=prefills)
    other.start()
    assert together(shared, 4, 10) == []
    done.set()
    other.join(10)
    assert turns >= 10
