"""`make soak`: visitors come, cancel, close their tabs and come again; what is left of it?

    python tests/soak.py [--minutes 30] [--visitors 6]

Everything below the page runs as it does behind it, with `tiny`. Once a minute all visitors pause:
then no run may be under way, no place may be taken, and threads and memory are written down. It
ends with status 1 where threads grew, a place stayed taken, something failed unexpectedly, or
memory is over 110 % of what it was after the first fifth of the time (two minutes at least): by
then what is kept on purpose, such as prefixes and compiled grammars, is full.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parent.parent))

from explorer.core.errors import ExplorerError
from explorer.services.compare import CompareRequest, Services
from explorer.services.model_pool import ModelPool
from explorer.services.settings import SHIPPED_MODEL, read_settings

PROMPTS = ("Once upon a time", "The dog", "One day, Lily", "It was raining and")
LANES = ("greedy", "nucleus:p=0.95", "beam:width=3", "min_p:p=0.05", "momentum", "best_of_n:n=3")
PAUSE_S = 20.0
"""Within which everything that was cancelled has ended."""


class Failures(logging.Handler):
    """Incidents, which are failures that nobody foresaw."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        why = "" if record.exc_info is None else repr(record.exc_info[1])
        self.said.append(f"{record.getMessage()} {why}".strip())


class Visitor:
    """One who does what comes to mind.

    Args:
        services: behind the page.
        number: of the visitor.
        done: counts what was done.
    """

    def __init__(self, services: Services, number: int, done: Counter[str]) -> None:
        self._services, self._done = services, done
        self._luck = random.Random(number)
        self._tab, self._number = 0, number

    @property
    def _session(self) -> str:
        return f"visitor-{self._number}-{self._tab}"

    def act(self) -> None:
        """One thing, chosen by chance."""
        deed: Callable[[], None] = self._luck.choice(
            [self._run, self._run, self._run, self._program, self._loops, self._traces,
             self._score, self._lab, self._save, self._close]
        )  # fmt: skip
        try:
            deed()
            self._done[deed.__name__.strip("_")] += 1
        except ExplorerError:
            self._done["refused"] += 1

    def _request(self) -> CompareRequest:
        specs = tuple(self._luck.sample(LANES, self._luck.randint(1, 4)))
        return CompareRequest(
            SHIPPED_MODEL, self._luck.choice(PROMPTS), "raw", specs,
            max_new_tokens=self._luck.randint(1, 64), seed=self._luck.randint(0, 99),
        )  # fmt: skip

    def _run(self) -> None:
        end = self._luck.choice(["all", "stop", "close"])
        frames: Any = self._services.run(self._session, self._request())
        with closing(frames):
            for number, _ in enumerate(frames):
                if end == "stop" and number == 2:
                    self._services.stop(self._session)
                if end == "close" and number == 2:
                    break
        if end == "close":
            self._close()

    def _program(self) -> None:
        request = self._request()
        answers: Any = self._services.compare_traces(
            request.prompt, list(request.specs), SHIPPED_MODEL, request.max_new_tokens, request.seed
        )
        with closing(answers):
            for _ in answers:
                if self._luck.random() < 0.3:
                    break

    def _ask(self, desk: Any, **asked: Any) -> dict[str, Any]:
        return dict(desk.answer(self._session, json.loads(json.dumps(asked))))

    def _work(self, desk: Any, **asked: Any) -> None:
        job = self._ask(desk, **asked)
        patience = self._luck.uniform(0, 4)
        began = time.monotonic()
        while not job["done"]:
            time.sleep(0.1)
            stop = time.monotonic() - began > patience
            if stop and self._luck.random() < 0.5:
                self._close()  # whoever closes a tab stops nothing first
                return
            job = self._ask(desk, ask="job", job=job["job"], stop=stop)

    def _loops(self) -> None:
        self._work(
            self._services.loops, ask="run", model=SHIPPED_MODEL, prompt=self._luck.choice(PROMPTS),
            decoders=self._luck.sample(LANES, 2), tokens=self._luck.randint(1, 64),
        )  # fmt: skip

    def _traces(self) -> None:
        desk = self._services.traces
        self._ask(desk, ask="take", where="compare")
        branch = self._ask(desk, ask="state")["branches"][0]["id"]
        if self._luck.random() < 0.5:
            self._work(desk, ask="verify")
        else:
            self._work(desk, ask="fork", branch=branch, at=0, tokens=self._luck.randint(1, 32))

    def _score(self) -> None:
        text = " ".join(self._luck.choices(PROMPTS, k=9))
        self._ask(self._services.scores, ask="score", model=SHIPPED_MODEL, text=text)

    def _lab(self) -> None:
        self._work(self._services.labs, ask="run", lab="best_of_n", model=SHIPPED_MODEL, seed=1)

    def _save(self) -> None:
        self._services.export(self._session, self._luck.choice(["jsonl", "csv", "html"]))

    def _close(self) -> None:
        self._services.forget(self._session)
        self._tab += 1


def left_over(services: Services) -> tuple[int, int]:
    """Runs under way and living threads, once everything has had time to end."""
    end = time.monotonic() + PAUSE_S
    while services.limits.runs._runs and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(0.5)
    gc.collect()
    # Runs end after their tabs closed; the next tab that closes gives back what they freed.
    services.forget("the next")
    return len(services.limits.runs._runs), threading.active_count()


def round_of(services: Services, visitors: list[Visitor], seconds: float) -> list[threading.Thread]:
    """Let all visitors act for some time; gives those that did not come back."""
    end = time.monotonic() + seconds

    def act(visitor: Visitor) -> None:
        while time.monotonic() < end:
            visitor.act()
        visitor._close()

    threads = [threading.Thread(target=act, args=(v,), daemon=True) for v in visitors]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 120)
    return [thread for thread in threads if thread.is_alive()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--visitors", type=int, default=6)
    arguments = parser.parse_args()
    failures, done = Failures(), Counter[str]()
    logging.getLogger("explorer").addHandler(failures)
    settings = read_settings({"SPACE_ID": "a/b", "EXPLORER_MODEL": SHIPPED_MODEL})
    services = Services(settings, ModelPool(1))
    services.models.get(SHIPPED_MODEL)
    visitors = [Visitor(services, n, done) for n in range(arguments.visitors)]
    rounds = max(2, round(arguments.minutes))
    problems: list[str] = []
    held: list[tuple[int, int]] = []
    for number in range(rounds):
        stuck = round_of(services, visitors, arguments.minutes * 60 / rounds)
        runs, threads = left_over(services)
        rss = psutil.Process().memory_info().rss
        held.append((threads, rss))
        print(
            f"round {number + 1}: {sum(done.values()):,} deeds, {runs} runs left,"
            f" {threads} threads, {rss / 1e6:,.0f} MB", flush=True,
        )  # fmt: skip
        problems += [f"round {number + 1}: {len(stuck)} visitors hang"] * bool(stuck)
        problems += [f"round {number + 1}: {runs} runs are stuck"] * bool(runs)
    warm = min(max(1, rounds // 5 - 1), rounds - 1)
    (first_threads, first_rss), (last_threads, last_rss) = held[warm], held[-1]
    if last_threads > first_threads + 2:
        problems.append(f"{last_threads} threads after {first_threads}")
    if last_rss > 1.10 * first_rss:
        problems.append(f"{last_rss / 1e6:,.0f} MB after {first_rss / 1e6:,.0f}")
    problems += failures.said
    print(dict(done.most_common()))
    print("\n".join(problems) or "nothing leaked, nothing is stuck")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
