"""Sums of two numbers, worked out digit by digit: answers that can be checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from explorer.decoders.best_of_n import answer_of


@dataclass(frozen=True, slots=True)
class Problem:
    """a + b, both from 10 to 99."""

    a: int
    b: int

    @property
    def question(self) -> str:
        """As the model reads it."""
        return f"{self.a}+{self.b}:"

    @property
    def solution(self) -> str:
        """As it is taught: ones, tens with the carry, and the sum.

        >>> Problem(47, 38).solution
        ' 7+8=15, 4+3+1=8, 85.'
        """
        ones = self.a % 10 + self.b % 10
        carry = ones // 10
        tens = self.a // 10 + self.b // 10 + carry
        return (
            f" {self.a % 10}+{self.b % 10}={ones},"
            f" {self.a // 10}+{self.b // 10}+{carry}={tens}, {self.a + self.b}."
        )

    @property
    def answer(self) -> str:
        """The right one."""
        return str(self.a + self.b)


def said(text: str) -> str | None:
    """The answer of a text: the last number before its first full stop; None where none is.

    >>> said(" 7+8=15, 4+3+1=8, 85. 12+"), said(" well"), said("")
    ('85', 'well', None)
    """
    return answer_of(text.partition(".")[0])


def problems(count: int, seed: int) -> list[Problem]:
    """Different problems, drawn without replacement.

    Args:
        count: at most 8,100.
        seed: decides which.
    """
    places = np.random.default_rng(seed).choice(90 * 90, count, replace=False)
    return [Problem(10 + int(i) // 90, 10 + int(i) % 90) for i in places]


def lessons(held_out: list[Problem], seed: int) -> Iterator[Problem]:
    """Problems to learn from, without end; those that are asked later are never among them."""
    kept = set(held_out)
    draw = np.random.default_rng([seed, 1])
    while True:
        a, b = draw.integers(10, 100, 2).tolist()
        problem = Problem(a, b)
        if problem not in kept:
            yield problem
