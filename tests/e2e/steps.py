"""What a person does on the page, in the words of the tests."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Locator, Page, expect


def set_form(page: Page, *, prompt: str | None = None, tokens: int | None = None) -> None:
    if prompt is not None:
        page.fill("#gx-prompt textarea", prompt)
    if tokens is not None:
        page.fill("#gx-tokens input", str(tokens))
        page.press("#gx-tokens input", "Tab")


def start(page: Page, *, prompt: str | None = None, tokens: int | None = None) -> None:
    set_form(page, prompt=prompt, tokens=tokens)
    page.click("#gx-run")


def run(page: Page, *, prompt: str | None = None, tokens: int = 24) -> None:
    start(page, prompt=prompt, tokens=tokens)
    wait_until_done(page)


def wait_until_done(page: Page) -> None:
    expect(page.locator(".gx-state")).to_have_text(re.compile("^(Done|Stopped)"), timeout=30_000)


def wait_for_tokens(page: Page, more_than: int) -> None:
    """Until all lanes together show so many."""
    page.wait_for_function(
        "(many) => document.querySelectorAll('.gx-lanes .gx-token').length > many",
        arg=more_than,
        timeout=60_000,
    )


def lane(page: Page, number: int) -> Locator:
    return page.locator(f'.gx-lane[data-lane="{number}"]')


def token(page: Page, number: int, index: int) -> Locator:
    return lane(page, number).locator(f'.gx-token[data-i="{index}"]')


def token_count(page: Page, number: int) -> int:
    return lane(page, number).locator(".gx-token").count()


def specs(page: Page) -> Any:
    return page.evaluate("Explorer.specs()")


def box(locator: Locator) -> dict[str, float]:
    found = locator.bounding_box()
    assert found is not None
    return dict(found)
