"""The expected numbers of llama.cpp's own sampler tests (tests/test-sampling.cpp at 07e4038)."""

from __future__ import annotations

import math

import pytest
import torch
from fakes import NumberTokenizer

from explorer.core.decoder import StepView
from explorer.core.distribution import log_normalise
from explorer.decoders.spec import parse
from explorer.processors.dry import DryParams, dry, repeat_lengths
from explorer.processors.xtc import xtc

UP = [0.1, 0.2, 0.3, 0.4]
DOWN = [0.4, 0.3, 0.2, 0.1]
FLAT = [0.2] * 5

CUTS = [
    ("temperature:temperature=1", UP, [0.1, 0.2, 0.3, 0.4]),
    ("dynamic_temperature:low=1,high=1", UP, [0.1, 0.2, 0.3, 0.4]),
    ("top_k:k=1", UP, [0, 0, 0, 1.0]),
    ("top_k:k=3", UP, [0, 0.22222, 0.33333, 0.44444]),
    ("top_k:k=0", UP, UP),
    ("nucleus:p=0.7", UP, [0, 0, 0.428571, 0.571429]),
    ("nucleus:p=0.8", UP, [0, 0.22222, 0.33333, 0.44444]),
    ("nucleus:p=1", UP, UP),
    ("min_p:p=0", UP, UP),
    ("min_p:p=0.24", UP, UP),
    ("min_p:p=0.26", UP, [0, 0.2 / 0.9, 0.3 / 0.9, 0.4 / 0.9]),
    ("min_p:p=0.49", UP, [0, 0.2 / 0.9, 0.3 / 0.9, 0.4 / 0.9]),
    ("min_p:p=0.51", UP, [0, 0, 0.3 / 0.7, 0.4 / 0.7]),
    ("min_p:p=0.74", UP, [0, 0, 0.3 / 0.7, 0.4 / 0.7]),
    ("min_p:p=0.76", UP, [0, 0, 0, 1.0]),
    ("min_p:p=1", UP, [0, 0, 0, 1.0]),
    ("locally_typical:mass=0.5", [0.97, 0.01, 0.01, 0.01], [1.0, 0, 0, 0]),
    ("locally_typical:mass=0.5", [0.4, 0.2, 0.2, 0.2], [0, 1 / 3, 1 / 3, 1 / 3]),
    ("top_n_sigma:n=1", UP, [0, 0, 0.428571, 0.571429]),
    ("top_n_sigma:n=0", UP, UP),
    ("top_n_sigma:n=3", UP, UP),
]


def law_after(spec: str, probs: list[float], history: list[int]) -> torch.Tensor:
    logits = torch.tensor([probs]).log()
    view = StepView(
        logits, log_normalise(logits), (history,), 0, (0.5,), tokenizer=NumberTokenizer()
    )
    (stage,) = parse(spec).processors
    return log_normalise(stage.info.build(stage.params)(logits, view)).exp()[0]


@pytest.mark.parametrize(("spec", "probs", "expected"), CUTS)
def test_cuts(spec: str, probs: list[float], expected: list[float]) -> None:
    assert law_after(spec, probs, [0]).tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("threshold", "kept"),
    [(0.09, [3]), (0.19, [2, 3]), (0.29, [1, 2, 3]), (0.39, [0, 1, 2, 3])],
)
def test_xtc(threshold: float, kept: list[int]) -> None:
    out = xtc(torch.tensor([DOWN]).log(), 0.99, threshold, [0.5])
    assert out.isfinite()[0].nonzero().flatten().tolist() == kept
    assert torch.equal(
        xtc(torch.tensor([DOWN]).log(), 0.4, threshold, [0.5]), torch.tensor([DOWN]).log()
    )


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([0], [0, 0.25, 0.25, 0.25, 0.25]),
        ([0, 1, 2], [0, 0, 0, 0.5, 0.5]),
        ([0, 1, 2, 0, 0], [0, 0, 0, 0.5, 0.5]),
    ],
)
def test_repetition_penalty(history: list[int], expected: list[float]) -> None:
    # theirs is 50, beyond our bound of 10: at 10 the seen tokens are all but gone as well
    law = law_after("repetition_penalty:penalty=10", FLAT, history)
    assert law.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([0], [0.000011, 0.249997, 0.249997, 0.249997, 0.249997]),
        ([0, 1, 2], [0.000023, 0.000023, 0.000023, 0.499966, 0.499966]),
        ([0, 1, 2, 0, 0], [0.000000, 0.000023, 0.000023, 0.499977, 0.499977]),
    ],
)
def test_frequency_and_presence_penalties(history: list[int], expected: list[float]) -> None:
    logits = torch.tensor([FLAT]).log()
    view = StepView(logits, logits, (history,), 0, (0.5,))
    for spec in ("frequency_penalty:penalty=5", "presence_penalty:penalty=5"):
        (stage,) = parse(spec).processors
        logits = stage.info.build(stage.params)(logits, view)
    assert log_normalise(logits).exp()[0].tolist() == pytest.approx(expected, abs=1e-6)


DRY = [
    ([0.25] * 4, [0, 1], [0.25] * 4, (1.0, 1.1, 2, 4), ()),
    ([0.25] * 4, [0, 1, 2, 0, 1], [0.296923, 0.296923, 0.109232, 0.296923], (1.0, 1.1, 2, 5), ()),
    ([0.2] * 5, [0, 1, 3, 4, 0, 1], [0.2] * 5, (1.0, 1.1, 2, 6), (3,)),
    (
        [0.2] * 5,
        [0, 1, 2, 0, 1],
        [0.241818, 0.241818, 0.032727, 0.241818, 0.241818],
        (2.0, 1.1, 2, 5),
        (),
    ),
    ([0.2] * 5, [0, 1, 2, 3, 4, 0, 1], [0.2] * 5, (1.0, 1.1, 4, 7), ()),
]


@pytest.mark.parametrize(("probs", "history", "expected", "numbers", "breakers"), DRY)
def test_dry(probs, history, expected, numbers, breakers) -> None:
    multiplier, base, allowed_length, window = numbers
    params = DryParams(
        multiplier=multiplier, base=base, allowed_length=allowed_length, window=window
    )
    out = dry(torch.tensor([probs]).log(), [history], params, breakers.__contains__)
    assert log_normalise(out).exp()[0].tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("seed", range(30))
def test_the_length_of_a_repeat_is_what_a_slow_search_finds(seed: int) -> None:
    noise = torch.Generator().manual_seed(seed)
    history = torch.randint(
        0, 3, (int(torch.randint(1, 40, (1,), generator=noise)),), generator=noise
    ).tolist()
    expected: dict[int, int] = {}
    for place in range(1, len(history)):  # history[place] followed a copy of the end
        n = 0
        while n < place and history[place - 1 - n] == history[-1 - n]:
            n += 1
        if n:
            expected[history[place]] = max(expected.get(history[place], 0), n)
    assert repeat_lengths(history, 10**6) == expected


def test_the_penalty_of_a_very_long_repeat_stays_finite() -> None:
    params = DryParams(multiplier=1, base=4)
    out = dry(torch.zeros(1, 3), [[1, 2] * 500], params, lambda _: False)
    assert math.isfinite(float(out[0, 1]))
    assert float(out[0, 1]) < -1e20
