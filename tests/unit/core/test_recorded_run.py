"""Recorded steps say what the lockstep loop says, token for token, with and without graphs."""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from fakes import NumberTokenizer, tiny_llama
from torch import Tensor

from explorer.core import engine, recorded_step
from explorer.core.decoder import StepView
from explorer.core.errors import NumericalFailure
from explorer.core.handle import Capability
from explorer.core.models import HFModel
from explorer.core.request import Lane, Request
from explorer.core.types import Column, Noise, StopReason, Trace
from explorer.decoders.ancestral import Ancestral
from explorer.decoders.greedy import Greedy
from explorer.services.generation import Run, RunOptions

PROMPT = [1, 5, 9, 2]
DEVICE = (
    "greedy",
    "ancestral",
    "temperature:temperature=0.8",
    "top_k:k=9",
    "nucleus:p=0.9",
    "min_p:p=0.05+greedy",
    "locally_typical:mass=0.9",
    "top_h",
)
MIXED = ("greedy", "momentum", "mirostat", "repetition_penalty+nucleus", "xtc", "ancestral")


def handle(records: bool, **changes: Any) -> HFModel:
    made = HFModel.from_parts(tiny_llama(3, **changes), NumberTokenizer(), id="tiny")
    made.records = records
    return made


def traces(
    model: HFModel, lanes: Sequence[str] = DEVICE, tokens: int = 40, **options: Any
) -> tuple[Trace, ...]:
    run = Run(model, PROMPT, lanes, RunOptions(max_new_tokens=tokens, seed=5, **options))
    for _ in run.columns():
        pass
    return run.traces()


def same(one: Sequence[Trace], other: Sequence[Trace], nats: float = 2e-4) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert [s.token_id for s in a.steps] == [s.token_id for s in b.steps], a.decoder
        assert a.stop_reason == b.stop_reason
        for s, t in zip(a.steps, b.steps, strict=True):
            for name in ("surprisal", "entropy", "varentropy", "sampling_surprisal"):
                assert getattr(s, name) == pytest.approx(getattr(t, name), abs=nats), name
            assert (s.rank, s.support_size) == (t.rank, t.support_size)
            assert s.notes == pytest.approx(t.notes, abs=nats)
            assert [c.token_id for c in s.top[:3]] == [c.token_id for c in t.top[:3]]


@pytest.mark.parametrize("lanes", [DEVICE, MIXED], ids=["device", "mixed"])
@pytest.mark.parametrize("tokens", [1, 2, 9, 40])
def test_the_same_traces_as_the_loop(lanes: Sequence[str], tokens: int) -> None:
    assert Capability.RECORDED in handle(True).capabilities
    assert Capability.RECORDED not in handle(False).capabilities
    same(traces(handle(True), lanes, tokens), traces(handle(False), lanes, tokens))


def test_lanes_end_by_themselves_by_strings_and_by_loops() -> None:
    lanes = ("greedy", "ancestral", "temperature:temperature=2", "nucleus:p=0.7", "min_p:p=0.3")
    options = {"stop_on_loop": True, "stop_strings": (" 12",)}
    one = traces(handle(True), lanes, 120, **options)
    same(one, traces(handle(False), lanes, 120, **options))
    assert len({t.stop_reason for t in one}) > 1
    assert len({len(t.steps) for t in one}) > 2


def test_a_run_that_is_cancelled_has_what_was_given_out() -> None:
    run = Run(handle(True), PROMPT, DEVICE, RunOptions(max_new_tokens=200, ignore_eos=True))
    for column in run.columns():
        if column.index == 6:
            run.cancel.set()
    assert {len(t.steps) for t in run.traces()} == {8}
    assert {t.stop_reason for t in run.traces()} == {StopReason.CANCELLED}


def test_searches_and_second_contexts_take_the_loop() -> None:
    lanes = ("beam:width=3", "greedy", "contrastive_search")
    same(traces(handle(True), lanes, 12), traces(handle(False), lanes, 12))


class Graph:
    """Stands for a CUDA graph: remembers the work instead of its operations."""

    recorded = 0

    def __init__(self, work: Any) -> None:
        self._work = work
        Graph.recorded += 1

    def replay(self) -> None:
        self._work()


class Broken(Graph):
    """A graph that writes to a wrong address: the step it replays changes nothing."""

    def replay(self) -> None:
        return None


def graphs(monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    make = recorded_step.RecordedStep.__init__

    def init(self: Any, *args: Any) -> None:
        make(self, *args)
        self._may_record = True

    monkeypatch.setattr(recorded_step.RecordedStep, "__init__", init)
    monkeypatch.setattr(recorded_step, "captured", kind)


@pytest.mark.parametrize("lanes", [DEVICE, MIXED], ids=["device", "mixed"])
def test_recording_in_the_middle_of_a_run_changes_nothing(
    lanes: Sequence[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = traces(handle(False), lanes)
    monkeypatch.setattr(Graph, "recorded", 0)
    graphs(monkeypatch, Graph)
    same(traces(handle(True), lanes), expected)
    assert Graph.recorded == 3
    assert not caplog.records


@pytest.mark.parametrize("kind", [Broken, lambda work: 1 / 0], ids=["wrong", "refused"])
def test_a_recording_that_fails_is_given_up_and_told(
    kind: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    graphs(monkeypatch, kind)
    for lanes in (DEVICE, MIXED):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "explorer"):
            same(traces(handle(True), lanes), traces(handle(False), lanes))
        assert "Steps are done one by one" in caplog.text


def made_and_error(columns: Iterator[Column]) -> tuple[list[list[int]], str]:
    made: list[list[int]] = []
    try:
        for column in columns:
            made.append([step.token_id for step in column.steps])
    except NumericalFailure as error:
        return made, str(error)
    return made, ""


def test_a_run_that_is_over_is_freed_at_once() -> None:
    """Its tensors, and on a GPU its graphs, do not wait for Python's collector of cycles."""
    run = Run(handle(True), PROMPT, DEVICE, RunOptions(max_new_tokens=12))
    gc.collect()
    gc.disable()
    try:
        for _ in run.columns():
            pass
        assert not any(type(o) is recorded_step.RecordedStep for o in gc.get_objects())
    finally:
        gc.enable()


@pytest.mark.parametrize("kind", [Greedy, Ancestral])
def test_a_law_that_is_none_ends_its_lane_and_no_other(kind: Any) -> None:
    def broken(logits: Tensor, view: StepView) -> Tensor:
        return logits * math.nan

    lanes = [
        Lane(decoder, Noise(name), name=name, on_device=True)
        for name, decoder in (("whole", kind()), ("broken", kind([broken])))
    ]
    said = [
        made_and_error(engine.generate(handle(records), Request(tuple(PROMPT), tuple(lanes), 4)))
        for records in (True, False)
    ]
    assert said[0] == said[1]
    assert "Lane 2 (broken) ended at token 1: The sampling law holds NaN" in said[0][1]
    assert [len(tokens) for tokens in said[0][0]] == [1, 1, 1, 1]


def test_a_model_that_answers_nan_ends_every_lane() -> None:
    model = handle(True)
    with torch.no_grad():
        model.model.lm_head.weight.fill_(math.nan)
    with pytest.raises(NumericalFailure, match=r"All lanes ended at token 1: The model answered"):
        traces(model)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
@pytest.mark.parametrize("lanes", [DEVICE, MIXED], ids=["device", "mixed"])
def test_a_gpu_says_what_the_cpu_says(
    lanes: Sequence[str], caplog: pytest.LogCaptureFixture
) -> None:
    model = HFModel.from_parts(tiny_llama(3).cuda(), NumberTokenizer(), id="tiny")
    assert model.records
    same(traces(model, lanes), traces(handle(False), lanes), nats=5e-4)
    assert not caplog.records  # it was recorded, and replayed what it should
