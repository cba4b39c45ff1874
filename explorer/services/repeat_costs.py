"""What it costs to find all repeated spans: the suffix automaton against a scan of all pairs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.analyzers.repeats import repeated_spans


@dataclass(frozen=True, slots=True)
class RepeatCosts:
    """Seconds on this machine, medians of the rounds.

    Attributes:
        tokens: of the text both read.
        automaton: seconds of `repeated_spans`.
        scan: seconds of `scanned`.
        long_tokens: of a text that only the automaton read.
        long: its seconds there.
        agree: both found the same stretches.
    """

    tokens: int
    automaton: float
    scan: float
    long_tokens: int
    long: float
    agree: bool

    @property
    def ratio(self) -> float:
        """How many times as long the scan took."""
        return self.scan / self.automaton


def scanned(tokens: Sequence[int], min_length: int = 2) -> set[tuple[int, ...]]:
    """The maximal repeats by comparing all pairs of places: O(n^2) and more."""
    found, n = set(), len(tokens)
    for lag in range(1, n):
        run = 0
        for i in range(n - lag + 1):
            if i < n - lag and tokens[i] == tokens[i + lag]:
                run += 1
                continue
            if run >= min_length:
                found.add(tuple(tokens[i - run : i]))
            run = 0
    return found


def repeat_costs(
    tokens: int = 2_000, long_tokens: int = 100_000, rounds: int = 5, seed: int = 0
) -> RepeatCosts:
    """Measure both, in turn, on words drawn by Zipf's law with a planted loop at the end."""
    short, long = (_text(n, seed) for n in (tokens, long_tokens))
    times: dict[str, list[float]] = {"automaton": [], "scan": [], "long": []}
    agree = True
    for _ in range(rounds):
        started = time.perf_counter()
        spans = repeated_spans(short)
        times["automaton"].append(time.perf_counter() - started)
        started = time.perf_counter()
        pairs = scanned(short)
        times["scan"].append(time.perf_counter() - started)
        started = time.perf_counter()
        repeated_spans(long)
        times["long"].append(time.perf_counter() - started)
        agree &= {tuple(short[s.first : s.first + s.length]) for s in spans} == pairs
    middle = {name: float(np.median(seconds)) for name, seconds in times.items()}
    return RepeatCosts(
        tokens, middle["automaton"], middle["scan"], long_tokens, middle["long"], agree
    )


def _text(tokens: int, seed: int) -> list[int]:
    words = np.random.default_rng(seed).zipf(1.2, tokens).clip(max=49_151).tolist()
    unit = words[:20]
    loop = tokens // 10
    return [*words[: tokens - loop], *(unit[i % len(unit)] for i in range(loop))]
