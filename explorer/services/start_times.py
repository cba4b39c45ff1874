"""How long a start takes: from the command to the page, and from Run to the first token."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from explorer.core.errors import NotCapable
from explorer.core.handle import ModelHandle
from explorer.services.compare import CompareRequest, Services
from explorer.services.model_pool import ModelPool
from explorer.services.presets import PRESETS
from explorer.services.settings import Settings

PATIENCE_S = 120.0
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class StartTimes:
    """Seconds, of one start.

    Attributes:
        answer_s: from the command until a browser gets an answer: the small page that waits.
        page_s: from the command until the whole page is there.
        token_s: from Run until the page hears of the first token, the model in memory; the
            second run, as every run but a model's first.
    """

    answer_s: float
    page_s: float
    token_s: float


def start_times(model: ModelHandle) -> StartTimes:
    """Start the page once as a user does, and run once as the page does.

    Raises:
        NotCapable: where the page does not come.
    """
    answer_s, page_s = _page_times()
    first_token_s(model)
    return StartTimes(answer_s, page_s, first_token_s(model))


def first_token_s(model: ModelHandle) -> float:
    """Seconds from Run with the usual lanes to the first frame that holds a token."""
    pool = ModelPool(names=[])
    pool.add(model.info.id, model)
    services = Services(Settings(model=model.info.id), pool)
    specs = tuple(next(iter(PRESETS.values())))
    request = CompareRequest(model.info.id, "Once upon a time", "raw", specs, 8, seed=1)
    started = time.perf_counter()
    found = next(
        time.perf_counter() - started
        for frame in services.run("start", request)
        if '"t":' in frame.ndjson
    )
    services.forget("start")
    return found


def _page_times() -> tuple[float, float]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "explorer", "ui", "--port", str(port), "--model", "tiny"]
    env = {**os.environ, "EXPLORER_HOST": "127.0.0.1"}
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        address = f"http://127.0.0.1:{port}/"
        answer_s = _wait(address, started, process)
        return answer_s, _wait(address + "config", started, process)
    finally:
        process.kill()
        process.wait()


def _wait(address: str, started: float, process: subprocess.Popen[bytes]) -> float:
    """Seconds since `started` when an address first answers with success."""
    while time.perf_counter() - started < PATIENCE_S and process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return time.perf_counter() - started
        except urllib.error.HTTPError as error:
            error.close()
        except OSError:
            pass  # nobody listens yet
        time.sleep(_LOOK_S)
    raise NotCapable("The page did not come.", "Start it by itself: python app.py says why.")
