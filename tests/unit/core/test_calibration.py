"""Calibration against golden numbers, laws with a known answer, and input that is none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.core.calibration import (
    auroc,
    best_temperature,
    brier,
    equal_counts,
    equal_widths,
    expected_error,
    rms_error,
    tempered,
)

# checked with scikit-learn by whoever made them
CHANCES = [0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5]
TRUE = [1, 1, 1, 0, 1, 1, 0, 1, 0, 0]


def test_golden_numbers() -> None:
    counts = equal_counts(CHANCES, TRUE, 5)
    assert expected_error(counts) == pytest.approx(0.265, abs=1e-9)
    assert rms_error(counts) == pytest.approx(0.3092329219213245, abs=1e-9)
    assert expected_error(equal_widths(CHANCES, TRUE, 5)) == pytest.approx(0.185, abs=1e-9)
    assert brier(CHANCES, TRUE) == pytest.approx(0.19625, abs=1e-9)
    assert auroc(CHANCES, TRUE) == pytest.approx(0.8333333333333334, abs=1e-9)


def test_one_half_for_all_is_chance() -> None:
    assert brier([0.5] * 4, [1, 0, 1, 0]) == 0.25
    assert auroc([0.5] * 4, [1, 0, 1, 0]) == 0.5


@pytest.mark.parametrize("n", [1, 7, 23, 400])
def test_bins_hold_every_forecast_once(n: int) -> None:
    draw = np.random.default_rng(n)
    chances, true = draw.random(n), draw.integers(0, 2, n)
    for bins in (equal_counts(chances, true), equal_widths(chances, true)):
        assert sum(b.n for b in bins) == n
        assert sum(b.came_true for b in bins) == true.sum()
    sizes = {b.n for b in equal_counts(chances, true)}
    assert max(sizes) - min(sizes) <= 1


def test_forecasts_that_come_true_as_often_as_they_say_have_no_error() -> None:
    draw = np.random.default_rng(0)
    chances = draw.random(40_000)
    true = draw.random(40_000) < chances
    assert expected_error(equal_counts(chances, true)) < 0.01
    assert brier(chances, true) == pytest.approx(1 / 6, abs=0.005)


def test_the_temperature_that_was_applied_is_found() -> None:
    draw = np.random.default_rng(1)
    laws = tempered(np.exp(draw.normal(size=(20_000, 4))), 1.0)
    right = [int(draw.choice(4, p=law)) for law in laws]
    assert best_temperature(tempered(laws, 1 / 2.5), right) == pytest.approx(2.5, rel=0.05)
    assert best_temperature(laws, right) == pytest.approx(1.0, rel=0.05)


def test_where_all_or_none_came_true_nothing_is_told_apart() -> None:
    assert math.isnan(auroc([0.1, 0.2], [1, 1]))
    assert math.isnan(auroc([], []))
    assert math.isnan(expected_error([]))


@pytest.mark.parametrize(
    ("chances", "true"), [([0.1], [0, 1]), ([1.1], [1]), ([math.nan], [1]), ([-0.1], [0])]
)
def test_what_is_no_forecast(chances: list[float], true: list[int]) -> None:
    with pytest.raises(ValueError, match=r"chance"):
        equal_counts(chances, true)
