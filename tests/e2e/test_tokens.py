"""Hover, click, keys: where a reader is."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from e2e.steps import lane, run, token


@pytest.fixture
def ran(page: Page) -> Page:
    run(page, tokens=24)
    return page


def test_hover_shows_both_laws(ran: Page, shoot) -> None:
    token(ran, 1, 8).hover()
    card = ran.locator(".gx-card.gx-on")
    expect(card).to_contain_text("token 8")
    expect(card).to_contain_text("p model law")
    expect(card).to_contain_text("others")
    assert card.locator(".gx-chosen").count() == 1
    shoot(ran, "hover")
    ran.mouse.move(5, 5)
    expect(ran.locator(".gx-card.gx-on")).to_have_count(0)


def test_hover_draws_a_cursor_in_every_sparkline(ran: Page) -> None:
    token(ran, 2, 11).hover()
    assert ran.locator(".gx-lane .gx-spark-cursor.gx-on").count() == 5
    expect(ran.locator(".gx-lane .gx-spark-cursor.gx-on").first).to_have_attribute("x1", "11")


def test_click_pins_and_says_everything(ran: Page, shoot) -> None:
    token(ran, 1, 6).click()
    inspector = ran.locator("#gx-inspector")
    for word in ("token 6", "surprisal", "varentropy", "bits²", "support size", "others"):
        expect(inspector).to_contain_text(word)
    assert inspector.locator(".gx-bar-row").count() == 12
    assert ran.locator(".gx-token.gx-pinned").count() == 1
    assert ran.locator(".gx-token.gx-at").count() == 5
    shoot(ran, "pinned", full=True)


def test_cut_tokens_stay_visible_and_struck(ran: Page) -> None:
    cut = ran.evaluate(
        "Explorer.stage.run.lanes[1].tokens.findIndex((t) => t.a.some((row) => row[3] === null))"
    )
    token(ran, 1, cut).click()
    row = ran.locator("#gx-inspector .gx-cut").first
    expect(row).to_contain_text("cut")
    struck = "e => getComputedStyle(e).textDecorationLine"
    assert row.locator(".gx-bar-piece").evaluate(struck) == "line-through"


def test_a_second_pin_stands_beside_the_first(ran: Page) -> None:
    token(ran, 0, 3).click()
    token(ran, 4, 9).click(modifiers=["Control"])
    assert ran.locator("#gx-inspector .gx-pin").count() == 2
    expect(ran.locator("#gx-inspector .gx-pin-where").nth(1)).to_contain_text("token 9")


def test_arrows_walk_through_all_lanes_together(ran: Page) -> None:
    token(ran, 1, 6).click()
    where = ran.locator(".gx-pin-where")
    ran.keyboard.press("ArrowRight")
    expect(where).to_contain_text("token 7")
    assert ran.locator('.gx-token.gx-at[data-i="7"]').count() == 5
    ran.keyboard.press("ArrowDown")
    expect(token(ran, 2, 7)).to_have_class(re.compile("gx-pinned"))
    ran.keyboard.press("End")
    expect(where).to_contain_text("token 23")
    ran.keyboard.press("Home")
    expect(where).to_contain_text("token 0")
    ran.keyboard.press("ArrowLeft")
    expect(where).to_contain_text("token 0")
    ran.keyboard.press("Escape")
    assert ran.locator(".gx-token.gx-pinned").count() == 0
    expect(ran.locator(".gx-hint")).to_be_visible()


def test_arrows_leave_text_fields_alone(ran: Page) -> None:
    token(ran, 1, 6).click()
    ran.focus("#gx-prompt textarea")
    ran.keyboard.press("ArrowLeft")
    expect(ran.locator(".gx-pin-where")).to_contain_text("token 6")


def test_tokens_are_reached_and_pinned_by_keyboard(ran: Page) -> None:
    token(ran, 0, 0).focus()
    ran.keyboard.press("Enter")
    expect(ran.locator(".gx-pin-where")).to_contain_text("token 0")
    ran.keyboard.press("ArrowRight")
    expect(token(ran, 0, 1)).to_be_focused()
    label = token(ran, 0, 1).get_attribute("aria-label")
    assert label
    assert "probability" in label
    assert ran.locator('.gx-token[tabindex="0"]').count() == 1


def test_a_sparkline_picks_its_token(ran: Page) -> None:
    lane(ran, 3).locator(".gx-spark").click(position={"x": 2, "y": 10})
    expect(ran.locator(".gx-pin-where")).to_contain_text("token 0")


def test_the_plot_shows_the_pinned_index(ran: Page) -> None:
    ran.wait_for_selector("#gx-plot .main-svg")
    token(ran, 1, 6).click()
    ran.wait_for_function(
        "document.querySelector('#gx-plot .js-plotly-plot').layout.shapes?.[0]?.x0 === 6"
    )


def test_a_finished_run_offers_places_to_look(ran: Page) -> None:
    ran.locator(".gx-find").first.click()
    assert ran.locator("#gx-inspector .gx-pin").count() >= 1


def test_pinning_triggers_an_event(ran: Page) -> None:
    ran.evaluate("Explorer.stage.options.onToken = (detail) => (window.seen = detail)")
    token(ran, 2, 5).click()
    seen = ran.evaluate("window.seen")
    assert (seen["lane"], seen["index"]) == (2, 5)
    assert isinstance(seen["token_id"], int)
