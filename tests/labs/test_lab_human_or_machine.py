"""The statistic against its definition, its pieces, and the whole lab on the shipped model."""

from __future__ import annotations

import math

import numpy as np
import pytest

from explorer.analyzers.profile import surprise
from explorer.core.errors import InvalidParams
from explorer.core.intervals import mean_of
from explorer.core.results import Series, Table
from explorer.labs.human_or_machine.experiment import GIVEN, INFO, OWN
from explorer.labs.human_or_machine.statistics import auc, decay, statistic, windows
from explorer.services.generation import generate
from explorer.services.labs.running import LabRun, open_lab, run_lab
from explorer.services.loading import load_model

SMALL = {"openings": 3, "draws": 3, "tokens": 24}


@pytest.fixture(scope="module")
def tiny():
    return load_model("tiny")


@pytest.fixture(scope="module")
def run(tiny) -> LabRun:
    return run_lab(open_lab(INFO, tiny, {**SMALL, "text": "The cat sat.", "other": "tiny"}))


def test_the_statistic_is_that_of_the_profile(tiny) -> None:
    (trace,) = generate(tiny, "Once", ["ancestral"], max_new_tokens=30, seed=3)
    assert statistic(trace.steps) == pytest.approx(surprise(trace.steps).statistic)
    parts = windows(trace.steps, 7)
    assert len(parts) == len(trace.steps) // 7
    assert parts[1] == pytest.approx(statistic(trace.steps[7:14]))


def test_draws_have_a_statistic_of_zero_in_expectation(tiny) -> None:
    traces = generate(tiny, "Once", ["ancestral"] * 8, max_new_tokens=60, seed=1)
    found = mean_of([statistic(t.steps) for t in traces])
    assert found.low < 0 < found.high


def test_an_area_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(0)
    low, high = rng.normal(size=30).tolist(), rng.normal(1, size=40).tolist()
    pairs = [(h > x) + 0.5 * (h == x) for h in high for x in low]
    assert auc(low, high) == pytest.approx(sum(pairs) / len(pairs))
    assert auc([1.0], [1.0]) == 0.5
    assert math.isnan(auc([], [1.0]))


def test_a_mean_has_students_interval() -> None:
    found = mean_of([1.0, 2.0, 3.0])
    assert found.value == 2.0
    assert found.high - 2.0 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-5)
    assert mean_of([5.0]).high == math.inf
    with pytest.raises(InvalidParams, match="nothing to average"):
        mean_of([])


def test_only_a_falling_share_falls_exponentially() -> None:
    lengths, sizes = [10, 20, 30, 40], [1000] * 4
    assert decay(lengths, [100, 200, 400, 800], sizes).r2 == 0.0
    assert decay(lengths, [800, 400, 200, 100], sizes).rate == pytest.approx(math.log(2) / 10)
    # lengths at which nothing is left say nothing
    assert decay(lengths, [800, 400, 200, 3], sizes).points == 3
    assert math.isnan(decay(lengths, [800, 4, 3, 2], sizes).r2)


def test_the_lab_shows_its_pictures_and_its_claims(run: LabRun) -> None:
    assert run.done
    table = run.results["Whose text is it?"]
    assert isinstance(table, Table)
    counts = {row[0]: row[1] for row in table.rows}
    assert (counts[GIVEN], counts[OWN], counts["greedy"]) == (3, 9, 3)
    errors = run.results["Errors of the threshold by length"]
    assert isinstance(errors, Series)
    assert all(0 <= y <= 1 for line in errors.lines for y in line.y)
    assert len(run.claims) == 4
    assert all(math.isfinite(c.threshold) for c in run.claims.values())


def test_text_of_ones_own_and_a_second_model_are_judged(run: LabRun) -> None:
    assert "T of your text" in run.results
    found = run.results["Which of the two wrote it?"]
    # a model against itself is never likelier than itself
    assert isinstance(found, Table)
    assert [row[2] for row in found.rows] == [0.0, 0.0]


def test_greedy_text_is_above_zero_and_apart(run: LabRun) -> None:
    claim = run.claims["Greedy text is clearly apart."]
    assert claim.measured.value == 1.0
    table = run.results["Whose text is it?"]
    means = {row[0]: row[2] for row in table.rows}
    assert means["greedy"] > means["temperature 0.7"] > means[OWN]
