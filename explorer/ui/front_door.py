"""Answers at once while the page is made: a small page that becomes the real one by itself.

Importing Gradio and building the page takes most of the start. Nothing of it is imported here.
"""

from __future__ import annotations

import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

OPENING = Path(__file__).parent.parent.parent / "assets" / "opening.html"
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self';"
    " frame-ancestors 'self' https://huggingface.co https://*.hf.space"
)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """The small page; for all else, that it is too early."""
        is_page = self.path.partition("?")[0] == "/"
        body = OPENING.read_bytes() if is_page else b"The page is not there yet.\n"
        self.send_response(HTTPStatus.OK if is_page else HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("content-type", f"text/{'html' if is_page else 'plain'}; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.send_header("content-security-policy", _POLICY)
        self.send_header("x-content-type-options", "nosniff")
        self.send_header("cache-control", "no-store")
        self.send_header("retry-after", "1")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        """As GET, without the body."""
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: who looked is nobody's business."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # whoever keeps a connection open holds up no start


class FrontDoor:
    """A server for the time before the page; `close` frees the address.

    Args:
        host: address.
        port: its port.

    Raises:
        OSError: where the address cannot be had.
    """

    def __init__(self, host: str, port: int) -> None:
        is_v6 = ":" in host
        family = socket.AF_INET6 if is_v6 else socket.AF_INET
        kind = type("_Server", (_Server,), {"address_family": family})
        self._server: _Server = kind((host.strip("[]"), port), _Handler)
        threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="front door", daemon=True
        ).start()

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
