"""The app as a Space starts it: SYSTEM=spaces, a `spaces` package, no GPU, no network."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from gradio_client import Client

import explorer
from ui.served import wait_for

ROOT = Path(explorer.__file__).parent.parent
# As the package on a Space: it hands a function back that runs elsewhere.
FAKE_SPACES = """
import sys
assert "torch" not in sys.modules, "spaces came after torch"
def GPU(task, duration):
    print("decorated", task.__name__, file=sys.stderr, flush=True)
    return task
def gradio_auto_wrap(task):
    return task
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address of the app, and what it wrote to stderr."""
    folder = tmp_path_factory.mktemp("space")
    (folder / "spaces.py").write_text(FAKE_SPACES)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {
        "SYSTEM": "spaces",
        "SPACE_ID": "someone/explorer",
        "SPACES_ZERO_GPU": "true",
        "PYTHONPATH": str(folder),
        "EXPLORER_MODEL": "tiny",
        "EXPLORER_MODELS": "tiny",
        "EXPLORER_HOST": "127.0.0.1",
        "EXPLORER_PORT": str(port),
        "EXPLORER_CACHE": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stderr=log)
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_for(url + "config", process)
        yield url, folder / "log"
    finally:
        process.kill()
        process.wait()


def test_the_page_has_the_headers_of_a_space(space: tuple[str, Path]) -> None:
    with urllib.request.urlopen(space[0], timeout=30) as answer:
        headers = answer.headers
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'self' https://huggingface.co https://*.hf.space" in policy
    assert "https://fonts.googleapis.com" in policy
    assert "object-src 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in headers["permissions-policy"]


def test_the_gpu_function_is_declared_and_programs_see_four_endpoints(
    space: tuple[str, Path],
) -> None:
    assert "decorated gpu_columns" in space[1].read_text()
    with urllib.request.urlopen(space[0] + "gradio_api/info", timeout=30) as answer:
        named = json.loads(answer.read())["named_endpoints"]
    assert set(named) == {"/compare", "/score", "/lab", "/decoders"}
    assert "request" not in {p["parameter_name"] for p in named["/compare"]["parameters"]}


def test_without_cuda_the_model_is_not_placed_and_runs_on_the_cpu(space: tuple[str, Path]) -> None:
    url, log = space
    with closing(Client(url, verbose=False)) as client:
        (trace,) = client.predict("Once upon a time", ["greedy"], "", 6, 0, api_name="/compare")
    assert trace["model"]["device"] == "cpu"
    assert len(trace["tokens"]["id"]) == 6
    assert "tiny is not placed on the GPU" in log.read_text()


def test_what_a_stranger_may_ask_for_is_tight(space: tuple[str, Path]) -> None:
    with closing(Client(space[0], verbose=False)) as client:
        with pytest.raises(Exception, match="At most 20,000"):
            client.predict("a" * 20_001, "", api_name="/score")
        with pytest.raises(Exception, match="not offered here"):
            client.predict("a", "/etc", api_name="/score")


def test_a_request_that_is_too_long_is_refused(space: tuple[str, Path]) -> None:
    with closing(http.client.HTTPConnection(space[0].split("/")[2], timeout=30)) as connection:
        connection.putrequest("POST", "/gradio_api/upload")
        connection.putheader("content-length", str(17 * 2**20))
        connection.endheaders()
        assert connection.getresponse().status == 413


def test_no_file_of_the_machine_is_served(space: tuple[str, Path]) -> None:
    for path in ("/etc/passwd", str(ROOT / "README.md"), "..%2f..%2fetc/passwd"):
        with closing(http.client.HTTPConnection(space[0].split("/")[2], timeout=30)) as connection:
            connection.request("GET", f"/gradio_api/file={path}")
            assert connection.getresponse().status in (403, 404)
