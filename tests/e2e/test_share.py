"""Links that restore a set-up, and code to take it away."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from e2e.steps import run, set_form, specs, token
from explorer.services.permalink import LinkState, encode_link

OpenPage = Callable[..., Page]
SLOW = 20_000


def link_on(page: Page) -> str:
    page.click("#gx-share-link")
    box = page.get_by_label("Link to this set-up")
    expect(box).to_be_visible(timeout=SLOW)
    return box.input_value()


def test_a_link_restores_prompt_lanes_seed_and_options(page: Page, open_page: OpenPage) -> None:
    set_form(page, prompt="A ‘strange’ prompt\nof two lines 🦉", tokens=17)
    page.fill("#gx-seed input", "1234567890123456789012")
    page.check("#gx-coupled input")
    page.evaluate("Explorer.setSpecs(['greedy', 'temperature:temperature=1.7'])")
    address = link_on(page)
    other = open_page(address)
    expect(other.locator("#gx-prompt textarea")).to_have_value(
        "A ‘strange’ prompt\nof two lines 🦉", timeout=SLOW
    )
    expect(other.locator("#gx-seed input")).to_have_value("1234567890123456789012")
    expect(other.locator("#gx-tokens input")).to_have_value("17")
    expect(other.locator("#gx-coupled input")).to_be_checked()
    assert specs(other) == ["greedy", "temperature:temperature=1.7"]
    expect(other.locator(".gx-share")).to_contain_text("press Run")
    run(other, tokens=6)


def test_a_link_restores_colours_tall_lanes_and_pinned_tokens(
    page: Page, open_page: OpenPage
) -> None:
    page.evaluate("Explorer.setSpecs(['greedy', 'temperature:temperature=1.7'])")
    page.fill("#gx-seed input", "5")
    run(page, tokens=6)
    token(page, 0, 2).click()
    token(page, 1, 4).click(modifiers=["Control"])
    page.locator(".gx-colours label", has_text="Entropy").first.click()
    page.get_by_role("button", name="Tall lanes").click()
    other = open_page(link_on(page))
    expect(other.locator(".gx-share")).to_contain_text("press Run", timeout=SLOW)
    expect(other.get_by_role("button", name="Tall lanes")).to_have_attribute("aria-pressed", "true")
    assert other.evaluate("Explorer.stage.root.dataset.colour") == "entropy"
    run(other, tokens=6)
    pinned = "Explorer.stage.cursor.pins.map((pin) => [pin.lane.index, pin.index])"
    expect(other.locator(".gx-lanes .gx-pinned")).to_have_count(2)
    assert other.evaluate(pinned) == [[0, 2], [1, 4]]


def test_a_link_holds_what_counts_as_a_loop_wherever_the_settings_stand(
    page: Page, open_page: OpenPage
) -> None:
    page.click("#gx-more button")
    page.fill("#gx-loop-period input", "17")
    page.fill("#gx-loop-copies input", "2.5")
    page.fill("#gx-top input", "4")
    page.click("#gx-more button")
    other = open_page(link_on(page))
    expect(other.locator(".gx-share")).to_contain_text("press Run", timeout=SLOW)
    # shared again with the settings closed, it says the same
    third = open_page(link_on(other))
    expect(third.locator(".gx-share")).to_contain_text("press Run", timeout=SLOW)
    third.click("#gx-more button")
    expect(third.locator("#gx-loop-period input")).to_have_value("17")
    expect(third.locator("#gx-loop-copies input")).to_have_value("2.5")
    expect(third.locator("#gx-loop-tokens input")).to_have_value("48")
    expect(third.locator("#gx-top input")).to_have_value("4")


def test_a_drawn_seed_must_be_known(page: Page) -> None:
    page.fill("#gx-seed input", "-1")
    page.click("#gx-share-link")
    expect(page.locator(".gx-share .gx-problem")).to_contain_text("another seed each time")


@pytest.mark.parametrize(
    ("link", "words"),
    [("1.notalink", "cut or changed"), ("9.abc", "version"), ("1." + "A" * 20_000, "too long")],
)
def test_a_broken_link_is_said_and_the_page_works(
    open_page: OpenPage, url: str, link: str, words: str
) -> None:
    page = open_page(f"{url}#s={link}")
    expect(page.locator(".gx-share .gx-problem")).to_contain_text(words, timeout=SLOW)
    run(page, tokens=4)


def test_a_link_loads_no_model_that_is_not_offered(open_page: OpenPage, url: str) -> None:
    state = LinkState(prompt="abc", lanes=("greedy",), model="/etc/secret")
    page = open_page(f"{url}#s={encode_link(state)}")
    expect(page.locator(".gx-share")).to_contain_text("choose it above", timeout=SLOW)
    expect(page.locator("#gx-prompt textarea")).to_have_value("abc")
    expect(page.locator("#gx-model input")).to_have_value("scripted")


def test_code_is_shown_for_this_package_and_for_transformers(page: Page) -> None:
    page.evaluate("Explorer.setSpecs(['greedy', 'momentum'])")
    page.click("#gx-share-code")
    ours = page.get_by_label("Code for this package")
    expect(ours).to_contain_text("from explorer import generate", timeout=SLOW)
    page.locator(".gx-share select").select_option("1")
    expect(page.locator(".gx-share")).to_contain_text("Not with transformers", timeout=SLOW)
    page.locator(".gx-share").get_by_role("button", name="Close").click()
    expect(page.locator(".gx-share")).to_be_hidden()
