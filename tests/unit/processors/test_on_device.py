"""Stages that say they can be recorded: no look at a number or a history, and the same law."""

from __future__ import annotations

import math
from typing import cast

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from explorer.core.decoder import Decoder, Processor, StageInfo, StepView
from explorer.core.distribution import inverse_cdf, inverse_cdf_rows
from explorer.core.params import describe, parse_params
from explorer.core.recording import recorded
from explorer.decoders import CATALOG
from explorer.decoders.spec import parse

VOCAB = 6000
ON_DEVICE = sorted(name for name in CATALOG if CATALOG[name].on_device)
CHOOSERS = [name for name in ON_DEVICE if CATALOG[name].kind == "chooser"]
PROCESSORS = [name for name in ON_DEVICE if CATALOG[name].kind == "processor"]


class Nothing:
    """Histories that nobody may look at."""

    def __getattribute__(self, name: str) -> object:
        raise AssertionError("a recorded stage looked at a history")

    def __getitem__(self, place: int) -> object:
        raise AssertionError("a recorded stage looked at a history")


def view_of(logits: Tensor) -> StepView:
    nothing = cast(tuple[list[int]], Nothing())
    return StepView(logits, torch.log_softmax(logits, -1), nothing, 0, ())


def laws() -> Tensor:
    """Flat, peaked, in between, and one with tokens that are impossible."""
    generator = torch.Generator().manual_seed(11)
    logits = torch.randn(4, VOCAB, generator=generator)
    logits *= torch.tensor([[0.01], [9.0], [2.5], [3.0]])
    logits[3, ::3] = -math.inf
    return logits


def builds(info: StageInfo) -> list[Processor]:
    """Of its defaults, of what switches it off, and of every choice that it offers."""
    settings: list[dict[str, object]] = [{}, dict(info.neutral)]
    for field in describe(info.params):
        settings += [{field.name: choice} for choice in field.choices or ()]
    return [cast(Processor, info.build(parse_params(info.name, info.params, s))) for s in settings]


def test_truncations_and_temperatures_can_be_recorded() -> None:
    assert {"greedy", "ancestral", "temperature", "nucleus", "min_p", "top_k"} < set(ON_DEVICE)
    assert len(ON_DEVICE) >= 15
    assert parse("temperature+nucleus").on_device
    assert not parse("repetition_penalty+nucleus").on_device
    assert not parse("nucleus+momentum").on_device


@pytest.mark.parametrize("name", PROCESSORS)
def test_it_asks_no_tensor_for_its_value(name: str) -> None:
    for process in builds(CATALOG[name]):
        with FakeTensorMode() as mode, recorded():
            logits = mode.from_tensor(laws())
            assert process(logits, view_of(logits)).shape == logits.shape


@pytest.mark.parametrize("name", CHOOSERS)
def test_a_chooser_asks_no_tensor_for_its_value(name: str) -> None:
    decoder = cast(Decoder, parse(f"nucleus:p=0.9+{name}").build())
    with FakeTensorMode() as mode, recorded():
        logits, u = mode.from_tensor(laws()[:1]), mode.from_tensor(torch.zeros(1).double())
        token, law = decoder.advance_recorded(view_of(logits), u)
        assert (token.shape, token.dtype, law.shape) == ((1,), torch.int64, logits.shape)


def test_the_test_sees_who_looks() -> None:
    with FakeTensorMode() as mode, pytest.raises(DataDependentOutputException):
        bool(mode.from_tensor(laws()).isnan().any())
    logits = laws()
    process = cast(Processor, CATALOG["repetition_penalty"].build)
    made = process(parse_params("x", CATALOG["repetition_penalty"].params, {"penalty": 2}))
    with pytest.raises(AssertionError, match="looked at a history"):
        made(logits, view_of(logits))


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_long_way_gives_the_same_law(name: str) -> None:
    logits = laws()
    for process in builds(CATALOG[name]):
        usual = process(logits, view_of(logits))
        with recorded():
            assert torch.equal(process(logits, view_of(logits)), usual)


def test_draws_of_rows_are_those_of_each() -> None:
    law = torch.log_softmax(laws(), -1)
    for u in (0.0, 1e-9, 0.1, 0.5, 0.731, 0.999, 1 - 2**-53):
        row = torch.full((len(law),), u, dtype=torch.float64)
        assert inverse_cdf_rows(law, row).tolist() == [inverse_cdf(one, u) for one in law]
    none = torch.full((1, 9), math.nan)
    assert 0 <= int(inverse_cdf_rows(none, torch.zeros(1).double())) < 9
