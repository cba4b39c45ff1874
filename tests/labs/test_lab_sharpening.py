"""The closed form against enumeration, its helpers, and the whole lab."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.core.results import Table
from explorer.labs.sharpening.experiment import INFO
from explorer.labs.sharpening.selection import (
    chi_square,
    draws_needed,
    expected_best,
    selection_law,
)
from explorer.services.labs.running import LabRun, open_lab, run_lab
from explorer.services.loading import load_model

SMALL = {"openings": 2, "rounds": 64, "n": 4, "tokens": 8, "epochs": 2}


def enumerated(p: list[float], n: int) -> np.ndarray:
    """Every sequence of draws, ties shared."""
    found = np.zeros(len(p))
    for draws in product(range(len(p)), repeat=n):
        best = max(p[i] for i in draws)
        tied = [i for i in draws if p[i] == best]
        for i in tied:
            found[i] += np.prod([p[j] for j in draws]) / len(tied)
    return found


@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(1, 5))
@settings(deadline=None)
def test_the_law_of_the_best_is_the_enumeration(weights, n) -> None:
    p = np.array(weights) / sum(weights)
    assert selection_law(p, n) == pytest.approx(enumerated(p.tolist(), n), abs=1e-12)
    assert selection_law(p, n).sum() == pytest.approx(1.0)


def test_figures_of_the_specification_come_out() -> None:
    p = np.array([0.4, 0.3, 0.2, 0.1])
    assert selection_law(p, 5) == pytest.approx([0.92224, 0.07533, 0.00242, 1e-5])
    assert selection_law(p, 50)[0] == pytest.approx(0.9999999999919116)
    # greedy takes the first half of the tree; the best of many finds the likeliest path
    paths = np.array([0.3, 0.3, 0.4])
    assert [float(selection_law(paths, n)[2]) for n in (1, 4, 10)] == pytest.approx(
        [0.4, 0.8704, 0.9939533824]
    )
    assert draws_needed(0.4, 0.05) == 6
    assert draws_needed(1.0, 0.05) == 1


@given(st.lists(st.floats(-9, 9), min_size=2, max_size=8), st.data())
def test_the_expected_best_is_the_mean_over_subsets(values, data) -> None:
    n = data.draw(st.integers(1, len(values)))
    wanted = np.mean([max(c) for c in combinations(values, n)])
    assert expected_best(values, n) == pytest.approx(wanted, abs=1e-9)


def test_counts_of_a_law_pass_and_of_another_do_not() -> None:
    law = np.array([0.5, 0.3, 0.15, 0.05])
    counts = np.bincount(np.random.default_rng(0).choice(4, 2_000, p=law), minlength=4)
    assert chi_square(counts.tolist(), law) > 0.01
    assert chi_square(counts.tolist(), law[::-1].copy()) < 1e-9
    assert chi_square([30, 1], np.array([1.0, 0.0])) == 0.0
    assert chi_square([7], np.array([1.0])) == 1.0


@pytest.fixture(scope="module")
def run() -> LabRun:
    return run_lab(open_lab(INFO, load_model("tiny"), SMALL))


def test_the_lab_counts_draws_and_trains_a_copy(run: LabRun) -> None:
    table = next(r for n, r in run.results.items() if n.startswith("The ten likeliest"))
    assert isinstance(table, Table)
    assert len(table.rows) == 10
    assert [row[1] for row in table.rows] == sorted((row[1] for row in table.rows), reverse=True)
    assert run.claims["The law of the best of N is F(y)^N - F(<y)^N."].holds
    assert run.claims["A model trained on its own best answers draws likelier ones."]
    assert {t.model.id for t in run.traces} == {"tiny", "tiny-sharpened"}
