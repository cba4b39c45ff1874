"""The Score page: a text is read, profiled, and asked who could have written it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
SLOW = 30_000


@pytest.fixture
def scores(open_page: OpenPage, url: str) -> Page:
    page = open_page(f"{url}#score", wait=False)
    page.wait_for_selector(".gx-score textarea", timeout=SLOW)
    page.wait_for_selector("[data-state=ready]")
    return page


def score(page: Page, text: str) -> None:
    page.get_by_label("Text to score").fill(text)
    page.get_by_role("button", name="Score", exact=True).click()
    expect(page.locator(".gx-score .gx-token")).to_have_count(len(text), timeout=SLOW)


def test_a_text_is_shown_token_by_token_with_its_profile(scores: Page) -> None:
    score(scores, "abc cab abc")
    page = scores.locator(".gx-score")
    expect(page).to_contain_text("11 tokens · perplexity")
    expect(page.locator(".gx-histogram")).to_have_count(3)
    expect(page).to_contain_text("log-perplexity")
    scores.locator('.gx-score .gx-token[data-i="3"]').click()
    expect(page.locator(".gx-pin-where")).to_contain_text("token 3 in given text")


def test_who_could_have_written_it(scores: Page) -> None:
    score(scores, "abc cab abc")
    scores.get_by_label("Methods, one a line").fill(
        "greedy\ntemperature+nucleus:p=0.5\nbeam:width=2\nbest_of_n"
    )
    scores.get_by_role("button", name="Ask").click()
    verdicts = scores.locator(".gx-verdict")
    expect(verdicts).to_have_count(5, timeout=SLOW)
    expect(verdicts.nth(0)).to_contain_text("is cut")
    expect(verdicts.nth(1)).to_contain_text("In this chain, to admit every token")
    expect(verdicts.nth(2)).to_contain_text("is where it says another")
    expect(verdicts.nth(3)).to_contain_text("not asked")
    # Under the text, a cell a token says what would admit it, alone and in the chain.
    cell = verdicts.nth(4).locator(".gx-strip-cells span").nth(3)
    expect(cell).to_have_attribute("title", re.compile(r"k ≥ \d+ · nucleus p > .* mass > "))
    chained = verdicts.nth(1).locator(".gx-strip-cells span").nth(3)
    expect(chained).to_have_attribute("title", re.compile(r"nucleus p > \d"))
    expect(scores.locator(".gx-score")).to_contain_text("To admit every token: top-k k ≥")
    verdicts.nth(0).get_by_role("button", name="Show").click()
    expect(scores.locator(".gx-score .gx-pin")).to_have_count(1)
    scores.get_by_label("Methods, one a line").fill("nuclius")
    scores.get_by_role("button", name="Ask").click()
    expect(scores.locator(".gx-score .gx-problem")).to_contain_text("nucleus", timeout=SLOW)


def test_a_named_token_is_probed_everywhere(scores: Page) -> None:
    score(scores, "abc cab abc")
    scores.get_by_label("token", exact=True).fill("c")
    scores.get_by_role("button", name="Probe").click()
    expect(scores.locator(".gx-score")).to_contain_text("Likeliest at token", timeout=SLOW)


def test_nothing_to_score_is_said(scores: Page) -> None:
    scores.get_by_role("button", name="Score", exact=True).click()
    expect(scores.locator(".gx-score .gx-problem")).to_contain_text("no text to score")


def test_the_page_of_scores_holds_on_a_phone(open_page: OpenPage, url: str) -> None:
    page = open_page(f"{url}#score", wait=False, viewport={"width": 390, "height": 844})
    page.wait_for_selector(".gx-score textarea", timeout=SLOW)
    score(page, "abc cab")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_parity_light(scores: Page) -> None:
    score(scores, "abc cab abc")
    scores.get_by_role("button", name="Light").click()
    expect(scores.locator(".gx-parity")).to_contain_text("green", timeout=SLOW)
    expect(scores.locator(".gx-parity")).to_contain_text("no likeliest token changes")
