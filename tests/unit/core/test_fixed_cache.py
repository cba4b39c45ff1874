"""A cache that never moves answers as the one that grows, and can be recorded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_families import model_of
from torch._subclasses.fake_tensor import FakeTensorMode

from explorer.core.fixed_cache import MULTIPLE
from explorer.core.joined_cache import FAMILIES
from explorer.core.kv_cache import KVBatch
from explorer.core.recorded_step import RecordedStep
from explorer.core.recording import recorded
from explorer.decoders.spec import parse

PROMPT = [5, 17, 33, 2, 9]
ROWS = 3


def read(model: Any) -> tuple[KVBatch, torch.Tensor]:
    batch = KVBatch(model)
    *_, logits = batch.prefill(PROMPT)
    assert isinstance(logits, torch.Tensor)
    return batch, logits


@pytest.mark.parametrize("family", FAMILIES)
def test_it_answers_as_a_growing_cache(family: str) -> None:
    model = model_of(family)
    growing, _ = read(model)
    fixed = read(model)[0].fix(ROWS, len(PROMPT) + MULTIPLE + 1)
    growing.select([0] * ROWS)
    for number in range(MULTIPLE + 1):  # over the border of a multiple, to the last place
        tokens = [(7 * number + row) % 90 + 1 for row in range(ROWS)]
        with torch.inference_mode():
            found = fixed.forward(torch.tensor(tokens))
        assert torch.allclose(found, growing.step(tokens), atol=1e-5)
        assert int(fixed.position) == len(PROMPT) + number + 1


def test_a_step_that_is_set_back_is_done_again_the_same() -> None:
    fixed = read(model_of("llama"))[0].fix(2, 20)
    with torch.inference_mode():
        first = fixed.forward(torch.tensor([3, 4]))
        fixed.position.sub_(1)
        assert torch.equal(fixed.forward(torch.tensor([3, 4])), first)


def test_rows_that_have_parted_are_not_fixed() -> None:
    batch, _ = read(model_of("llama"))
    batch.select([0, 0])
    with pytest.raises(ValueError, match="2 rows"):
        batch.fix(2, 20)


@pytest.mark.parametrize("family", FAMILIES)
def test_no_part_of_a_step_asks_a_tensor_for_its_value(family: str) -> None:
    """What a CUDA graph refuses, tensors without values refuse too, wherever it stands."""
    with FakeTensorMode():
        batch, logits = read(model_of(family))
        rows = batch.fix(ROWS, 20)
        lanes = [parse(spec).build() for spec in ("greedy", "nucleus", "locally_typical")]
        step = RecordedStep(rows, logits, lanes, [[0.1] * ROWS] * 9, 5)
        for _ in range(3):
            with torch.inference_mode(), recorded():
                step._choose()
                step._measure()
                step._forward()
        assert step._logits.shape == (ROWS, 97)
