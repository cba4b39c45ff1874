"""Colours, themes, sizes."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import OpenPage
from e2e.steps import box, lane, run, start, token, token_count, wait_for_tokens, wait_until_done

MODES = ("surprisal", "entropy", "rank", "sampling", "support", "loops")
BACKGROUND = "e => getComputedStyle(e).backgroundColor"
CLEAR = "rgba(0, 0, 0, 0)"


@pytest.mark.parametrize("mode", MODES)
def test_every_colour_mode_colours_and_explains(page: Page, mode: str, shoot) -> None:
    run(page, tokens=60)
    page.locator(f'.gx-colours input[value="{mode}"]').check()
    colours = page.evaluate(
        """() => [...document.querySelectorAll('.gx-lanes .gx-token')]
             .map((e) => getComputedStyle(e).backgroundColor)"""
    )
    assert any(colour != CLEAR for colour in colours)
    expect(page.locator(".gx-legend")).not_to_be_empty()
    shoot(page, f"colour-{mode}")


def test_a_sure_token_stays_uncoloured_and_the_choice_lasts(page: Page) -> None:
    run(page, tokens=40)
    sure = page.evaluate("Explorer.stage.run.lanes[1].tokens.findIndex((t) => t.s < 0.3)")
    assert token(page, 1, sure).evaluate(BACKGROUND) == CLEAR
    page.locator('.gx-colours input[value="rank"]').check()
    page.reload()
    page.wait_for_selector(".gx-lane")
    expect(page.locator('.gx-colours input[value="rank"]')).to_be_checked()


def test_rank_bins_differ_by_more_than_colour(page: Page) -> None:
    run(page, tokens=120)
    page.locator('.gx-colours input[value="rank"]').check()
    lines = page.evaluate(
        """() => [1, 2, 3, 4].map((bin) => {
             const swatch = document.querySelector(`.gx-legend .gx-rank-${bin}`);
             const {textDecorationStyle, textDecorationThickness} = getComputedStyle(swatch);
             return textDecorationStyle + textDecorationThickness;
           })"""
    )
    assert len(set(lines)) == 4


def test_dark_follows_the_system_and_live_changes(open_page: OpenPage, shoot) -> None:
    page = open_page(color_scheme="dark")
    run(page, tokens=60)
    surface = lane(page, 0).evaluate(BACKGROUND)
    assert surface == "rgb(25, 28, 32)"
    token(page, 1, 10).hover()
    shoot(page, "dark", full=True)
    page.evaluate("document.body.classList.remove('dark')")
    assert lane(page, 0).evaluate(BACKGROUND) == "rgb(255, 255, 255)"


def test_a_phone_shows_one_lane_and_a_strip_of_all(open_page: OpenPage, shoot) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.fill("#gx-tokens input", "40")
    page.press("#gx-tokens input", "Tab")
    page.locator("#gx-run").tap()
    wait_until_done(page)
    assert page.locator(".gx-lane:visible").count() == 1
    assert page.locator(".gx-tab").count() == 5
    page.locator(".gx-tab").nth(2).tap()
    expect(lane(page, 2)).to_be_visible()
    token(page, 2, 5).tap()
    expect(page.locator(".gx-pin-where")).to_contain_text("token 5")
    shoot(page, "phone", full=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_nothing_sticks_out_on_a_phone(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    run(page, tokens=20)
    for selector in (".gx-hint", ".gx-find", ".gx-lane:visible", "#gx-run", "#gx-stop"):
        for found in page.locator(selector).all():
            place = box(found)
            assert place["x"] >= 0, selector
            assert place["x"] + place["width"] <= 390, selector


def test_on_a_phone_run_shows_its_text_and_a_refusal_its_words(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    start(page, tokens=300)
    wait_for_tokens(page, 30)
    expect(page.locator("#gx-stop")).to_be_in_viewport()
    expect(lane(page, 0).locator(".gx-scroll")).to_be_in_viewport(ratio=0.5)
    page.locator("#gx-stop").tap()
    wait_until_done(page)
    page.evaluate("window.scrollTo(0, 0)")
    start(page, prompt="please fail")
    expect(page.locator(".gx-error")).to_be_in_viewport(ratio=1)


def test_a_swipe_changes_the_lane(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.evaluate(
        """() => {
          const grid = document.querySelector('.gx-lanes');
          const touch = (x) => new Touch({identifier: 1, target: grid, clientX: x, clientY: 300});
          grid.dispatchEvent(new TouchEvent('touchstart', {changedTouches: [touch(300)]}));
          grid.dispatchEvent(new TouchEvent('touchend', {changedTouches: [touch(120)]}));
        }"""
    )
    expect(lane(page, 1)).to_be_visible()


def test_the_bar_with_the_prompt_stays_in_view(page: Page) -> None:
    run(page, tokens=12)
    page.evaluate("document.querySelector('.gx-inspector').scrollIntoView()")
    page.wait_for_timeout(100)
    assert abs(page.locator(".gx-toolbar").evaluate("e => e.getBoundingClientRect().top")) < 2


def test_tall_lanes_show_the_whole_text(page: Page) -> None:
    run(page, tokens=300)
    page.click(".gx-tall")
    scroll = lane(page, 1).locator(".gx-scroll")
    assert scroll.evaluate("e => e.scrollHeight - e.clientHeight") <= 1
    page.click(".gx-tall")


def test_eight_lanes_of_many_tokens_stay_smooth(page: Page) -> None:
    page.evaluate("Explorer.setSpecs(Array.from({length: 8}, (_, i) => `nucleus:p=0.9${i}`))")
    start(page, tokens=500)
    wait_for_tokens(page, 2400)
    waited = page.evaluate(
        """() => {
          const start = performance.now();
          document.getElementById("gx-stop").click();
          return new Promise((resolve) => {
            const look = () => document.body.classList.contains("gx-running")
              ? setTimeout(look, 5) : resolve(performance.now() - start);
            look();
          });
        }"""
    )
    assert waited < 1500
    assert token_count(page, 7) > 300
    with page.expect_download() as download:
        page.click("#gx-save-jsonl")
    saved = download.value.path().read_text(encoding="utf-8")
    assert page.evaluate("Explorer.stage.run.read") == len(saved.splitlines())
    expect(page.locator(".gx-state")).to_have_text(re.compile("^Stopped"))
