"""The Maps page: a map over two parameters fills, refuses MAUVE, and a place leads to its texts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
SLOW = 60_000


@pytest.fixture
def maps(open_page: OpenPage, url: str) -> Page:
    page = open_page(f"{url}#maps", wait=False)
    page.get_by_label("values across").wait_for(timeout=SLOW)
    page.wait_for_selector("[data-state=ready]")
    return page


def test_a_map_is_made_and_a_place_opens_on_traces(maps: Page) -> None:
    root = maps.locator("#gx-maps")
    root.get_by_label("values across").fill("0.5, 1")
    root.get_by_label("values down").fill("0.5, 0.95")
    root.get_by_label("tokens", exact=True).fill("12")
    root.get_by_label("bundled prompts").fill("2")
    root.get_by_role("button", name="Run").click()
    expect(root.get_by_role("status")).to_have_text("Done: 8 runs.", timeout=SLOW)
    drawn = root.locator("[data-kind=heatmap]")
    expect(drawn).to_have_count(5)
    names = ["loop rate", "rep-4", "distinct-2", "mean entropy", "perplexity"]
    for place, name in enumerate(names):
        expect(drawn.nth(place).locator("figcaption")).to_contain_text(name)
        expect(drawn.nth(place).locator("td")).to_have_count(4)
        expect(drawn.nth(place).locator("td").first).to_contain_text(re.compile(r"to .*n = 2$"))
    expect(root.locator("[data-kind=refusal]")).to_contain_text("MAUVE is not drawn")
    expect(root.locator("[data-kind=refusal]")).to_contain_text(
        "no place of this map has more than 2"
    )
    root.get_by_label("0.95, 1: ").nth(3).focus()
    maps.keyboard.press("Enter")
    traces = maps.locator("#gx-traces")
    expect(traces.locator(".gx-lane").first).to_be_visible(timeout=SLOW)
    expect(traces).to_contain_text("2 lanes")
    expect(traces.locator(".gx-lane").first).to_contain_text("0.95")


def test_what_cannot_be_drawn_is_said(maps: Page) -> None:
    root = maps.locator("#gx-maps")
    root.get_by_label("values across").fill("hot")
    root.get_by_role("button", name="Run").click()
    expect(root.get_by_role("alert")).to_contain_text("'hot' is no number")
    root.get_by_label("values across").fill("0.5 1")
    root.locator("select").nth(1).select_option("temperature")
    root.get_by_role("button", name="Run").click()
    expect(root.get_by_role("alert")).to_contain_text("Both axes are the same parameter")
