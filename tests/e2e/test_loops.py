"""The Loops page: a loop is run, taken apart, drawn over its copies, and looked into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from playwright.sync_api import Page, expect

from explorer.services.generation import generate
from explorer.services.loops.anatomy import anatomy, loops_of, outline

OpenPage = Callable[..., Page]
SLOW = 30_000
ANATOMY = ".gx-anatomy"


def open_loops(open_page: OpenPage, url: str, **options: object) -> Page:
    page = open_page(f"{url}#loops", wait=False, **options)
    page.wait_for_selector(".gx-loops textarea", timeout=SLOW)
    page.wait_for_selector("[data-state=ready]")
    return page


@pytest.fixture
def loops(open_page: OpenPage, url: str) -> Page:
    return open_loops(open_page, url)


def run(page: Page, prompt: str = "go", tokens: int = 200, method: str = "greedy") -> None:
    here = page.locator(".gx-loops")
    here.get_by_label("Prompt", exact=True).fill(prompt)
    here.get_by_label("Decoding methods, one a line").fill(method)
    here.get_by_label("new tokens").fill(str(tokens))
    here.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(".gx-loops .gx-token")).to_have_count(tokens, timeout=SLOW)
    expect(page.locator(ANATOMY)).to_be_visible(timeout=SLOW)


def test_copies_stand_under_each_other_and_a_click_pins_their_token(loops: Page) -> None:
    run(loops)
    part = loops.locator(ANATOMY)
    expect(part).to_contain_text(
        "The loop is exact: 7 whole copies and one that is cut short of 26 tokens, from token 13"
    )
    rows = part.locator(".gx-copies tbody tr")
    expect(rows).to_have_count(8)
    expect(rows.nth(0).locator("td")).to_have_count(26)
    expect(rows.nth(7).locator("td[data-i]")).to_have_count(200 - 13 - 7 * 26)
    assert (
        rows.nth(2).locator("td").all_inner_texts() == rows.nth(5).locator("td").all_inner_texts()
    )
    rows.nth(3).locator("td").nth(4).click()
    index = 13 + 3 * 26 + 4
    expect(loops.locator(".gx-loops .gx-pin-where")).to_contain_text(f"token {index} in")
    part.locator(".gx-before button").click()
    expect(loops.locator(".gx-loops .gx-pin-where")).to_contain_text("token 12 in")


def test_cells_are_walked_by_keys_and_coloured_as_chosen(loops: Page) -> None:
    run(loops)
    part = loops.locator(ANATOMY)
    first = part.locator('td[data-i="13"]')
    first.focus()
    for key in ("ArrowRight", "ArrowDown", "Enter"):
        loops.keyboard.press(key)
    expect(loops.locator(".gx-loops .gx-pin-where")).to_contain_text(f"token {13 + 26 + 1} in")
    loops.keyboard.press("Control+End")
    expect(part.locator('td[data-i="199"]')).to_be_focused()
    part.get_by_role("tab", name="entropy").click()
    expect(part.locator(".gx-copies")).to_have_attribute("data-colour", "entropy")


def test_curves_name_the_token_under_the_pointer_and_by_keys(loops: Page) -> None:
    run(loops)
    part = loops.locator(ANATOMY)
    expect(part.locator(".gx-curves")).to_have_count(3)
    chart = part.locator(".gx-curve-box").nth(0)
    expect(chart.locator("path.gx-curve-line")).to_have_count(27)
    chart.locator("svg").focus()
    loops.keyboard.press("ArrowRight")
    expect(chart).to_contain_text("geometric mean · copy 1:")
    loops.keyboard.press("ArrowDown")
    expect(chart).to_contain_text("place 1 “")
    loops.keyboard.press("Enter")
    expect(loops.locator(".gx-loops .gx-pin-where")).to_contain_text("token 13 in")
    before = chart.locator("path.gx-curve-line").nth(3).get_attribute("d")
    part.get_by_label("probabilities on a log scale").check()
    assert chart.locator("path.gx-curve-line").nth(3).get_attribute("d") != before
    chart.locator("svg").hover(position={"x": 200, "y": 60})
    expect(chart.locator(".gx-curve-read")).to_contain_text("copy")


def test_the_moment_of_no_return_is_said_and_tabled(loops: Page) -> None:
    run(loops)
    part = loops.locator(ANATOMY)
    words = part.locator(".gx-no-return")
    expect(words).to_contain_text("From copy 1 (token 13) on greedy cannot leave")
    expect(words).to_contain_text("This run is greedy itself")
    expect(words).to_contain_text("the widest exit is place")
    expect(part.locator(".gx-exits tbody tr")).to_have_count(8)
    part.locator(".gx-exits .gx-place").nth(2).click()
    expect(loops.locator(".gx-loops .gx-pin")).to_have_count(1)


def test_a_text_without_a_loop_says_what_to_do(loops: Page) -> None:
    run(loops, tokens=1)
    expect(loops.locator(ANATOMY)).to_contain_text("This lane has no loop")
    expect(loops.locator(".gx-copies")).to_have_count(0)


def test_the_loops_page_holds_on_a_phone(open_page: OpenPage, url: str) -> None:
    page = open_loops(open_page, url, viewport={"width": 390, "height": 844})
    run(page)
    page.get_by_role("button", name="Read attention").click()
    expect(page.locator(".gx-heads tbody tr").first).to_be_visible(timeout=SLOW)
    feed = page.locator(".gx-feed")
    feed.get_by_label("the 32 sentences of the list").uncheck()
    feed.get_by_label("sentences of random tokens").fill("2")
    feed.get_by_label("repetitions").fill("1")
    feed.get_by_role("button", name="Measure").click()
    expect(feed).to_contain_text("1 series were read.", timeout=SLOW)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_heads_are_ranked_and_a_click_shows_where_a_token_looks(loops: Page) -> None:
    run(loops)
    part = loops.locator(".gx-attention")
    part.get_by_label("copy").fill("3")
    part.get_by_role("button", name="Read attention").click()
    heads = part.locator(".gx-heads tbody tr")
    expect(heads.first).to_contain_text("1.0", timeout=SLOW)  # what followed the token last time
    expect(part).to_contain_text("Copy 3, 26 tokens, over the 2 copies before it")
    expect(part.locator(".gx-look")).to_have_count(1)
    part.get_by_role("tab", name="the same place", exact=True).click()
    expect(heads.first).to_contain_text("0.1")
    part.get_by_role("button", name="Head 0.1: where it looks").click()
    words = part.locator(".gx-look-words button")
    expect(words).to_have_count(26)
    words.nth(5).click()
    expect(words.nth(5)).to_have_attribute("aria-pressed", "true")
    expect(part.locator(".gx-look-best li").first).to_contain_text("100.0%")
    part.locator(".gx-look-best button").first.click()
    expect(loops.locator(".gx-loops .gx-pin")).to_have_count(1)


def test_sentences_feed_themselves_and_series_stand_in_one_figure(loops: Page) -> None:
    part = loops.locator(".gx-feed")
    part.get_by_label("Sentences, one a line").fill("the sea is wide\nthe old sea is wide")
    part.get_by_label("the 32 sentences of the list").uncheck()
    part.get_by_label("sentences of random tokens").fill("3")
    part.get_by_label("repetitions").fill("2")
    part.get_by_role("button", name="Measure").click()
    expect(part.locator(".gx-chart-legend .gx-key-entry")).to_have_count(2, timeout=SLOW)
    expect(part).to_contain_text("3 of 12 random tokens · scripted · 36 tokens")
    expect(part).to_contain_text("2 series were read.", timeout=SLOW)
    expect(part.locator("tbody tr")).to_have_count(6)
    chart = part.locator(".gx-curve-box").nth(0)
    expect(chart.locator(".gx-curve-band")).to_have_count(2)
    chart.locator("svg").focus()
    loops.keyboard.press("ArrowRight")
    expect(chart).to_contain_text("repetition 0: ")
    line = chart.locator("path.gx-curve-strong").nth(1)
    before = line.get_attribute("d")
    part.get_by_label("TP on a log scale").check()
    assert line.get_attribute("d") != before
    part.get_by_label("Sentences, one a line").fill("a wide sea")
    part.get_by_label("sentences of random tokens").fill("0")
    part.get_by_role("button", name="Measure").click()
    expect(part.locator(".gx-chart-legend .gx-key-entry")).to_have_count(3, timeout=SLOW)
    expect(part).to_contain_text("1 series were read.", timeout=SLOW)
    part.get_by_role("button", name="Clear the figure").click()
    expect(part.locator(".gx-curves")).to_have_count(3)
    expect(part.locator(".gx-curves").first).to_be_hidden()


def test_an_experiment_without_a_sentence_says_what_to_give(loops: Page) -> None:
    part = loops.locator(".gx-feed")
    part.get_by_label("the 32 sentences of the list").uncheck()
    part.get_by_label("sentences of random tokens").fill("0")
    part.get_by_role("button", name="Measure").click()
    expect(part.locator(".gx-problem")).to_contain_text("No sentence was asked for")


def test_cycles_of_meaning_are_looked_for_on_demand(loops: Page) -> None:
    run(loops)
    part = loops.locator(ANATOMY)
    part.get_by_text("Sentences that say the same in other words").click()
    part.get_by_role("button", name="Look for cycles of meaning").click()
    expect(part).to_contain_text("Cycles of meaning that are new:", timeout=SLOW)
    part.get_by_label("strictness").fill("99")
    part.get_by_role("button", name="Look for cycles of meaning").click()
    expect(part.locator(".gx-problem")).to_contain_text("'strictness' is 99")


def test_copies_that_differ_stand_under_the_place_they_are_like(loops: Page) -> None:
    run(loops)
    unit = list(range(1, 31))
    copies = [
        unit,
        [*unit[:10], 35, *unit[11:]],
        [*unit[:5], *unit[6:]],
        [*unit[:20], 36, *unit[20:]],
    ]
    ids = [33, *[i for copy in copies for i in copy], *unit[:4]]
    model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
    trace = generate(model, "go", ["greedy"], len(ids))[0]
    steps = tuple(replace(s, token_id=i) for s, i in zip(trace.steps, ids, strict=True))
    pieces = dict(enumerate(model.tokenizer.pieces))
    near = replace(trace, steps=steps, pieces=pieces, loops=())
    (stretch,) = loops_of(near)
    found = {"loops": [outline(stretch)], "loop": 0, "anatomy": anatomy(near, stretch)}
    loops.evaluate("found => Explorer.loops.sections[0].take(found)", found)
    part = loops.locator(ANATOMY)
    expect(part).to_contain_text("The loop is with edits: 4 whole copies and one that is cut short")
    rows = part.locator(".gx-copies tbody tr")
    expect(rows).to_have_count(5)
    expect(part.locator(".gx-copies thead th")).to_have_count(1 + 31)
    expect(part.locator(".gx-copies .gx-copy-changed")).to_have_count(2)
    expect(rows.nth(2).locator(".gx-copy-gap")).to_have_count(2)
    ends = [rows.nth(k).locator("td").last.inner_text() for k in range(4)]
    assert len(set(ends)) == 1
    expect(part.locator(".gx-before")).to_contain_text("before it, token 0")


def test_a_loop_that_draws_wrote_is_not_caught_where_another_token_was_likelier(
    loops: Page,
) -> None:
    run(loops)
    model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
    trace = generate(model, "go", ["greedy"], 200)[0]
    steps = [replace(s, rank=1) if s.index in (70, 198) else s for s in trace.steps]
    drawn = replace(trace, steps=tuple(steps), decoder="temperature")
    (stretch,) = loops_of(drawn)
    words = loops.locator(".gx-no-return")
    show = "found => Explorer.loops.sections[0].take(found)"
    loops.evaluate(
        show, {"loops": [outline(stretch)], "loop": 0, "anatomy": anatomy(drawn, stretch)}
    )
    expect(words).to_contain_text("Greedy is not caught")
    steps[198] = trace.steps[198]
    drawn = replace(drawn, steps=tuple(steps))
    loops.evaluate(
        show, {"loops": [outline(stretch)], "loop": 0, "anatomy": anatomy(drawn, stretch)}
    )
    # token 70 is in copy 3, which ends before token 91
    expect(words).to_contain_text("From copy 4 (token 91) on greedy cannot leave")
    left = replace(drawn, steps=(*drawn.steps, replace(drawn.steps[0], index=200, token_id=5)))
    loops.evaluate(
        show, {"loops": [outline(stretch)], "loop": 0, "anatomy": anatomy(left, stretch)}
    )
    expect(words).to_contain_text("The loop was left at token 200: it said “")
