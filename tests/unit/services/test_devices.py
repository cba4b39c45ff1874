"""Models past one device: which devices, what is free there, and torchrun's processes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

import explorer
from explorer.cli import main
from explorer.core import spread
from explorer.core.errors import ModelUnavailable
from explorer.core.spread import LAYERS, PARTS, is_first, placement, processes
from explorer.core.trace_io import read_traces
from explorer.services import devices
from explorer.services.devices import choose_device, room_for
from explorer.services.model_memory import MemoryNeed

ROOT = Path(explorer.__file__).parent.parent
GB = 10**9


def gpus(monkeypatch: pytest.MonkeyPatch, *free: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(free))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(free))
    by_name = {"cuda": free[0] if free else 0} | {f"cuda:{i}": f for i, f in enumerate(free)}
    monkeypatch.setattr(devices, "free_memory", lambda name: by_name.get(name, 64 * GB))


def test_all_gpus_are_taken_only_where_one_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 24 * GB, 20 * GB)
    small, large = MemoryNeed(14 * GB, GB, GB), MemoryNeed(28 * GB, 2 * GB, GB)
    assert room_for("cuda", small).device == "cuda"
    over = room_for("cuda", large)
    assert (over.device, over.free, over.share) == (LAYERS, 44 * GB, 1.0)
    over.require("model", large)
    with pytest.raises(ModelUnavailable, match=r"needs 45\.00 GB .* 44\.00 GB are free"):
        over.require("model", MemoryNeed(42 * GB, 2 * GB, GB))
    gpus(monkeypatch, 24 * GB)
    with pytest.raises(ModelUnavailable, match=r"needs 31\.00 GB .* 24\.00 GB are free"):
        room_for("cuda", large).require("model", large)


def test_each_process_holds_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WORLD_SIZE", "4"), ("LOCAL_RANK", "1"), ("RANK", "1")):
        monkeypatch.setenv(name, value)
    assert (processes(), is_first(), choose_device()) == (4, False, PARTS)
    gpus(monkeypatch, 24 * GB, 24 * GB)
    room = room_for(PARTS, MemoryNeed(60 * GB, 8 * GB, GB))
    assert (room.free, room.share) == (24 * GB, 0.25)
    room.require("model", MemoryNeed(60 * GB, 8 * GB, GB))
    with pytest.raises(ModelUnavailable, match=r"needs 21\.00 GB"):
        room.require("model", MemoryNeed(72 * GB, 8 * GB, GB))
    gpus(monkeypatch)
    assert room_for(PARTS, MemoryNeed(GB, GB, GB)).free == 16 * GB  # they share one memory


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "4")  # of some other launcher
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert (processes(), is_first()) == (1, True)


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert placement("cpu") == placement("cuda:1") == {}
    monkeypatch.setattr(spread.importlib.util, "find_spec", lambda name: None)
    for device in (LAYERS, PARTS):
        with pytest.raises(ModelUnavailable, match="pip install accelerate"):
            placement(device)


def together(*command: str) -> subprocess.CompletedProcess[str]:
    run = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    env = os.environ | {"OMP_NUM_THREADS": "1", "EXPLORER_HUB": "0"}
    return subprocess.run(
        [*run, "-m", "explorer", *command],
        capture_output=True, text=True, cwd=ROOT, env=env, timeout=300,
    )  # fmt: skip


@pytest.mark.skipif(find_spec("accelerate") is None, reason="accelerate is an optional extra")
def test_two_processes_say_what_one_says(tmp_path: Path) -> None:
    asked = ["generate", "--model", "tiny", "--prompt", "Once upon a time", "--decoder", "greedy"]
    asked += ["nucleus:p=0.9", "--max-new-tokens", "10"]
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    done = together(*asked, "--out", str(two))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("wrote 2 traces") == 1
    alone = [sys.executable, "-m", "explorer", *asked, "--out", str(one)]
    subprocess.run(alone, check=True, capture_output=True, cwd=ROOT, timeout=300)
    for a, b in zip(read_traces(one), read_traces(two), strict=True):
        assert a.token_ids == b.token_ids
        for s, t in zip(a.steps, b.steps, strict=True):
            assert s.surprisal == pytest.approx(t.surprisal, abs=1e-4)


def test_a_page_is_served_by_one_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert main(["ui"]) == 2
    assert "'ui' runs in one process" in capsys.readouterr().err
    asked = ["generate", "--prompt", "a", "--decoder", "greedy", "--deadline", "3"]
    assert main(asked) == 2
    assert "no common clock" in capsys.readouterr().err
