"""P(True) and P(IK) against golden numbers, a judge that is known, and the whole lab."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from explorer.core.calibration import auroc
from explorer.core.errors import InvalidParams
from explorer.core.results import Points, Table
from explorer.labs.self_knowledge.almanac import EXPOSURES, MOST, almanac, readings
from explorer.labs.self_knowledge.experiment import INFO
from explorer.labs.self_knowledge.forecasts import Forecasts, resampled
from explorer.labs.self_knowledge.general import MOST as GENERAL
from explorer.labs.self_knowledge.general import QUESTIONS, general
from explorer.labs.self_knowledge.laws import answer_laws, last_states, letter_laws, two_letters
from explorer.labs.self_knowledge.probe import cross_entropy, fit
from explorer.labs.self_knowledge.question import Question, answer_in, asked, judged, lettered
from explorer.services.labs.running import LabRun, open_lab, run_lab
from explorer.services.loading import load_model

SMALL = {"count": 8, "samples": 6, "queries": 1}
ICE = Question("Which is cold?", "ice", ("fire", "ice", "steam", "sand"))


def test_golden_numbers() -> None:
    share, mass = two_letters(-0.7, -1.5)
    assert share == pytest.approx(0.6899744811276125, abs=1e-12)
    assert mass == pytest.approx(0.7197154639398393, abs=1e-12)
    assert cross_entropy(0.7, [1] * 18 + [0] * 12) == pytest.approx(0.695594088093614, abs=1e-9)


def test_prompts_are_the_papers() -> None:
    assert judged(ICE, "sand").splitlines()[-4:] == [
        "Is the possible answer:",
        " (A) True",
        " (B) False",
        "The possible answer is: (",
    ]
    assert " (A) False\n (B) True\n" in judged(ICE, "sand", swapped=True)
    assert "ideas: ice, ice, fire\n" in judged(ICE, "ice", ["ice", "ice", "fire"])
    assert lettered(ICE).endswith("\n (D) sand\nAnswer: (")


def test_answers_are_read_up_to_their_first_mark() -> None:
    assert [answer_in(x) for x in (" ice.", " ice, and", " ice\nQ", " ice", "")] == [
        "ice", "ice", "ice", "ice", "",
    ]  # fmt: skip
    assert ICE.answered_by("Ice")
    assert not ICE.answered_by("")


def test_laws_are_those_of_one_plain_forward() -> None:
    model = load_model("tiny")
    prompts = [judged(ICE, "sand"), judged(ICE, "ice", ["ice", "fire"]), lettered(ICE)]
    found = letter_laws(model, "", prompts, "AB")
    for prompt, row in zip(prompts, found, strict=True):
        ids = model.tokenizer.encode(prompt)
        with torch.no_grad():
            law = model.model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        letters = [model.tokenizer.encode_continuation(letter)[0] for letter in "AB"]
        assert row.tolist() == pytest.approx(law[letters].tolist(), abs=1e-4)
    (one,) = answer_laws(model, asked(ICE), ["ice"])
    ids = model.tokenizer.encode(asked(ICE))
    whole = [*ids, *model.tokenizer.encode_continuation(" ice.")]
    with torch.no_grad():
        law = model.model(torch.tensor([whole])).logits[0].log_softmax(-1)
    expected = sum(float(law[i - 1, whole[i]]) for i in range(len(ids), len(whole)))
    assert one == pytest.approx(expected, abs=1e-4)
    states = last_states(model, prompts[:1])
    assert states.shape == (1, model.model.config.hidden_size)


def test_a_probe_finds_a_direction_that_is_there_and_none_where_there_is_none() -> None:
    draw = torch.Generator().manual_seed(0)
    states = torch.randn(400, 32, generator=draw)
    rates = torch.sigmoid(3 * states[:, 4]).tolist()
    right = [rate > 0.5 for rate in rates[200:]]
    probe = fit(states[:200], rates[:200])
    assert auroc(probe.chances(states[200:]), right) > 0.95
    noise = torch.rand(200, generator=draw).tolist()
    blind = fit(states[:200], noise)
    assert 0.35 < auroc(blind.chances(states[200:]), right) < 0.65
    assert blind.penalty == max(1.0, blind.penalty)


def test_an_interval_resamples_whole_questions() -> None:
    # ten answers to a question say no more than one where they all agree
    owners = tuple(np.repeat(range(8), 10).tolist())
    chances = tuple(np.repeat([0.9, 0.8, 0.3, 0.6, 0.7, 0.2, 0.1, 0.4], 10).tolist())
    true = tuple(np.repeat([1, 1, 1, 1, 0, 0, 0, 0], 10).astype(bool).tolist())
    many = Forecasts("many", chances, true, owners).area()
    one = Forecasts("one", chances[::10], true[::10], tuple(range(8))).area()
    assert (many.value, many.low, many.high) == pytest.approx((one.value, one.low, one.high))
    both = [Forecasts("a", chances, true, owners)] * 2
    same = resampled(both, lambda x: auroc(x[0].chances, x[0].came_true) - auroc(
        x[1].chances, x[1].came_true), 80)  # fmt: skip
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_the_almanac_tells_of_a_person_as_often_as_of_another_fact_of_hers() -> None:
    made = almanac(MOST, 3)
    assert len({q.text for q in made}) == MOST
    assert almanac(50, 3) == made[:50]
    assert all(len(set(q.options)) == 4 and q.answer in q.options for q in made)
    fame = {q.text.split()[2]: set() for q in made}
    for q in made:
        fame[q.text.split()[2]].add(q.exposures)
    assert {n for numbers in fame.values() for n in numbers} == set(EXPOSURES)
    assert len(list(readings(made))) == sum(q.exposures or 0 for q in made)


def test_general_questions_are_whole_and_none_is_asked_twice() -> None:
    assert all(len(row) == 5 and len(set(row)) == 5 for row in QUESTIONS)
    made = general(GENERAL, 0)
    assert len({q.text for q in made}) == GENERAL
    assert {q.right for q in made} == {0, 1, 2, 3}


@pytest.fixture(scope="module")
def run() -> LabRun:
    return run_lab(open_lab(INFO, load_model("tiny"), SMALL))


def test_the_whole_lab(run: LabRun) -> None:
    table = run.results["How well it knows"]
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows][-3:] == [
        "P(True)", "P(True), own answers shown", "P(IK), before it answers",
    ]  # fmt: skip
    reliability = next(r for r in run.results.values() if isinstance(r, Points))
    assert reliability.diagonal
    assert len(run.claims) == 3
    assert set(run.tuned) == {"tiny-self-knowledge"}
    assert run.done
    assert not run.stopped


def test_the_same_seed_gives_the_same_numbers(run: LabRun) -> None:
    again = run_lab(open_lab(INFO, load_model("tiny"), SMALL))
    for statement, claim in run.claims.items():
        other = again.claims[statement].measured.value
        assert claim.measured.value == other or math.isnan(other)


def test_general_questions_train_nothing() -> None:
    given = {**SMALL, "questions": "general"}
    found = run_lab(open_lab(INFO, load_model("tiny"), given))
    assert not found.tuned
    assert found.claims


@pytest.mark.parametrize(
    "wrong",
    [{"count": 7}, {"samples": 2}, {"questions": "sums"}, {"learning_rate": 0}, {"queries": 99}],
)
def test_parameters_out_of_bounds(wrong) -> None:
    with pytest.raises(InvalidParams):
        open_lab(INFO, load_model("tiny"), wrong)
