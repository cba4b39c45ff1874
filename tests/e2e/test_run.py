"""Type a prompt, run it, see every lane write."""

from __future__ import annotations

import json
import re
import time

import pytest
from playwright.sync_api import Page, Route, expect
from ui.canned import Canned, whole
from ui.fake_services import FakeServices

from e2e.steps import box, lane, run, set_form, start, token_count, wait_for_tokens, wait_until_done


def test_the_first_page_teaches(page: Page, shoot) -> None:
    expect(page.locator(".gx-state")).to_have_text(
        "Run a prompt to see what each method would say."
    )
    expect(page.locator(".gx-blank-lane").first).not_to_be_empty()
    expect(page.locator("#gx-prompt-facts")).to_contain_text("tokens · raw · BOS no")
    page.wait_for_selector("#gx-plot .main-svg")
    shoot(page, "empty", full=True)


def test_every_lane_writes_its_tokens(page: Page) -> None:
    run(page, prompt="A test", tokens=20)
    for number in range(5):
        assert token_count(page, number) == 20
        expect(lane(page, number).locator(".gx-counts")).to_have_text(
            re.compile("^20 tokens · length")
        )
    expect(page.locator(".gx-prompt")).to_have_text("A test")
    expect(page.locator(".gx-state")).to_contain_text("seed 7")


def test_the_page_answers_a_press_at_once(page: Page) -> None:
    set_form(page, prompt="slow", tokens=12)
    waited = page.evaluate(
        """() => {
          const start = performance.now();
          document.getElementById("gx-run").click();
          return new Promise((resolve) => {
            const look = () => document.body.classList.contains("gx-running")
              ? resolve(performance.now() - start) : setTimeout(look, 2);
            look();
          });
        }"""
    )
    assert waited < 100
    wait_until_done(page)


def test_nothing_moves_while_text_arrives(page: Page, shoot) -> None:
    page.wait_for_selector("#gx-plot .main-svg")
    before = [box(page.locator(part)) for part in (".gx-inspector", ".gx-metrics", "#gx-plot")]
    start(page, tokens=150)
    wait_for_tokens(page, 300)
    shoot(page, "running")
    wait_until_done(page)
    after = [box(page.locator(part)) for part in (".gx-inspector", ".gx-metrics", "#gx-plot")]
    assert [part["y"] for part in after] == [part["y"] for part in before]


def test_ctrl_enter_runs_from_the_prompt(page: Page) -> None:
    set_form(page, tokens=10)
    page.focus("#gx-prompt textarea")
    page.keyboard.press("Control+Enter")
    wait_until_done(page)
    assert token_count(page, 0) == 10
    assert page.input_value("#gx-prompt textarea").count("\n") == 0


def test_a_chip_fills_the_form_and_runs(page: Page) -> None:
    page.click("#gx-chips button >> nth=0")
    wait_until_done(page)
    assert page.input_value("#gx-prompt textarea") == "Shopping list: milk, eggs,"
    assert page.locator(".gx-lane").count() == 6
    assert token_count(page, 0) == 60


def test_a_second_run_starts_anew(page: Page) -> None:
    run(page, tokens=16)
    first = lane(page, 1).locator(".gx-text").inner_text()
    page.fill("#gx-seed input", "8")
    page.press("#gx-seed input", "Tab")
    run(page, tokens=12)
    assert token_count(page, 1) == 12
    assert lane(page, 1).locator(".gx-text").inner_text() != first


def test_a_loop_is_marked_in_the_margin_and_in_words(page: Page) -> None:
    run(page, tokens=60)
    expect(lane(page, 0).locator(".gx-note")).to_have_text(
        re.compile(r"loop from 24, period 9 · 4 copies")
    )
    assert lane(page, 0).locator(".gx-bracket").count() == 1
    assert lane(page, 0).locator(".gx-copy-start").count() == 4
    assert lane(page, 1).locator(".gx-loop").count() == 0


def test_a_refusal_is_shown_in_three_parts_and_keeps_the_last_run(page: Page, shoot) -> None:
    run(page, tokens=14)
    for _ in range(2):
        start(page, prompt="please fail")
        expect(page.locator(".gx-error")).to_have_text(
            "This prompt needs 9,120 tokens; scripted reads 8,192. "
            "Shorten it or choose another model."
        )
        expect(page.locator("body")).not_to_have_class(re.compile("gx-running"))
    assert token_count(page, 0) == 14
    shoot(page, "error")


def test_a_crash_shows_a_number_and_no_detail(page: Page) -> None:
    start(page, prompt="crash")
    expect(page.locator(".gx-error")).to_have_text(re.compile(r"incident [0-9a-f]{8}"))
    assert "secret detail" not in page.content()


def test_the_metric_table_sorts_and_explains_itself(page: Page) -> None:
    run(page, tokens=12)
    page.click('.gx-metrics th[data-key="perplexity"] button')
    expect(page.locator(".gx-formula")).to_contain_text("exp(mean surprisal in nats)")
    column = page.locator(".gx-metrics tbody tr td:nth-child(6)").all_inner_texts()
    assert [float(x) for x in column] == sorted((float(x) for x in column), reverse=True)
    header = page.locator('.gx-metrics th[data-key="perplexity"]')
    expect(header).to_have_attribute("aria-sort", "descending")


def test_a_search_that_changes_its_mind_takes_tokens_back(page: Page) -> None:
    lines = [line for line in whole(Canned(run="cut", tokens=9)).splitlines() if line]
    ends = next(i for i, line in enumerate(lines) if '"end"' in line)
    before, after = lines[:ends], lines[ends:]
    changed = [*before, json.dumps({"l": 1, "cut": 4}), lines[2].replace('"i":0', '"i":4'), *after]
    page.evaluate("(value) => Explorer.stage.update(value)", "\n".join(before) + "\n")
    expect(lane(page, 1).locator(".gx-token")).to_have_count(9)
    page.evaluate("(value) => Explorer.stage.update(value)", "\n".join(changed) + "\n")
    expect(lane(page, 1).locator(".gx-token")).to_have_count(5)
    expect(lane(page, 0).locator(".gx-token")).to_have_count(9)


def test_a_part_that_leaves_a_gap_is_passed_over_until_the_whole_comes(page: Page) -> None:
    lines = whole(Canned(run="parts", tokens=30)).splitlines()
    for first, last in ((0, 10), (20, 40), (8, 30), (0, len(lines))):
        part = "\n".join([json.dumps({"part": "a", "from": first}), *lines[first:last], ""])
        # As Python writes it: the script looks at the first characters only.
        page.evaluate("(v) => Explorer.stage.update(v)", part.replace('{"part": ', '{"part":'))
        page.wait_for_timeout(50)
        if first == 20:
            assert page.evaluate("Explorer.stage.run.read") == 10
        if first == 8:
            assert page.evaluate("Explorer.stage.run.read") == 30
    assert page.evaluate("Explorer.stage.run.read") == len(lines)
    expect(lane(page, 0).locator(".gx-token")).to_have_count(30)
    expect(lane(page, 1).locator(".gx-token")).to_have_count(30)


def test_streaming_reaches_the_page_before_the_end(page: Page) -> None:
    start(page, tokens=200)
    wait_for_tokens(page, 20)
    seen = time.monotonic()
    assert page.locator("body.gx-running").count() == 1
    wait_until_done(page)
    assert time.monotonic() > seen


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("tokens", "1.5", "The field “tokens” is 1.5. Give a whole number"),
        ("tokens", "", "The field “tokens” is empty."),
        ("seed", "x", "The field “seed” is 'x'."),
    ],
)
def test_a_number_that_cannot_be_is_refused_and_the_page_is_ready_again(
    page: Page, field: str, value: str, words: str
) -> None:
    page.fill(f"#gx-{field} input", value)
    page.press(f"#gx-{field} input", "Tab")
    page.click("#gx-run")
    expect(page.locator(".gx-error")).to_contain_text(words)
    expect(page.locator("body")).not_to_have_class(re.compile("gx-running"))
    page.fill(f"#gx-{field} input", "9")
    run(page, tokens=9)


def test_a_value_that_gradio_refuses_by_itself_settles_the_page(page: Page) -> None:
    def spoil(route: Route) -> None:
        body = json.loads(route.request.post_data or "{}")
        if len(body.get("data", [])) > 10:
            body["data"][2] = "no such template"
        route.continue_(post_data=json.dumps(body))

    page.route("**/queue/join**", spoil)
    start(page, tokens=9)
    expect(page.locator(".toast-body")).to_be_visible()
    expect(page.locator("body")).not_to_have_class(re.compile("gx-running"))
    page.unroute("**/queue/join**")
    run(page, tokens=9)


def test_a_long_seed_keeps_its_digits(page: Page, services: FakeServices) -> None:
    page.fill("#gx-seed input", "9007199254740993")
    page.press("#gx-seed input", "Tab")
    run(page, tokens=6)
    assert services.requests[-1].seed == 9007199254740993
    expect(page.locator(".gx-state")).to_contain_text("seed 9007199254740993")


def test_the_reading_of_a_long_prompt_shows_how_far_it_is(page: Page) -> None:
    header, *rest = whole(Canned(run="long", tokens=5)).splitlines()
    reading = json.dumps({"progress": {"what": "Reading the prompt", "fraction": 0.437}})
    page.evaluate("(v) => Explorer.stage.update(v)", f"{header}\n{reading}\n")
    expect(page.locator(".gx-state")).to_have_text("Reading the prompt… 43%")
    expect(page.locator(".gx-run-line .gx-meter")).to_have_attribute("value", "0.437")
    lines = "\n".join([header, reading, rest[0], ""])
    page.evaluate("(v) => Explorer.stage.update(v)", lines)
    expect(page.locator(".gx-state")).to_have_text("Writing token 1 of 5")


def test_while_a_run_is_under_way_nothing_begins_another_and_the_page_says_so(page: Page) -> None:
    start(page, tokens=300)
    wait_for_tokens(page, 20)
    expect(page.locator("#gx-run")).to_be_disabled()
    expect(page.locator("#gx-run")).to_have_attribute("title", re.compile("under way"))
    expect(page.locator("#gx-chips button >> nth=0")).to_be_disabled()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".gx-state")).to_have_text("A run is under way: Esc stops it")
    page.keyboard.press("Escape")
    wait_until_done(page)
    expect(page.locator("#gx-run")).to_be_enabled()
    expect(page.locator("#gx-stop")).to_be_disabled()


def test_the_metric_table_shows_every_metric_of_the_catalogue(page: Page) -> None:
    run(page, tokens=12)
    headers = page.locator(".gx-metrics thead th").all_inner_texts()
    for title in ("mean entropy, bits", "perplexity", "rep-4", "diversity", "distinct-2"):
        assert title in [text.strip() for text in headers]
    page.click('.gx-metrics th[data-key="tokens_per_s"] button')
    expect(page.locator(".gx-formula")).to_contain_text("after its first")
