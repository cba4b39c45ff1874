"""The real page in a real browser, with scripted services behind it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, sync_playwright
from ui.fake_services import FakeServices

from e2e.server import serve

SHOTS = Path(__file__).parent / "screenshots"
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDE = {"width": 1440, "height": 1000}

OpenPage = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            # The server shares this process: a warning of its libraries must not become an
            # error inside one of its threads.
            item.add_marker(pytest.mark.filterwarnings("default"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser that Playwright brings, else one that is installed."""
    with sync_playwright() as driver:
        installed = next(filter(None, map(shutil.which, BROWSERS)), None)
        try:
            found = driver.chromium.launch(args=FLAGS, executable_path=installed)
        except Error as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"no browser: {error.message.splitlines()[0]}")
        yield found
        found.close()


@pytest.fixture(scope="session")
def services() -> FakeServices:
    return FakeServices(step_s=0.01)


@pytest.fixture(scope="session")
def url(services: FakeServices) -> Iterator[str]:
    """The app on a free port of this machine."""
    yield from serve(services)


@pytest.fixture
def open_page(browser: Browser, url: str) -> Iterator[OpenPage]:
    """Opens pages, and fails the test on any error in one or any request elsewhere."""
    problems: list[str] = []
    contexts: list[BrowserContext] = []

    def watch(page: Page, origin: str) -> None:
        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on(
            "console",
            lambda message: (
                problems.append(f"console: {message.text}") if message.type == "error" else None
            ),
        )

        def check(request: Any) -> None:
            if not request.url.startswith((origin, "data:", "blob:")):
                problems.append(f"request to {request.url}")

        page.on("request", check)

    def open_it(address: str = url, *, wait: bool = True, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": WIDE, "accept_downloads": True, **options})
        contexts.append(context)
        page = context.new_page()
        watch(page, address.partition("#")[0])
        page.goto(address)
        if wait:
            page.wait_for_selector(".gx-lane")
            page.wait_for_selector("[data-state=ready]")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page()


@pytest.fixture(scope="session")
def shoot() -> Callable[..., None]:
    """Saves a screenshot for people to look at."""
    SHOTS.mkdir(exist_ok=True)

    def save(page: Page, name: str, *, full: bool = False) -> None:
        page.screenshot(path=SHOTS / f"{name}.png", full_page=full)

    return save
