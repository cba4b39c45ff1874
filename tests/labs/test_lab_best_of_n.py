"""Selectors against the authors' numbers, the task's judge, and the whole lab."""

from __future__ import annotations

import math
from itertools import islice

import pytest
import torch

from explorer.core.results import Series, Table
from explorer.labs.best_of_n.experiment import INFO, accuracy
from explorer.labs.best_of_n.selectors import SELECTORS, Sample, self_certainty
from explorer.labs.best_of_n.task import Problem, lessons, problems, said
from explorer.services.labs.running import LabRun, open_lab, run_lab
from explorer.services.loading import load_model

SMALL = {"problems": 8, "samples": 4, "steps": 6}


def samples(*rows: tuple[str | None, float, float]) -> list[Sample]:
    return [Sample(*row) for row in rows]


def test_certainty_is_the_authors() -> None:
    laws = torch.tensor([[0.25] * 4, [0.97, 0.01, 0.01, 0.01]]).log()
    assert self_certainty(laws).tolist() == pytest.approx([0.0, 2.0752], abs=1e-4)
    # the direction is uniform || law, and any constant added to logits changes nothing
    kl = sum(0.25 * (math.log(0.25) - float(x)) for x in laws[1])
    assert float(self_certainty(laws[1] + 7)) == pytest.approx(kl, abs=1e-5)


def test_selectors_take_what_they_say() -> None:
    found = samples(
        ("7", -3.0, 1.0), ("9", -1.0, 2.0), ("3", -2.0, 9.0), ("7", -4.0, 1.5), (None, -0.5, 3.0)
    )
    taken = {name: select(found, 1.0) for name, select in SELECTORS.items()}
    assert taken["first answer"] == "7"
    assert taken["perplexity"] is None  # the likeliest text has no answer
    assert taken["self-certainty"] == "3"
    assert taken["self-consistency"] == "7"
    # ranks by certainty are 3, None, 9, 7, 7: votes 5, (4), 3, 2 + 1
    assert taken["Borda by self-certainty"] == "3"
    assert SELECTORS["Borda by self-certainty"](found, 0.0) == "7"


def test_of_equal_counts_the_first_answer_wins_and_none_is_no_answer() -> None:
    found = samples(("1", 0, 0.0), ("2", 0, 9.0))
    assert SELECTORS["self-consistency"](found, 0.0) == "1"
    nothing = samples((None, 0, 0.0))
    assert [select(nothing, 1.0) for select in SELECTORS.values()] == [None] * len(SELECTORS)


def test_solutions_are_right_and_are_read_back() -> None:
    for problem in problems(200, 3):
        assert said(problem.solution) == problem.answer == str(problem.a + problem.b)
    assert said(" 1+2=3, 4") == "4"
    assert said(".") is None


def test_what_is_asked_is_never_taught() -> None:
    asked = problems(150, 0)
    assert len(set(asked)) == 150
    taught = list(islice(lessons(asked, 0), 3_000))
    assert not set(asked) & set(taught)
    assert list(islice(lessons(asked, 0), 50)) == taught[:50]


def test_accuracy_counts_groups_of_every_problem() -> None:
    right, wrong = Sample("30", 0.0, 0.0), Sample("1", 0.0, 0.0)
    answered = [(Problem(10, 20), [right, wrong, wrong, right]), (Problem(11, 19), [wrong] * 4)]
    assert accuracy(answered, "first answer", 1, 1.0).value == 0.25
    assert accuracy(answered, "first answer", 2, 1.0).value == 0.25
    assert accuracy(answered, "first answer", 4, 1.0).value == 0.5


@pytest.fixture(scope="module")
def run() -> LabRun:
    return run_lab(open_lab(INFO, load_model("tiny"), SMALL))


def test_the_lab_asks_every_selector(run: LabRun) -> None:
    table = run.results["Accuracies"]
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == list(SELECTORS)
    curves = run.results["Accuracy over the number of answers"]
    assert isinstance(curves, Series)
    (covered,) = [line for line in curves.lines if line.name == "some answer is right"]
    for line in curves.lines:
        assert all(a <= b + 1e-9 for a, b in zip(line.y, covered.y, strict=True))
    assert len(run.claims) == 2
    assert {t.model.id for t in run.traces} == {"tiny-sums"}
