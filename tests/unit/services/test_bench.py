"""What the benchmark compares with: the bytes that a step cannot but read."""

from __future__ import annotations

import copy

import torch
from fakes import tiny_llama

from explorer.core.packed_linear import pack_linears
from explorer.services import bench
from explorer.services.bench import copy_bandwidth, step_bytes


def test_a_step_reads_every_weight_once_and_the_cache_of_all_rows() -> None:
    model = tiny_llama(layers=2)
    weights = sum(p.numel() for p in model.parameters()) * 4
    # 2 layers, keys and values, 2 heads of 16, float32
    assert step_bytes(model, 1, 0) == weights
    assert step_bytes(model, 3, 10) - weights == 2 * 2 * 2 * 16 * 3 * 10 * 4


def test_weights_that_are_laid_out_anew_still_count(monkeypatch) -> None:
    monkeypatch.setattr("explorer.core.packed_linear.MIN_WEIGHTS", 1)
    model = tiny_llama()
    packed = copy.deepcopy(model)
    if not pack_linears(packed):  # this build of torch cannot
        return
    assert step_bytes(packed, 2, 5) == step_bytes(model, 2, 5)


def test_bandwidth_is_that_of_a_copy(monkeypatch) -> None:
    monkeypatch.setattr(bench, "_COPIED", 2**20)
    assert copy_bandwidth(torch.device("cpu"), rounds=2) > 2**20
