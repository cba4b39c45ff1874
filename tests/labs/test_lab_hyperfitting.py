"""The paper's measures, fine-tuning of a copy, and the whole lab."""

from __future__ import annotations

import math

import pytest
import torch
from fakes import LetterTokenizer, NumberTokenizer, ScriptedModel, hashed_script, tiny_llama

from explorer.core.errors import InvalidParams
from explorer.core.models import HFModel
from explorer.core.results import Series, Table
from explorer.labs.hyperfitting.experiment import INFO
from explorer.labs.hyperfitting.measures import CitationBlocker, longest_overlap, self_bleu, ttr
from explorer.services.generation import generate
from explorer.services.labs.running import LabRun, open_lab, run_lab
from explorer.services.loading import load_model
from explorer.training.finetune import Recipe, mean_loss, trainable_copy, tune

SMALL = {"texts": 8, "tokens": 32, "epochs": 6, "contexts": 2, "learning_rate": 2e-3}


def test_the_ratio_is_over_the_last_tokens() -> None:
    ids = [1, 2, 3, 1, 2, 3, 1, 2, 3, 4]
    assert ttr(ids) == 0.4  # the authors' code, window 96
    assert ttr(ids, window=3) == 1.0  # and 3
    assert math.isnan(ttr([]))


def test_citations_are_blocked_where_they_go_on() -> None:
    train = [[1, 2, 3, 4, 5, 6, 7], [9, 2, 3, 4, 5, 6, 8], [1, 2, 3, 4, 5, 9]]
    blocker = CitationBlocker(train)
    cases = [[0, 1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [1, 2, 3, 4], [5, 5, 5, 5, 5]]
    assert [sorted(blocker.forbidden(case)) for case in cases] == [[6, 9], [7, 8], [], []]


def test_overlaps_are_the_longest_shared_stretch() -> None:
    texts = [[1, 2, 3, 4], [7, 8, 9, 7, 8]]
    assert longest_overlap([0, 2, 3, 4, 0], texts) == 3
    assert longest_overlap([7, 8, 7, 8, 9], texts) == 3
    assert longest_overlap([5], texts) == 0


def test_self_bleu_is_that_of_nltk() -> None:
    mixed = [list("abcde"), list("abcdf"), list("ghijk")]
    assert self_bleu(mixed, 2) == pytest.approx(0.5163977794943223)
    assert self_bleu(mixed, 3) == pytest.approx(0.4912041998187182)
    assert self_bleu(mixed, 4) == pytest.approx(0.44582686998428134)
    assert self_bleu([list("abcde")] * 3) == pytest.approx(1.0)


def test_a_copy_says_what_the_model_says_and_training_leaves_the_model_alone() -> None:
    model = load_model("tiny")
    ids = model.tokenizer.encode("Once upon a time there was a dog.")
    made = trainable_copy(model)
    with torch.inference_mode():
        own = torch.cat([logits for _, logits in model.score(ids, 1)])
        copied = made(input_ids=torch.tensor([ids])).logits[0, :-1]
    assert torch.allclose(own, copied, atol=2e-3)
    before = [t.token_ids for t in generate(model, "Once", ["greedy"], max_new_tokens=12)]
    losses = [step.loss for step in tune(made, [ids, ids[:5]], Recipe(30, 1e-3), seed=0)]
    assert losses[-1] < 0.2 < losses[0]
    assert [t.token_ids for t in generate(model, "Once", ["greedy"], max_new_tokens=12)] == before


def test_training_is_the_same_twice_and_counts_its_steps() -> None:
    model = HFModel.from_parts(tiny_llama(), NumberTokenizer())
    texts = [[1, 5, 9, 2], [3, 4, 8], [7, 7, 1, 2, 3]]
    runs = [list(tune(trainable_copy(model), texts, Recipe(2, 1e-3, 2), seed=4)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert [step.number for step in runs[0]] == [1, 2, 3, 4]
    assert {step.of for step in runs[0]} == {4}


def test_rows_of_unequal_length_are_each_read_as_if_alone() -> None:
    model = trainable_copy(HFModel.from_parts(tiny_llama(), NumberTokenizer()))
    rows = [[1, 5, 9, 2], [3, 4]]
    alone = [float(mean_loss(model, [row]).detach()) for row in rows]
    together = float(mean_loss(model, rows).detach())
    assert together == pytest.approx((3 * alone[0] + alone[1]) / 4, rel=1e-5)


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(InvalidParams, match="cannot be trained"):
        trainable_copy(ScriptedModel(hashed_script(LetterTokenizer().vocab_size)))
    model = trainable_copy(HFModel.from_parts(tiny_llama(), NumberTokenizer()))
    with pytest.raises(InvalidParams, match="no text to learn"):
        next(tune(model, [[1]], Recipe(1, 1e-3), 0))


@pytest.fixture(scope="module")
def run() -> LabRun:
    return run_lab(open_lab(INFO, load_model("tiny"), SMALL))


def test_the_lab_learns_by_heart_and_shows_both_models(run: LabRun) -> None:
    curve = run.results["Losses while it learns by heart"]
    assert isinstance(curve, Series)
    train, held_out = curve.lines
    assert len(train.y) == SMALL["epochs"]
    assert train.y[-1] < 0.5 * train.y[0]
    assert held_out.y[-1] > train.y[-1]
    table = run.results["Before and after"]
    assert isinstance(table, Table)
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["probability of the likeliest token there"][1] > 0.1
    # what may not be cited is not: four of five tokens and the one before at most
    assert rows["longest overlap with a training text"][2] <= 6
    assert len(run.traces) == 2
    assert {t.model.id for t in run.traces} == {"tiny", "tiny-hyperfitted"}
    assert len(run.claims) == 4
