"""torch and transformers come when they are first asked for, once, and cost nothing after it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import explorer

ROOT = Path(explorer.__file__).parent.parent

TOGETHER = """
import sys, threading
from explorer.core import deferred, distribution
assert "torch" not in sys.modules and "transformers" not in sys.modules
found, begin = [], threading.Barrier(8)
def ask():
    begin.wait()
    found.append(distribution.torch.nn.functional.softmax)
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
import torch
assert found == [torch.nn.functional.softmax] * 8, found
assert distribution.torch is torch and deferred.torch is torch
from explorer.core import measure
assert measure.torch is torch
assert "transformers" not in sys.modules
deferred.load_all()
import transformers
assert deferred.transformers is transformers
"""

LOOKED_AT = """
import inspect, sys
from explorer.core import deferred
assert not hasattr(deferred.torch, "__file__") and not hasattr(deferred.torch, "__wrapped__")
assert inspect.ismodule(deferred.torch)
assert "torch" not in sys.modules
import torch
from explorer.core import lockstep
assert lockstep.torch.tensor is torch.tensor
assert lockstep.torch is torch
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    return done.stderr


def test_eight_threads_that_ask_at_once_have_one_module_and_no_stand_in_is_left() -> None:
    assert run(TOGETHER) == ""


def test_whoever_only_looks_at_modules_imports_nothing() -> None:
    assert run(LOOKED_AT) == ""
