"""A browser that comes before the page is there: it waits on a small page, and then has it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, expect

import explorer

ROOT = Path(explorer.__file__).parent.parent


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Of an app that was started just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = os.environ | {"EXPLORER_PORT": str(port), "EXPLORER_MODEL": "tiny"}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=env, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.kill()
        process.wait()


def test_the_small_page_becomes_the_real_one(browser: Browser, address: str) -> None:
    page = browser.new_page()
    for _ in range(100):
        try:
            page.goto(address)
            break
        except Error:  # nobody listens for the first moment
            page.wait_for_timeout(50)
    expect(page.get_by_role("status")).to_contain_text("opens in a few seconds")
    expect(page.locator("#gx-run")).to_be_visible(timeout=120_000)
    page.close()
