"""The app as `serve` starts it, in a process of its own, with a scripted model: no weights.

`serving` begins it; settings come from the environment.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.services import model_pool
from explorer.services.settings import read_settings
from explorer.ui.serve import serve

TESTS = Path(__file__).parent.parent


@contextmanager
def serving(folder: Path, step_s: float = 0.0, **environ: str) -> Iterator[tuple[str, Path]]:
    """The app's address, "http://…/", and what it wrote.

    Args:
        folder: for its cache and that file.
        step_s: what a step takes.
        environ: settings.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {
        "EXPLORER_MODEL": "scripted",
        "EXPLORER_MODELS": "scripted",
        "EXPLORER_PORT": str(port),
        "PYTHONPATH": os.pathsep.join((str(TESTS), str(TESTS.parent))),
        "EXPLORER_CACHE": str(folder / "cache"),
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, __file__, str(step_s)], env=env | environ, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_for(url + "config", process)
        yield url, folder / "log"
    finally:
        process.kill()
        process.wait()


def wait_for(url: str, process: subprocess.Popen[bytes], seconds: float = 90) -> None:
    """Until the page itself answers, and not what stands there before it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, "the app ended"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if answer.headers.get_content_type() == "application/json":
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError("the page did not come")


def main() -> None:
    pool = model_pool.ModelPool(names=["scripted"])
    script = hashed_script(LetterTokenizer().vocab_size, end=-9)
    pool.add("scripted", ScriptedModel(script, delay_s=float(sys.argv[1])))
    model_pool.ModelPool = lambda *_args, **_named: pool
    serve(read_settings())


if __name__ == "__main__":
    main()
