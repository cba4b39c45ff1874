"""A Space whose GPU is lent call by call, with a `spaces` that pickles, and one that forks."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from fakes import LetterTokenizer, NumberTokenizer, ScriptedModel, hashed_script, tiny_llama

import explorer
from explorer.core.models import HFModel
from explorer.services import zero_gpu
from explorer.services.compare import CompareRequest, Services
from explorer.services.devices import choose_device
from explorer.services.generation import Run, RunOptions
from explorer.services.model_pool import ModelPool
from explorer.services.settings import read_settings
from explorer.services.space import import_spaces
from explorer.services.zero_gpu import MOST_GPU_S, GpuRequest, ZeroGpu, gpu_columns, gpu_seconds

ROOT = Path(explorer.__file__).parent.parent
VOCAB = LetterTokenizer().vocab_size
SPECS = ("greedy", "nucleus:p=0.9", "best_of_n:n=3", "beam:width=2", "power_smc")


class Pickled:
    """As the package's wrapper: arguments and what is yielded go through pickle, both ways.

    No fork: torch and a fork do not agree in a process with threads. `test_in_a_real_fork` has one.
    """

    def __init__(self) -> None:
        self.durations: list[int] = []
        self.refuse = ""
        self.closed = 0

    def module(self) -> ModuleType:
        made = ModuleType("spaces")
        made.GPU = self.wrap  # type: ignore[attr-defined]
        return made

    def wrap(self, task: Callable[..., Iterator[Any]], duration: Callable[..., int]) -> Any:
        def call(*args: Any) -> Iterator[Any]:
            self.durations.append(duration(*args))
            if self.refuse:
                raise RuntimeError(self.refuse)
            inner = task(*pickle.loads(pickle.dumps(args)))
            try:
                for value in inner:
                    yield pickle.loads(pickle.dumps(value))
            finally:
                self.closed += 1

        return call


def model(delay_s: float = 0.0) -> ScriptedModel:
    return ScriptedModel(hashed_script(VOCAB, end=-9), delay_s=delay_s)


@pytest.fixture
def spaces(monkeypatch: pytest.MonkeyPatch) -> Pickled:
    monkeypatch.setattr(zero_gpu, "_PLACED", {"scripted": model()})
    return Pickled()


def services_with(spaces: Pickled) -> Services:
    pool = ModelPool(names=[])
    pool.add("scripted", model())
    pool.add("elsewhere", model())
    services = Services(read_settings({"SPACE_ID": "a/b", "EXPLORER_MODELS": "*"}), pool)
    services.on_gpu = ZeroGpu(spaces.module()).open
    return services


def request(**changed: Any) -> CompareRequest:
    usual = CompareRequest("scripted", "abc", "raw", SPECS, max_new_tokens=12, seed=3)
    return replace(usual, **changed)


def test_a_run_on_the_gpu_makes_the_traces_of_one_on_the_cpu(spaces: Pickled) -> None:
    services = services_with(spaces)
    frames = list(services.run("tab", request()))
    plain = Run(model(), "abc", SPECS, RunOptions(max_new_tokens=12, seed=3))
    list(plain.columns())
    for ours, theirs in zip(services.latest_traces("tab"), plain.traces(), strict=True):
        same = {"timing": {}, "model": theirs.model}
        assert replace(ours, **same) == replace(theirs, **same)
    assert "on the CPU" not in frames[-1].state
    assert len(spaces.durations) == 1


def test_programs_run_on_the_gpu_too(spaces: Pickled) -> None:
    services = services_with(spaces)
    *_, traces = services.compare_traces("abc", ["greedy"], "scripted", 6, 1)
    assert len(traces[0]["tokens"]["id"]) == 6
    assert len(spaces.durations) == 1


def test_without_a_gpu_the_run_is_on_the_cpu_and_says_so(spaces: Pickled) -> None:
    services = services_with(spaces)
    spaces.refuse = "You have exceeded your GPU quota"
    *_, last = services.run("tab", request())
    assert "on the CPU, slower: no GPU was to be had (You have exceeded your GPU" in last.state
    assert {len(t.steps) for t in services.latest_traces("tab")} == {12}


def test_a_model_that_is_not_placed_runs_on_the_cpu_and_says_so(spaces: Pickled) -> None:
    services = services_with(spaces)
    *_, last = services.run("tab", request(model="elsewhere"))
    assert "a model of this run is not on the GPU here" in last.state
    assert not spaces.durations


def test_stop_gives_the_gpu_back_and_keeps_what_was_made(
    spaces: Pickled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(zero_gpu._PLACED, "scripted", model(delay_s=0.02))
    services = services_with(spaces)
    frames = services.run("tab", request(specs=("greedy", "ancestral"), max_new_tokens=900))
    for frame in frames:
        if frame.ndjson.count('"t":') > 4:
            services.stop("tab")
    traces = services.latest_traces("tab")
    assert {str(t.stop_reason) for t in traces} == {"cancelled"}
    assert 1 < len(traces[0].steps) < 900
    assert spaces.closed == 1


def test_a_failure_in_the_fork_keeps_its_words(spaces: Pickled) -> None:
    services = services_with(spaces)
    zero_gpu._PLACED["scripted"] = ScriptedModel(lambda _history: [float("nan")] * VOCAB)
    *_, last = services.run("tab", request(specs=("greedy",)))
    error = next(json.loads(x)["error"] for x in last.ndjson.splitlines() if '"error"' in x)
    assert "incident" not in error["message"]


def test_a_gpu_that_comes_too_late_is_given_back(spaces: Pickled) -> None:
    release, services = threading.Event(), services_with(spaces)

    def late(asked: GpuRequest) -> Iterator[Any]:
        release.wait(10)
        try:
            yield from gpu_columns(asked)
        finally:
            spaces.closed += 1

    services.on_gpu = ZeroGpu(type("M", (), {"GPU": staticmethod(lambda _t, duration: late)})).open
    frames = services.run("tab", request())
    assert next(frames).state == "Waiting for a GPU"
    frames.close()
    release.set()
    for _ in range(100):
        if spaces.closed:
            break
        time.sleep(0.02)
    assert spaces.closed == 1


def test_time_is_asked_for_by_tokens_and_lanes() -> None:
    def asked(tokens: int, rows: int, deadline_s: float | None = None) -> int:
        options = RunOptions(max_new_tokens=tokens, deadline_s=deadline_s)
        prompt = Run(model(), "a", ["greedy"]).prompt
        return gpu_seconds(GpuRequest("m", prompt, ("greedy",), options, rows))

    assert asked(10, 1) < asked(400, 1) < asked(400, 64)
    assert asked(400, 64, deadline_s=4) <= 9
    assert asked(10**5, 64) == MOST_GPU_S


def test_on_zero_gpu_everything_else_is_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)  # the package says so
    assert choose_device() == "cpu"


def test_the_package_is_asked_for_only_where_it_has_something_to_do(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = ModuleType("spaces")
    monkeypatch.setitem(sys.modules, "spaces", fake)
    assert import_spaces({"SPACE_ID": "a/b", "SYSTEM": "spaces"}) is None
    assert import_spaces({"SPACES_ZERO_GPU": "true"}) is fake
    monkeypatch.setitem(sys.modules, "spaces", None)
    assert import_spaces({"SPACES_ZERO_GPU": "true"}) is None
    assert "all runs on the CPU" in caplog.text


IN_A_FORK = """
import multiprocessing, os, sys
from pathlib import Path
sys.path.insert(0, "tests")
from explorer.services import zero_gpu
from explorer.services.generation import Run, RunOptions
from fakes import LetterTokenizer, ScriptedModel, hashed_script
fork = multiprocessing.get_context("fork")
script = hashed_script(LetterTokenizer().vocab_size, end=-9)

def gpu(task, duration):
    def call(asked):
        queue = fork.SimpleQueue()
        def work():
            for value in task(asked):
                queue.put((os.getpid(), value))
            queue.put(None)
        process = fork.Process(target=work)
        process.start()
        while (got := queue.get()) is not None:
            assert got[0] != os.getpid()
            yield got[1]
        process.join()
    return call

made = zero_gpu.ZeroGpu(type("Spaces", (), {"GPU": staticmethod(gpu)}))
zero_gpu._PLACED["m"] = ScriptedModel(script)
specs = ["greedy", "best_of_n:n=3"]
options = RunOptions(max_new_tokens=9, seed=2)
plain = Run(ScriptedModel(script), "abc", specs, options)
opening = made.open("m", Run(ScriptedModel(script), "abc", specs, options))
assert opening.wait(20) and opening.run is not plain
list(plain.columns()), list(opening.run.columns())
print([a.token_ids == b.token_ids for a, b in zip(plain.traces(), opening.run.traces())])
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
def test_in_a_real_fork() -> None:
    out = subprocess.run(
        [sys.executable, "-c", IN_A_FORK],
        capture_output=True, text=True, cwd=ROOT, timeout=100, env=os.environ | {"PYTHONPATH": "."},
    )  # fmt: skip
    assert out.returncode == 0, out.stderr
    assert out.stdout.strip() == "[True, True]"


def test_a_torch_model_sends_nothing_but_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    handle = HFModel.from_parts(tiny_llama(), NumberTokenizer())
    monkeypatch.setattr(zero_gpu, "_PLACED", {"m": handle})
    run = Run(handle, [1, 2, 3], ["greedy", "contrastive_search"], RunOptions(max_new_tokens=4))
    asked = GpuRequest("m", run.prompt, tuple(c.canonical for c in run.chains), run.options, 2)
    for chunk in gpu_columns(asked):
        assert chunk.error is None, chunk.error
        assert b"torch" not in pickle.dumps(chunk)
