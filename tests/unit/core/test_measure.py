"""Measures leave the device as they are, on devices without float64 too."""

from __future__ import annotations

import pytest
import torch
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from torch import Tensor
from torch.overrides import TorchFunctionMode

from explorer.core.distribution import inverse_cdf, log_normalise
from explorer.core.measure import measure_block, measure_choices
from explorer.decoders import CATALOG
from explorer.services.generation import generate

VOCAB = LetterTokenizer().vocab_size


class NoFloat64(TorchFunctionMode):
    """Apple's GPUs, as far as they matter here: no float64 but on what was moved to the CPU.

    Every tensor counts as the device's, but those that `.cpu()` or numpy gave, those that were
    made without naming a device, and what follows from these alone.
    """

    def __enter__(self):
        self._from_numpy = torch.from_numpy  # the one way in that no mode is asked about
        torch.from_numpy = lambda array: self._marked(self._from_numpy(array))
        return super().__enter__()

    def __exit__(self, *failure):
        torch.from_numpy = self._from_numpy
        return super().__exit__(*failure)

    @staticmethod
    def _marked(tensor):
        tensor.at_host = True
        return tensor

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        given = [x for x in args if isinstance(x, Tensor)]
        at_host = all(getattr(x, "at_host", False) for x in given)
        if not given:
            at_host = "device" not in (kwargs or {})
        if func is Tensor.cpu:
            result, at_host = result.clone(), True
        if isinstance(result, Tensor):
            if result.dtype == torch.float64 and not at_host:
                raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
            result.at_host = at_host
        return result


class OnDevice(ScriptedModel):
    """A scripted model whose laws are on the device."""

    def law(self, history):
        logits = super().law(history)
        logits.at_host = False
        return logits


def test_the_stand_in_refuses_float64_where_apple_does() -> None:
    law = torch.tensor([0.5, 0.5]).log()
    with NoFloat64():
        assert law.cpu().double().sum().dtype == torch.float64
        with pytest.raises(TypeError, match="float64"):
            law.double()
        with pytest.raises(TypeError, match="float64"):
            law.to(torch.float64)


@pytest.mark.parametrize("name", CATALOG)
def test_every_stage_runs_where_there_is_no_float64(name: str) -> None:
    model = OnDevice(hashed_script(VOCAB))
    with NoFloat64():
        (there,) = generate(model, "abc", [name], 6)
    (here,) = generate(model, "abc", [name], 6)
    assert there.token_ids == here.token_ids
    assert there.steps == here.steps


def test_ranks_and_supports_of_large_vocabularies_are_whole_numbers() -> None:
    logits = torch.linspace(0, 3, 300_001).unsqueeze(0)
    block = measure_block(logits, 3)
    (last,) = measure_choices(block, [0], [0], block.logprobs)
    assert (last.rank, last.support_size) == (300_000, 300_001)


def test_a_draw_is_as_exact_as_float64_sums_make_it() -> None:
    """Sums in float32 would be off by more than a whole token here."""
    law = log_normalise(torch.zeros(1_000_000))
    exact = law.double().exp().cumsum(0)
    for token_id in (7, 499_999, 999_990):
        u = float((exact[token_id - 1] + exact[token_id]) / 2 / exact[-1])
        assert inverse_cdf(law, u) == token_id
