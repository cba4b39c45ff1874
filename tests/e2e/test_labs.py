"""The Labs page: a gallery, a run that shows its claims, a stop, and what cannot be run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
SLOW = 60_000
LAB = "Human or machine?"


@pytest.fixture
def labs(open_page: OpenPage, url: str) -> Page:
    page = open_page(f"{url}#labs", wait=False)
    page.wait_for_selector(".gx-lab-card", timeout=SLOW)
    page.wait_for_selector("[data-state=ready]")
    return page


def opened(page: Page, **values: str) -> None:
    page.get_by_role("button", name=LAB).click()
    for label, value in values.items():
        page.locator(".gx-lab-form").get_by_label(label, exact=True).fill(value)


def run(page: Page) -> None:
    page.locator(".gx-lab-form").get_by_role("button", name="Run").click()


def test_the_gallery_is_searched_by_words(labs: Page) -> None:
    cards = labs.locator(".gx-lab-card")
    expect(cards.first).to_contain_text("on two cores")
    labs.get_by_label("find").fill("machine zero-shot")
    expect(cards).to_have_count(1)
    labs.get_by_label("find").fill("no such words")
    expect(labs.locator(".gx-lab-families")).to_contain_text("No lab has these words")


def test_a_lab_runs_and_shows_its_claims_pictures_and_continuations(
    labs: Page, open_page: OpenPage, tmp_path: Path
) -> None:
    opened(labs, openings="2", draws="2", tokens="16")
    run(labs)
    page = labs.locator(".gx-labs")
    expect(labs.get_by_role("status").filter(has_text="Done.")).to_be_visible(timeout=SLOW)
    expect(page.locator(".gx-claim")).to_have_count(4)
    expect(page.locator(".gx-claim").first).to_contain_text("In the paper")
    expect(page.locator(".gx-plot")).to_have_count(3)
    expect(page.locator(".gx-stage, .gx-lane").first).to_be_visible()
    with labs.expect_download() as picture:
        page.get_by_role("button", name="Save “T as tokens arrive” as SVG").click()
    assert "<polyline" in Path(picture.value.path()).read_text(encoding="utf-8")
    with labs.expect_download() as saved:
        labs.get_by_role("button", name="Save results").click()
    assert json.loads(Path(saved.value.path()).read_text(encoding="utf-8"))["claims"]
    with labs.expect_download() as saved_page:
        labs.get_by_role("button", name="Save page").click()
    target = tmp_path / "page.html"
    saved_page.value.save_as(target)
    alone = open_page(target.as_uri(), wait=False, offline=True)
    expect(alone.locator(".gx-claim")).to_have_count(4)
    expect(alone.locator(".gx-plot")).to_have_count(3)


def test_its_continuations_open_on_the_traces_page(labs: Page) -> None:
    opened(labs, openings="2", draws="2", tokens="16")
    run(labs)
    labs.get_by_role("button", name="Open on Traces").click(timeout=SLOW)
    expect(labs.locator(".gx-traces .gx-branch")).to_have_count(4, timeout=SLOW)


def test_a_parameter_out_of_bounds_is_refused_in_words_and_a_run_can_be_stopped(
    labs: Page,
) -> None:
    opened(labs, tokens="100000")
    run(labs)
    problem = labs.locator(".gx-labs .gx-problem")
    expect(problem).to_contain_text("cannot take tokens=100000", timeout=SLOW)
    labs.locator(".gx-lab-form").get_by_label("tokens", exact=True).fill("512")
    labs.locator(".gx-lab-form").get_by_label("draws", exact=True).fill("32")
    run(labs)
    labs.locator(".gx-lab-form").get_by_role("button", name="Stop").click()
    expect(labs.get_by_role("status").filter(has_text="Stopped")).to_be_visible(timeout=SLOW)


def test_the_method_is_one_click_away_and_the_way_back_too(labs: Page) -> None:
    opened(labs)
    labs.get_by_text("The code of the method").click()
    expect(labs.locator(".gx-program pre").first).to_contain_text("def statistic", timeout=SLOW)
    labs.get_by_role("button", name="All labs").click()
    expect(labs.get_by_role("button", name=LAB)).to_be_focused()


def test_a_lab_that_fails_half_way_keeps_what_it_showed(labs: Page) -> None:
    labs.locator('[data-lab="sharpening"]').click()
    run(labs)
    # the scripted model behind this page has no weights: said in words, and the page goes on
    expect(labs.locator(".gx-labs .gx-problem")).to_contain_text("cannot be trained", timeout=SLOW)
    expect(labs.locator(".gx-result").first).to_be_visible()
