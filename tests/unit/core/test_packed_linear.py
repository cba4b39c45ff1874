"""Packing changes the layout of the weights and none of the numbers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from explorer.core import packed_linear
from explorer.core.packed_linear import PackedLinear, pack_linears, packing_works

needs_packing = pytest.mark.skipif(
    not packing_works(), reason="this build of torch has no oneDNN operators"
)


@needs_packing
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (8, 1), (1, 200), (13, 1)])
def test_a_packed_layer_answers_as_the_dense_one(bias, shape):
    linear = nn.Linear(320, 256, bias=bias)
    inputs = torch.randn(*shape, 320)
    with torch.inference_mode():
        packed = PackedLinear(linear)
        torch.testing.assert_close(packed(inputs), linear(inputs), atol=1e-5, rtol=1e-5)
        assert torch.equal(packed.weight, linear.weight)


@needs_packing
def test_all_large_plain_layers_of_a_model_are_packed():
    model = nn.Sequential(nn.Linear(300, 300), nn.ReLU(), nn.Sequential(nn.Linear(300, 300)))
    model.append(nn.Linear(300, 2))  # too small to gain
    model.append(nn.Linear(2, 90_000).to(torch.bfloat16))
    inputs = torch.randn(3, 300)
    with torch.inference_mode():
        before = model[:3](inputs)
        assert pack_linears(model) == 2
        torch.testing.assert_close(model[:3](inputs), before, atol=1e-5, rtol=1e-5)
    assert [type(model[i]) for i in (0, 3, 4)] == [PackedLinear, nn.Linear, nn.Linear]


def test_without_the_operators_nothing_happens(monkeypatch):
    def gone(*_):
        raise AttributeError("no such operator")

    monkeypatch.setattr(packed_linear, "PackedLinear", gone)
    model = nn.Sequential(nn.Linear(300, 300))
    assert pack_linears(model) == 0
    assert type(model[0]) is nn.Linear


def test_trying_it_draws_nothing_from_the_global_generator():
    before = torch.get_rng_state()
    packing_works()
    assert torch.equal(torch.get_rng_state(), before)
