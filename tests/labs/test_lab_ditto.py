"""The loss and its texts against the authors' code, and the whole lab."""

from __future__ import annotations

import threading

import pytest
import torch
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.core.errors import InvalidParams
from explorer.core.lab import LabStopped, Progress
from explorer.core.results import Series, Table
from explorer.core.types import ParamValue
from explorer.labs.ditto.experiment import INFO, DittoParams, _trained, _window
from explorer.labs.ditto.loss import Form, ditto_loss
from explorer.labs.ditto.pseudo_data import Pseudo, choices, repeated
from explorer.services.generation import generate
from explorer.services.labs.context import RunningLab
from explorer.services.labs.running import LabRun, open_lab, run_lab
from explorer.services.loading import load_model
from explorer.training.continuations import continuations
from explorer.training.finetune import trainable_copy

SMALL: dict[str, ParamValue] = {
    "texts": 8, "tokens": 64, "steps": 6, "contexts": 2, "batch": 2,
    "learning_rate": 1e-3, "gamma": 0.0,
}  # fmt: skip
# Numbers of the authors' code: Jxu-Thu/DITTO@35f5a22,
# fairseq/custom/repetetion_penalty_accum_loss.py, its class run with fairseq's imports stubbed.
PROBABILITIES = [0.2, 0.1, 0.3, 0.1, 0.05, 0.5, 0.4, 0.04, 0.9, 0.05, 0.6]
TEXT = [1, 2, 9, 3, 4, 5, 9, 6, 7, 9, 8, 1, 9, 2, 3, 4]
THREE_COPIES = Pseudo(tuple(range(12)), prefix=2, unit=3)


@pytest.mark.parametrize(
    ("form", "expected"), [("nl", 2.956521091696133), ("nl_clip", 2.7940021621983577)]
)
def test_the_loss_is_the_authors(form: Form, expected: float) -> None:
    total, count = ditto_loss(torch.tensor([PROBABILITIES]), [THREE_COPIES], 0.5, form)
    assert float(total) == pytest.approx(expected, abs=1e-6)
    assert count == 6


def test_squares_are_of_all_places_and_three_times() -> None:
    total, count = ditto_loss(torch.tensor([PROBABILITIES]), [THREE_COPIES], 0.5, "mse")
    before = [0.0] * 5 + PROBABILITIES[2:8]
    slow = 3 * sum((p - 0.5 * b) ** 2 for p, b in zip(PROBABILITIES, before, strict=True))
    assert float(total) == pytest.approx(slow, rel=1e-6)
    assert count == 6


def test_rows_of_other_shapes_are_each_as_if_alone() -> None:
    rows = torch.rand((3, 11), generator=torch.Generator().manual_seed(0))
    texts = [THREE_COPIES, Pseudo((), prefix=0, unit=1), Pseudo((), prefix=4, unit=5)]
    alone = [ditto_loss(rows[i : i + 1], texts[i : i + 1], 0.9) for i in range(3)]
    total, count = ditto_loss(rows, texts, 0.9)
    assert float(total) == pytest.approx(sum(float(t) for t, _ in alone), rel=1e-5)
    assert count == sum(n for _, n in alone) == 6 + 10 + 2


def test_nothing_is_learnt_through_the_copy_before_or_the_first_copy() -> None:
    rows = torch.tensor([PROBABILITIES], requires_grad=True)
    ditto_loss(rows, [THREE_COPIES], 0.5)[0].backward()
    assert rows.grad is not None
    # d/dp of -log(1 - |p - b|) is its sign over 1 - |p - b|, and no term of a later copy.
    signs = [0.0] * 5
    for p, before in zip(PROBABILITIES[5:], PROBABILITIES[2:8], strict=True):
        over = p - 0.5 * before
        signs.append((1 if over > 0 else -1) / (1 - abs(over)))
    assert rows.grad[0].tolist() == pytest.approx(signs, rel=1e-4)


def test_a_certain_loop_costs_no_infinity() -> None:
    total, _ = ditto_loss(torch.ones((1, 6)), [Pseudo((), 0, 2)], 0.0)
    assert torch.isfinite(total)


@pytest.mark.parametrize(
    ("number", "prefix", "unit", "src"),
    [
        (1, 2, 3, [6, 7, 9, 8, 1, 9, 8, 1, 9, 8, 1, 9, 8, 1, 9, 8, 1]),
        (0, 3, 3, [3, 4, 5, 9, 6, 7, 9, 6, 7, 9, 6, 7, 9, 6, 7, 9, 6]),
    ],
)
def test_texts_loop_as_the_authors(number: int, prefix: int, unit: int, src: list[int]) -> None:
    assert choices(TEXT, full_stop=9) == 2
    assert repeated(TEXT, 9, number, len(TEXT)) == Pseudo(tuple(src), prefix, unit)


def test_a_text_of_two_stops_has_nothing_to_repeat() -> None:
    assert [choices(ids, 9) for ids in ([], [1, 2], [9, 1, 9], [9, 9, 9])] == [0, 0, 0, 1]
    assert repeated([9, 9, 9], 9, 0, 3) == Pseudo((9, 9, 9, 9), 0, 1)


def test_rows_go_on_as_the_engine_goes_on() -> None:
    model = load_model("tiny")
    prompts = [model.tokenizer.encode(text) for text in ("One day", "The dog", "One big dog sat")]
    made = continuations(model, prompts, 12)
    for prompt, ids in zip(prompts, made, strict=True):
        trace = generate(model, prompt, ["greedy"], max_new_tokens=12 - len(prompt))[0]
        assert ids == [*prompt, *trace.token_ids]
    drawn = [continuations(model, prompts, 12, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(row[: len(ids)] == ids for row, ids in zip(drawn[0], prompts, strict=True))


def test_a_text_keeps_its_end_mark_and_nothing_after_it() -> None:
    ending = ScriptedModel(hashed_script(LetterTokenizer().vocab_size, end=50.0))
    assert continuations(ending, [[3, 4], [5], [3]], 9) == [[3, 4, 0], [5, 0], [3, 0]]


@pytest.fixture(scope="module")
def run() -> LabRun:
    return run_lab(open_lab(INFO, load_model("tiny"), SMALL))


def test_the_lab_trains_a_copy_and_shows_both_models(run: LabRun) -> None:
    losses = run.results["Losses of its two kinds of updates"]
    assert isinstance(losses, Series)
    assert [len(line.x) for line in losses.lines] == [3, 3]
    assert losses.lines[0].x[-1] == 5
    assert losses.lines[1].x[-1] == 6
    curves = run.results["A sentence repeated: how it feeds itself"]
    assert isinstance(curves, Series)
    assert [line.name for line in curves.lines] == [
        f"{kind} {when}" for when in ("before", "after") for kind in ("TP", "IP", "WR")
    ]
    before, after = curves.lines[0].y, curves.lines[3].y
    assert before[-1] > 2 * before[0]  # it feeds itself
    assert after[-1] < before[-1]
    table = run.results["Before and after, with 95 % intervals over texts"]
    assert isinstance(table, Table)
    for row in table.rows:
        value, low, high = (float(cell or 0) for cell in row[1:4])
        assert low <= value <= high
    assert {t.model.id for t in run.traces} == {"tiny", "tiny-ditto"}
    assert len(run.claims) == 2


def test_the_model_that_is_given_stays_as_it_is(run: LabRun) -> None:
    text = generate(load_model("tiny"), "Once", ["greedy"], max_new_tokens=12)[0].token_ids
    assert text == generate(run.model, "Once", ["greedy"], max_new_tokens=12)[0].token_ids


def test_it_stops_while_it_draws() -> None:
    cancel = threading.Event()
    found = run_lab(
        open_lab(INFO, load_model("tiny"), {**SMALL, "texts": 512, "tokens": 256}),
        cancel=cancel,
        on_update=lambda _: cancel.set(),
    )
    assert found.stopped
    assert found.seconds < 2
    assert not found.claims


def test_it_stops_between_two_updates() -> None:
    model, cancel = load_model("tiny"), threading.Event()
    ids = model.tokenizer.encode("A dog. A cat. A bird. It ran.")
    params = DittoParams(steps=40, batch=1, tokens=64)
    updates = _trained(RunningLab(model, 0, cancel), params, trainable_copy(model), [ids])
    assert isinstance(next(updates), Progress)
    cancel.set()
    with pytest.raises(LabStopped):
        list(updates)


def test_texts_without_sentences_are_named_as_the_fault() -> None:
    model = load_model("tiny")
    with pytest.raises(InvalidParams, match="three full stops"):
        next(_trained(RunningLab(model), DittoParams(), trainable_copy(model), [[5, 6, 7]]))


@pytest.mark.parametrize(
    "given",
    [{"gamma": 1.1}, {"gamma": -0.1}, {"steps": 0}, {"learning_rate": 0.0}, {"batch": 0},
     {"texts": 1}, {"contexts": 1}, {"tokens": 16}],
)  # fmt: skip
def test_parameters_out_of_bounds_are_refused(given: dict[str, ParamValue]) -> None:
    with pytest.raises(InvalidParams, match=next(iter(given))):
        open_lab(INFO, load_model("tiny"), given)


def test_what_cannot_be_trained_is_refused() -> None:
    model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
    with pytest.raises(InvalidParams, match="cannot be trained"):
        run_lab(open_lab(INFO, model, SMALL))


def test_texts_are_read_from_anywhere_in_their_first_half() -> None:
    """Else their openings tell them from looping ones: a sentence read first lost its probability
    with the repeated ones (0.137 to 0.016), and greedy text repeated itself as before."""
    draw = torch.Generator().manual_seed(0)
    text = list(range(10))
    begins = {_window(text, draw)[0] for _ in range(200)}
    assert begins == {0, 1, 2, 3, 4}
    assert _window([7], draw) == [7]
