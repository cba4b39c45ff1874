"""Stage by stage at a pinned token: read, reordered by keys and by dragging, on a phone too."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect
from ui.fake_services import FakeServices

from e2e.steps import lane, run, token

SPEC = "temperature:temperature=0.5+top_k:k=40+nucleus:p=0.9"


def open_stages(page: Page, spec: str = SPEC, index: int = 3) -> Locator:
    lane(page, 0).locator(".gx-more").click()
    lane(page, 0).locator(".gx-field .gx-spec").fill(spec)
    run(page, tokens=8)
    token(page, 0, index).click()
    page.get_by_role("button", name="Stage by stage").click()
    table = page.locator(".gx-waterfall")
    expect(table).to_have_attribute("aria-busy", "false")
    return table


def titles(table: Locator) -> list[str]:
    return [text.split(" ")[0] for text in table.locator(".gx-stage-name span").all_inner_texts()]


def test_each_stage_says_what_it_left_and_cut(page: Page, shoot) -> None:
    table = open_stages(page)
    assert titles(table) == ["temperature", "top-k", "nucleus"]
    first = table.locator("tbody tr").first
    for words in ("90", "25.0%", "4.33 → 2.89", "0.43"):  # 3 and 2 nats, 0.3 nats, in bits
        expect(first).to_contain_text(words)
    expect(table.locator("tbody tr").nth(1)).to_contain_text("removed the runner-up")
    # Hostile text of the model stays text.
    expect(table.locator(".gx-stage-words")).to_contain_text("removed the runner-up “␣<b>lamp”")
    table.scroll_into_view_if_needed()
    shoot(page, "waterfall")


def test_arrows_and_dragging_try_another_order(page: Page) -> None:
    table = open_stages(page)
    table.get_by_role("button", name=re.compile("Move nucleus.* up")).click()
    expect(table.locator(".gx-stage-words")).to_contain_text("In this order ancestral still takes")
    assert titles(table) == ["temperature", "nucleus", "top-k"]
    # The button pressed keeps the focus, so that it can be pressed again.
    page.keyboard.press("Enter")
    expect(table.locator(".gx-stage-name").first).to_contain_text("nucleus")
    expect(table).to_have_attribute("aria-busy", "false")
    table.locator("tbody tr").nth(2).drag_to(table.locator("tbody tr").nth(0))
    expect(table.locator(".gx-stage-name").first).to_contain_text("top-k")
    assert titles(table) == ["top-k", "nucleus", "temperature"]
    table.get_by_role("button", name="As it ran").click()
    assert titles(table) == ["temperature", "top-k", "nucleus"]


def test_it_stays_open_while_one_walks_and_is_not_offered_without_stages(page: Page) -> None:
    open_stages(page)
    page.keyboard.press("Escape")
    token(page, 0, 1).click()
    expect(page.locator(".gx-waterfall")).to_have_attribute("aria-busy", "false")
    expect(page.locator(".gx-waterfall tbody tr")).to_have_count(3)
    token(page, 4, 1).click()
    expect(page.locator(".gx-stages-toggle")).to_have_count(0)


def test_a_failure_is_told_in_its_place(page: Page, services: FakeServices, monkeypatch) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(services, "token_stages", fail)
    table = open_stages(page)
    expect(table.locator(".gx-stage-words")).to_contain_text("incident")
    expect(table.locator(".gx-stage-words")).not_to_contain_text("secret")


def test_on_a_phone_nothing_is_wider_than_the_screen(open_page: Callable[..., Page], shoot) -> None:
    page = open_page(viewport={"width": 390, "height": 844})
    table = open_stages(page)
    wide = table.evaluate("(table) => table.scrollWidth - table.clientWidth")
    assert wide <= 0
    right = table.locator("table").evaluate("(t) => t.getBoundingClientRect().right")
    assert right <= 390
    table.scroll_into_view_if_needed()
    shoot(page, "waterfall-phone")
