"""The page reads and writes specs exactly as the server does."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from ui.fake_services import FakeServices

from e2e.steps import lane, run, specs
from explorer.decoders import CATALOG
from explorer.decoders.spec import parse

TEXTS = (
    'forced:begin="a+b:c=d,e",end=true',
    r'forced:begin="say \"no\"\n\t\\n\r",end=false+greedy',
    r'grammar:kind=regex,text="[a-z]+: \"\\d{3}\", x=1"',
    'banned_phrases:phrases="漢字|👩‍🚀|\u2028"+nucleus:p=0.9',
    'dry:multiplier=1,breakers="+|,|=|:"',
    "epsilon:epsilon=9e-05+eta:epsilon=1e-05",
    "temperature:temperature=1e+1+presence_penalty:penalty=+1+greedy",
    "top_k : k = 5 + nucleus : p = 0.5",
)
ROUND = (
    "(spec) => { const { catalog } = Explorer.stage; return catalog.format(catalog.parse(spec)); }"
)


def test_every_canonical_spec_goes_through_the_page_unchanged(page: Page) -> None:
    canonical = [parse(name).canonical for name in CATALOG]
    assert page.evaluate(f"(specs) => specs.map({ROUND})", canonical) == canonical
    assert len(canonical) >= 50


@pytest.mark.parametrize("spec", TEXTS)
def test_texts_and_signs_are_read_as_the_server_reads_them(page: Page, spec: str) -> None:
    assert page.evaluate(ROUND, spec) == parse(spec).canonical


def test_specs_the_server_refuses_are_refused_in_words(page: Page) -> None:
    lane(page, 0).locator(".gx-more").click()
    box, problem = (lane(page, 0).locator(f".gx-{name}") for name in ("field .gx-spec", "problem"))
    box.fill('forced:begin="open')
    expect(problem).to_contain_text("not closed")
    box.fill("top_p:p=0.9")
    expect(problem).to_contain_text("nucleus")
    box.fill('contrastive_decoding:amateur="' + "m" * 301 + '"')
    expect(problem).to_contain_text("300 are allowed")
    assert specs(page)[0] == "greedy"


def test_a_text_is_typed_as_it_is_and_runs_quoted(page: Page, services: FakeServices) -> None:
    lane(page, 0).locator(".gx-more").click()
    lane(page, 0).locator(".gx-field .gx-spec").fill("forced+greedy")
    words = lane(page, 0).get_by_role("textbox", name="begin")
    words.fill('He said "no", 1+1=2')
    assert parse(specs(page)[0]).canonical == (
        r'forced:begin="He said \"no\", 1+1=2",end=false+greedy'
    )
    words.fill(r"one\ntwo")
    run(page, tokens=4)
    sent = services.requests[-1].specs[0]
    assert sent == parse('forced:begin="one\ntwo",end=false+greedy').canonical


def test_a_grammar_has_a_box_of_several_lines(page: Page) -> None:
    lane(page, 0).locator(".gx-more").click()
    lane(page, 0).locator(".gx-field .gx-spec").fill("grammar:kind=lark")
    box = lane(page, 0).locator("textarea.gx-words")
    box.fill('start: "a"+\nrest: /b,c/')
    wanted = parse(r'grammar:kind=lark,text="start: \"a\"+\nrest: /b,c/"').canonical
    assert specs(page)[0] == wanted
    lane(page, 0).locator('button[aria-label="Reset text"]').click()
    expect(box).to_have_value("")
