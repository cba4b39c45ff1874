"""Forecasts that a model made of itself: how they are measured, with intervals over questions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.core.calibration import auroc, brier, equal_counts, expected_error, rms_error
from explorer.core.intervals import Figure

_RESAMPLES = 400


@dataclass(frozen=True, slots=True)
class Forecasts:
    """Chances that were given, and whether each came true.

    Attributes:
        name: of the way they were asked for.
        chances: [n], 0 to 1.
        came_true: [n].
        questions: [n]: which question each belongs to; those of one go together.
    """

    name: str
    chances: tuple[float, ...]
    came_true: tuple[bool, ...]
    questions: tuple[int, ...]

    def area(self) -> Figure:
        """AUROC with its 95 % interval."""
        return resampled(
            [self], lambda one: auroc(one[0].chances, one[0].came_true), len(self.chances)
        )

    def row(self) -> tuple[str, float, float, float, float, float, float, float, int]:
        """A row of the table: share true, ECE, RMS, Brier, AUROC and its interval, n."""
        bins = equal_counts(self.chances, self.came_true)
        area = self.area()
        return (
            self.name,
            float(np.mean(self.came_true)),
            expected_error(bins),
            rms_error(bins),
            brier(self.chances, self.came_true),
            area.value,
            area.low,
            area.high,
            len(self.chances),
        )

    def only(self, places: Sequence[int]) -> Forecasts:
        """Some of them, in this order."""
        return Forecasts(
            self.name,
            tuple(self.chances[i] for i in places),
            tuple(self.came_true[i] for i in places),
            tuple(self.questions[i] for i in places),
        )


COLUMNS = (
    "asked", "came true", "ECE", "RMS error", "Brier", "AUROC", "from", "to", "n",
)  # fmt: skip


def resampled(
    kinds: Sequence[Forecasts], figure: Callable[[Sequence[Forecasts]], float], n: int
) -> Figure:
    """A figure of forecasts about the same questions, its interval by resampling questions.

    Args:
        kinds: forecasts in the same order of questions; those of one question go together.
        figure: from such forecasts to a number; NaN where it has none.
        n: what to say it was counted among.
    """
    draw = np.random.default_rng(0)
    owners = np.asarray(kinds[0].questions)
    of = {question: np.flatnonzero(owners == question) for question in np.unique(owners).tolist()}
    names = list(of)
    found = []
    for _ in range(_RESAMPLES):
        taken = [names[i] for i in draw.integers(len(names), size=len(names))]
        places = np.concatenate([of[name] for name in taken]).tolist()
        found.append(figure([kind.only(places) for kind in kinds]))
    # A figure has no number where all, or none, of what was taken came true.
    numbers = [x for x in found if not math.isnan(x)] or [math.nan]
    low, high = (float(x) for x in np.quantile(numbers, (0.025, 0.975)))
    return Figure(figure(kinds), low, high, n)
