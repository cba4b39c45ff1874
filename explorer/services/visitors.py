"""Many visitors at once: whether one waits for another, and what sharing forwards is worth."""

from __future__ import annotations

import math
import statistics
import threading
import time
from dataclasses import dataclass

from explorer.core.errors import ExplorerError, InvalidParams
from explorer.core.handle import ModelHandle
from explorer.services.compare import CompareRequest, Services
from explorer.services.model_pool import ModelPool
from explorer.services.settings import Settings

LANES = ("greedy", "nucleus:p=0.95", "temperature:temperature=0.8", "min_p:p=0.05")
_TOKEN = '"t":'
PROMPTS = (
    "Once upon a time there was a little",
    "The old lighthouse keeper opened the door and",
    "One day, Tom and Lily went to the park. They saw",
    "It was raining, so the children stayed at home and",
    "The dog was hungry. He looked for",
)


THROUGHPUT = 2.0
"""Promised: together at least so many times the tokens a second of one at a time."""
FIRST_LIMIT = 3.0
"""Promised: the slowest first token comes before so many times the median."""


@dataclass(frozen=True, slots=True)
class Visit:
    """How one visitor fared.

    Attributes:
        first_s: from Run to the first token, seconds; NaN where none came.
        seconds: from Run to the end.
        tokens: over all lanes.
        error: what went wrong; "" for nothing.
    """

    first_s: float
    seconds: float
    tokens: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Crowd:
    """How visitors fared at once and one after another.

    Attributes:
        together: one a visitor.
        alone: the same visits, one after another.
        together_s: from the first Run to the last end, seconds.
        alone_s: the same.
    """

    together: tuple[Visit, ...]
    alone: tuple[Visit, ...]
    together_s: float
    alone_s: float

    @property
    def failed(self) -> int:
        """Visits that ended otherwise than they should, either way."""
        return sum(bool(visit.error) for visit in (*self.together, *self.alone))

    @property
    def throughput(self) -> float:
        """Tokens a second together over those of one at a time."""
        return self.alone_s / self.together_s

    @property
    def slowest_first(self) -> float:
        """The slowest first token over the median one, together."""
        firsts = [visit.first_s for visit in self.together]
        return max(firsts) / statistics.median(firsts)

    @property
    def holds(self) -> bool:
        """True where all promises are kept."""
        return (
            not self.failed and self.throughput >= THROUGHPUT and self.slowest_first < FIRST_LIMIT
        )


def services_with(model: ModelHandle) -> Services:
    """All that is below the page, with one model in memory."""
    name = model.info.id
    pool = ModelPool(names=[name])
    pool.add(name, model)
    return Services(Settings(model=name), pool)


def crowd(services: Services, visitors: int, tokens: int) -> Crowd:
    """Let visitors run four lanes each, at once and then one after another.

    Args:
        services: with the model in memory.
        visitors: how many, at least 1.
        tokens: new ones a lane.

    Raises:
        InvalidParams: for no visitor.
    """
    if visitors < 1:
        raise InvalidParams("Nobody visits.", "Ask for one visitor at least.")
    visit(services, 0, tokens)  # what is made once is made before
    started = time.perf_counter()
    together: list[Visit | None] = [None] * visitors

    def work(number: int) -> None:
        together[number] = visit(services, number, tokens)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    together_s = time.perf_counter() - started
    started = time.perf_counter()
    alone = tuple(visit(services, number, tokens) for number in range(visitors))
    alone_s = time.perf_counter() - started
    done = tuple(found for found in together if found is not None)
    return Crowd(done, alone, together_s, alone_s)


def visit(services: Services, number: int, tokens: int) -> Visit:
    """One visitor's run on the page, without the page."""
    request = CompareRequest(
        model=services.default_model,
        prompt=PROMPTS[number % len(PROMPTS)],
        template="raw",
        specs=LANES,
        max_new_tokens=tokens,
        seed=number,
    )
    session = f"visitor-{number}"
    started = time.perf_counter()
    first_s, text = float("nan"), ""
    try:
        for frame in services.run(session, request):
            text = frame.ndjson
            if math.isnan(first_s) and _TOKEN in text:
                first_s = time.perf_counter() - started
        traces = services.latest_traces(session)
    except ExplorerError as error:
        return Visit(first_s, time.perf_counter() - started, 0, str(error))
    made = sum(len(trace.steps) for trace in traces)
    problem = "" if all(t.steps for t in traces) and len(traces) == len(LANES) else "cut short"
    return Visit(first_s, time.perf_counter() - started, made, problem)
