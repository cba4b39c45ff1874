"""The small page that answers while the real one is made."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import explorer
from explorer.services.settings import Settings
from explorer.ui import serve as serving
from explorer.ui.front_door import FrontDoor

ROOT = Path(explorer.__file__).parent.parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask(port: int, path: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


def test_it_answers_every_address_of_the_page_and_says_of_others_that_it_is_early() -> None:
    port = free_port()
    door = FrontDoor("127.0.0.1", port)
    try:
        status, headers, body = ask(port, "/?prompt=a&page=labs")
        assert status == 200
        assert b"Generation Explorer" in body
        assert b'fetch("config"' in body
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert ask(port, "/config")[0] == 503
        assert ask(port, "/../../etc/passwd")[0] == 503
        assert ask(port, "/", "HEAD")[2] == b""
    finally:
        door.close()


def test_its_address_is_free_at_once_even_where_somebody_stays_connected() -> None:
    port = free_port()
    door = FrontDoor("127.0.0.1", port)
    with socket.create_connection(("127.0.0.1", port)) as stays:
        stays.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert stays.recv(15) == b"HTTP/1.0 200 OK"
        door.close()
        FrontDoor("127.0.0.1", port).close()


def test_an_address_that_is_taken_is_said_before_anything_is_imported(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            serving.serve(Settings(port=port))
    assert ended.value.code == 2
    assert f"Port {port} on 127.0.0.1 cannot be used" in capsys.readouterr().err


def test_nothing_heavy_is_imported_before_it_opens() -> None:
    code = (
        "import sys, explorer.services.settings, explorer.ui.serve\n"
        "print([n for n in ('torch', 'gradio', 'transformers', 'numpy', 'pydantic')"
        " if n in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert out.stdout.strip() == "[]", out.stderr
