"""Traces of recorded steps are verified: on this machine without graphs, on a GPU with them.

The tests of the second kind run wherever a CUDA device is.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache

import pytest
import torch

from explorer.core.handle import Capability
from explorer.core.models import HFModel, load_local
from explorer.core.types import Trace
from explorer.services.generation import Run, RunOptions
from explorer.services.model_sources import TINY_FOLDER
from explorer.services.verify.files import verify_traces

LANES = (
    "greedy",
    "ancestral",
    "temperature:temperature=0.8+top_k:k=40",
    "nucleus:p=0.95",
    "min_p:p=0.05",
    "locally_typical:mass=0.95",
    "momentum",
    "mirostat",
)
TOKENS = 48


@cache
def model(device: str = "cpu", dtype: torch.dtype = torch.float32) -> HFModel:
    return load_local(TINY_FOLDER, id="tiny", device=device, dtype=dtype)


def made_by(handle: HFModel) -> tuple[Trace, ...]:
    assert Capability.RECORDED in handle.capabilities
    options = RunOptions(max_new_tokens=TOKENS, seed=3, ignore_eos=True)
    run = Run(handle, "Once upon a time", LANES, options)
    for _ in run.columns():
        pass
    return run.traces()


def verified(traces: Sequence[Trace], by: HFModel) -> None:
    found = list(verify_traces(traces, by))
    assert [f.tokens for f in found] == [TOKENS] * len(LANES)
    assert [f.mismatch for f in found] == [None] * len(LANES)
    assert sum(f.borderline for f in found) <= len(LANES)


def test_recorded_steps_are_verified() -> None:
    made = load_local(TINY_FOLDER, id="tiny")
    made.records = True
    verified(made_by(made), model())


cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is here")


@cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_what_a_gpu_made_is_verified_by_it_and_by_a_cpu(
    dtype: torch.dtype, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "explorer"):
        traces = made_by(model("cuda", dtype))
    assert not caplog.records  # else its steps were done one by one
    verified(traces, model("cuda", dtype))
    verified(traces, model())


@cuda
def test_what_a_cpu_made_is_verified_by_a_gpu() -> None:
    options = RunOptions(max_new_tokens=TOKENS, seed=3, ignore_eos=True)
    run = Run(model(), "Once upon a time", LANES, options)
    for _ in run.columns():
        pass
    verified(run.traces(), model("cuda"))
