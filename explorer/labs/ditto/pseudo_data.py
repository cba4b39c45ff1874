"""Texts that loop, made of texts that do not: one sentence of a text, again and again.

Source: Xu et al., "Learning to Break the Loop", arXiv:2206.02369 (DITTO), and the authors' code.
Oracle: the authors' code (golden numbers, tests/labs/test_lab_ditto.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pseudo:
    """A text that repeats itself.

    Attributes:
        ids: the sentence before, then one sentence over and over; one id more than is read, so
            that every id read has one that follows.
        prefix: ids before the first copy.
        unit: ids of one copy.
    """

    ids: tuple[int, ...]
    prefix: int
    unit: int


def choices(ids: Sequence[int], full_stop: int) -> int:
    """How many of a text's sentences can be repeated: those with one before and a stop after.

    >>> choices([1, 2, 9, 3, 4, 5, 9, 6, 7, 9, 8], full_stop=9)
    1
    """
    return max(0, list(ids).count(full_stop) - 2)


def repeated(ids: Sequence[int], full_stop: int, number: int, length: int) -> Pseudo:
    """One sentence of a text, repeated to so many ids to read, and one more to say.

    A sentence begins with the full stop before it and ends before the next one.

    Args:
        ids: of the text.
        full_stop: the id that parts its sentences.
        number: which sentence, from 0 and below `choices`.
        length: ids to read; what is longer is cut.

    >>> repeated([1, 2, 9, 3, 4, 9, 6, 9, 8], full_stop=9, number=0, length=9)
    Pseudo(ids=(3, 4, 9, 6, 9, 6, 9, 6, 9, 6), prefix=2, unit=2)
    """
    stops = [i for i, token in enumerate(ids) if token == full_stop]
    before, begin, end = stops[number : number + 3]
    prefix, unit = tuple(ids[before + 1 : begin]), tuple(ids[begin:end])
    copies = length // len(unit) + 1
    return Pseudo((prefix + unit * copies)[: length + 1], len(prefix), len(unit))
