"""Every lab on the page with the shipped model: it begins, says how far it is, and stops."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e import steps
from e2e.server import serve
from explorer.labs import CATALOG
from explorer.services.compare import Services
from explorer.services.loading import load_model
from explorer.services.model_pool import ModelPool
from explorer.services.settings import Settings

SLOW = 60_000
OpenPage = Callable[..., Page]


@pytest.fixture(scope="module")
def tiny_url(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with the shipped model in memory; after the browser, as in test_whole."""
    pool = ModelPool(names=["tiny"])
    pool.add("tiny", load_model("tiny"))
    cache = tmp_path_factory.mktemp("cache")
    yield from serve(Services(Settings(model="tiny", cache=cache), pool))


@pytest.fixture
def labs(open_page: OpenPage, tiny_url: str) -> Page:
    page = open_page(f"{tiny_url}#labs", wait=False)
    page.wait_for_selector(".gx-lab-card", timeout=SLOW)
    page.wait_for_selector("[data-state=ready]")
    return page


def test_every_lab_begins_says_how_far_it_is_and_stops(labs: Page) -> None:
    page, form = labs.locator(".gx-labs"), labs.locator(".gx-lab-form")
    for info in CATALOG.items():
        labs.locator(f'[data-lab="{info.name}"]').click()
        form.get_by_role("button", name="Run").click()
        expect(page.locator("progress"), info.name).to_be_visible(timeout=SLOW)
        form.get_by_role("button", name="Stop").click()
        said = page.get_by_role("status")
        # a lab of a few seconds may have ended before it was told to stop
        ended = said.filter(has_text="Stopped").or_(said.filter(has_text="Done."))
        expect(ended, info.name).to_be_visible(timeout=SLOW)
        expect(page.locator(".gx-problem"), info.name).to_have_count(0)
        expect(form.get_by_role("button", name="Run"), info.name).to_be_enabled()
        labs.get_by_role("button", name="All labs").click()


def test_a_tuned_model_runs_beside_the_one_before_in_compare(labs: Page) -> None:
    labs.locator('[data-lab="sharpening"]').click()
    form = labs.locator(".gx-lab-form")
    for label, value in {"n": 2, "rounds": 64, "openings": 2, "tokens": 8, "epochs": 1}.items():
        form.get_by_label(label, exact=True).fill(str(value))
    form.get_by_role("button", name="Run").click()
    labs.get_by_role("button", name="Compare before and after").click(timeout=SLOW)
    expect(labs.get_by_text("The form is filled in from a lab")).to_be_visible()
    expect(labs.locator("#gx-stage .gx-lane")).to_have_count(4)
    labs.get_by_role("button", name="Run", exact=True).first.click()
    labs.wait_for_selector("[data-state=ready]", timeout=SLOW)
    for lane in range(4):
        expect(steps.lane(labs, lane).locator(".gx-token").first).to_be_visible(timeout=SLOW)
