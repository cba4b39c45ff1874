"""A process that ends while threads are amid a model's step ends cleanly."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
WORKING = """
import threading, torch
from explorer.services.jobs import Job

begun = threading.Event()

def work(job):
    weight = torch.randn(400, 400)
    while not job.cancel.is_set():
        weight = torch.tanh(weight @ weight)
        begun.set()
    print("told", flush=True)

jobs = [Job("work").start(work) for _ in range(4)]
begun.wait(60)
"""


def test_a_process_that_ends_ends_its_work_first() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORKING], capture_output=True, text=True, cwd=ROOT, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("told") == 4
