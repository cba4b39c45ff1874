"""Hostile text stays text; tabs do not meet."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from ui.canned import HOSTILE
from ui.fake_services import FakeServices

from e2e.conftest import OpenPage
from e2e.steps import lane, run, start, token, token_count, wait_for_tokens, wait_until_done

PROMPT = "hostile <img src=x onerror=\"document.body.dataset.pwned='1'\"> ${1+1} {{2}} \\"


def test_hostile_tokens_are_only_text(page: Page, shoot) -> None:
    run(page, prompt=PROMPT, tokens=len(HOSTILE) * 2)
    assert page.evaluate("document.body.dataset.pwned") is None
    assert page.locator(".gx-lanes img, .gx-lanes script").count() == 0
    shown = lane(page, 0).locator(".gx-text").evaluate("e => e.textContent")
    assert shown == "".join(HOSTILE * 2).removeprefix(" ")
    expect(page.locator(".gx-prompt")).to_have_text(PROMPT)
    for index in range(len(HOSTILE)):
        page.evaluate(f"Explorer.stage.cursor.pin(Explorer.stage.lanes[0], {index})")
    token(page, 0, 1).hover()
    assert page.evaluate("document.body.dataset.pwned") is None
    shoot(page, "hostile")


def test_a_hostile_prompt_is_quoted_in_its_report(page: Page) -> None:
    page.fill("#gx-prompt textarea", PROMPT + " ")
    expect(page.locator("#gx-prompt-facts")).to_contain_text("ends with a space")
    page.get_by_label("chat template").check()
    page.get_by_role("button", name="Text as the model reads it").click()
    expect(page.locator("#gx-reading textarea")).to_have_value(
        f"<|user|>\n{PROMPT} \n<|assistant|>\n"
    )
    assert page.evaluate("document.body.dataset.pwned") is None


def test_two_tabs_run_side_by_side(open_page: OpenPage) -> None:
    one, two = open_page(), open_page()
    start(one, prompt="the first tab", tokens=60)
    start(two, prompt="the second tab", tokens=30)
    wait_until_done(one)
    wait_until_done(two)
    assert (token_count(one, 0), token_count(two, 0)) == (60, 30)
    expect(one.locator(".gx-prompt")).to_have_text("the first tab")
    expect(two.locator(".gx-prompt")).to_have_text("the second tab")


def test_stopping_one_tab_leaves_the_other(open_page: OpenPage) -> None:
    one, two = open_page(), open_page()
    start(one, tokens=300)
    start(two, tokens=40)
    wait_for_tokens(one, 12)
    one.click("#gx-stop")
    wait_until_done(two)
    assert token_count(two, 0) == 40
    assert token_count(one, 0) < 300


def test_a_closed_tab_is_forgotten(open_page: OpenPage, services: FakeServices) -> None:
    page = open_page()
    run(page, tokens=6)
    before = len(services.forgotten)
    page.close()
    other = open_page()
    for _ in range(50):
        if len(services.forgotten) > before:
            break
        other.wait_for_timeout(100)
    assert len(services.forgotten) > before


@pytest.mark.parametrize("name", ["missing"])
def test_a_model_that_cannot_be_had_says_what_to_do(page: Page, name: str) -> None:
    page.fill("#gx-model input", name)
    page.press("#gx-model input", "Enter")
    expect(page.locator("#gx-model-status")).to_contain_text("Choose another model.")
