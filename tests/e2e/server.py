"""The app in this process, on a free port."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from explorer.ui.app import build_app, launch_options


def serve(services: Any) -> Iterator[str]:
    """Address of the app while the caller holds it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    app = build_app(services)
    app.launch(
        server_name="127.0.0.1",
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        **launch_options(),
    )
    yield f"http://127.0.0.1:{port}/"
    app.close()
