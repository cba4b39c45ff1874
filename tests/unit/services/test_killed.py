"""A process that is killed (SIGKILL) while it writes: the next one starts clean."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from model_folders import write_model

import explorer
from explorer.core.trace_io import read_traces
from explorer.services.compare import CompareRequest, Services
from explorer.services.model_cache import ModelCache, Record
from explorer.services.model_pool import ModelPool
from explorer.services.sessions import SAVED, clear_leftovers
from explorer.services.settings import Settings

ROOT = Path(explorer.__file__).parent.parent
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")

EXPORT = """
import sys, time
sys.path[:0] = [".", "tests"]
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from explorer.services import compare
from explorer.services.model_pool import ModelPool
from explorer.services.settings import Settings

pool = ModelPool(names=[])
pool.add("m", ScriptedModel(hashed_script(LetterTokenizer().vocab_size)))
services = compare.Services(Settings(model="m"), pool)
list(services.run("tab", compare.CompareRequest("m", "ab", "raw", ("greedy",), 5)))

def half(path, traces):
    from explorer.core.trace_io import write_traces
    def slowly():
        for trace in traces:
            yield trace
            print("half", flush=True)
            time.sleep(60)
    write_traces(path, slowly())

compare.write_traces = half
services.export("tab", "jsonl")
"""

CONVERSION = """
import sys, time
sys.path[:0] = [".", "tests"]
from pathlib import Path
from explorer.services.model_cache import ModelCache
from model_folders import write_model

def make(folder):
    write_model(folder)
    print("half", flush=True)
    time.sleep(60)

ModelCache(Path(sys.argv[1])).build("toy", make, needed=1, progress=lambda what, share: None)
"""


def kill_midway(code: str, *arguments: str, **env: str) -> None:
    """Run a program until it says that it is half done; kill it there."""
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | env
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_an_export_that_was_killed_leaves_nothing_to_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_midway(EXPORT, TMPDIR=str(tmp_path))
    (left,) = tmp_path.glob(f"{SAVED}*")
    assert not list(left.glob("*.jsonl")), "half a file has the name of a whole one"
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # Folders of this process, and of others that live, stay.
    pool = ModelPool(names=[])
    pool.add("m", ScriptedModel(hashed_script(LetterTokenizer().vocab_size)))
    services = Services(Settings(model="m"), pool)
    list(services.run("tab", CompareRequest("m", "ab", "raw", ("greedy",), 5)))
    mine = services.export("tab", "jsonl")
    assert clear_leftovers() == 1
    assert not left.exists()
    assert len(list(read_traces(mine))) == 1
    assert clear_leftovers() == 0
    services.forget("tab")
    assert not list(tmp_path.glob(f"{SAVED}*"))


def test_a_conversion_that_was_killed_is_made_anew(tmp_path: Path) -> None:
    kill_midway(CONVERSION, str(tmp_path))
    cache = ModelCache(tmp_path)
    assert [p.name for p in cache.root.glob(".toy-*")], "nothing was half done"
    assert cache.all() == []

    def make(folder: Path) -> Record:
        write_model(folder)
        return Record("a test")

    made = cache.build("toy", make, needed=1, progress=lambda _what, _share: None)
    assert cache.find("toy") == made
    assert sorted(p.name for p in cache.root.iterdir()) == [".toy.lock", "toy"]
