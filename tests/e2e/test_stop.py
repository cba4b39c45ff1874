"""Stop answers at once and keeps everything."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from e2e.steps import lane, start, token, token_count, wait_for_tokens, wait_until_done


@pytest.mark.parametrize("how", ["button", "escape"])
def test_stop_keeps_the_text(page: Page, how: str) -> None:
    start(page, tokens=400)
    wait_for_tokens(page, 90)
    text = lane(page, 1).locator(".gx-text").inner_text()
    if how == "button":
        page.click("#gx-stop")
    else:
        page.keyboard.press("Escape")
    wait_until_done(page)
    expect(page.locator(".gx-state")).to_have_text(re.compile("^Stopped, everything is kept"))
    assert 15 < token_count(page, 1) < 400
    assert lane(page, 1).locator(".gx-text").inner_text().startswith(text[:40])
    expect(lane(page, 1).locator(".gx-counts")).to_contain_text("stopped")


def test_a_first_escape_stops_and_a_second_unpins(page: Page) -> None:
    start(page, tokens=400)
    wait_for_tokens(page, 12)
    token(page, 0, 2).click()
    page.keyboard.press("Escape")
    wait_until_done(page)
    assert page.locator(".gx-pinned").count() == 1
    page.keyboard.press("Escape")
    assert page.locator(".gx-pinned").count() == 0


def test_a_run_can_follow_a_stop(page: Page) -> None:
    start(page, tokens=400)
    wait_for_tokens(page, 12)
    page.click("#gx-stop")
    wait_until_done(page)
    start(page, tokens=8)
    expect(lane(page, 0).locator(".gx-counts")).to_have_text(re.compile("^8 tokens"))
