"""The tree of a lane that holds several rows, live and at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from playwright.sync_api import Browser, Page, expect

from e2e import steps
from e2e.server import serve
from explorer.services.compare import Services
from explorer.services.model_pool import ModelPool
from explorer.services.settings import Settings

Opened = Callable[..., Page]


@pytest.fixture(scope="module")
def beam_url(browser: Browser) -> Iterator[str]:
    tokenizer = LetterTokenizer(extra=["<img src=x onerror=alert(1)>", "漢字"])
    script = hashed_script(tokenizer.vocab_size, end=0.5)
    model = ScriptedModel(script, tokenizer, delay_s=0.02)
    pool = ModelPool(names=["scripted"])
    pool.add("scripted", model)
    yield from serve(Services(Settings(model="scripted"), pool))


def with_lanes(page: Page, *specs: str) -> None:
    page.evaluate("(specs) => Explorer.setSpecs(specs)", list(specs))


def test_the_tree_grows_while_the_run_does(open_page: Opened, beam_url: str) -> None:
    page = open_page(beam_url)
    with_lanes(page, "beam:width=8", "nucleus:p=0.9")
    steps.start(page, prompt="the keeper", tokens=1500)
    steps.wait_for_tokens(page, 6)
    expect(steps.lane(page, 1).locator(".gx-tree-button")).to_be_hidden()
    steps.lane(page, 0).locator(".gx-tree-button").click()
    expect(page.locator(".gx-tree-cell").first).to_be_visible()
    early = page.locator(".gx-tree-cell").count()
    page.wait_for_function(
        "(early) => document.querySelectorAll('.gx-tree-cell').length > early", arg=early
    )
    page.click("#gx-stop")
    steps.wait_until_done(page)


def test_a_wide_beam_is_readable_at_its_end(open_page: Opened, beam_url: str, shoot) -> None:
    page = open_page(beam_url)
    with_lanes(page, "beam:width=8", "nucleus:p=0.9")
    steps.run(page, prompt="the keeper", tokens=40)
    steps.lane(page, 0).locator(".gx-tree-button").click()
    cells = page.locator(".gx-tree-cell")
    expect(page.locator(".gx-tree-best").first).to_be_visible()
    facts = page.locator(".gx-tree [role=status]")
    expect(facts).to_contain_text("given up")
    nodes = page.evaluate("Explorer.stage.lanes[0].run.tree.nodes.size")
    assert cells.count() == nodes, "shared beginnings are drawn once"
    shown = steps.lane(page, 0).locator(".gx-token").count()
    assert page.locator(".gx-tree-cell.gx-tree-best").count() == shown
    # Packed: far fewer lines than rows that were given up.
    height = page.locator(".gx-tree-canvas").evaluate("(c) => c.clientHeight / 22")
    pruned = page.evaluate(
        "Explorer.stage.lanes[0].run.tree.tips().filter((t) => t.state === 'pruned').length"
    )
    assert height < pruned / 2
    assert page.locator(".gx-tree-rows tbody tr").count() >= 1
    shoot(page, "tree")


def test_no_two_pieces_lie_on_each_other(open_page: Opened, beam_url: str) -> None:
    page = open_page(beam_url)
    with_lanes(page, "diverse_beam:groups=3,group_width=2")
    steps.run(page, prompt="the light", tokens=20)
    steps.lane(page, 0).locator(".gx-tree-button").click()
    overlaps = page.evaluate(
        """() => {
            const places = [...document.querySelectorAll(".gx-tree-cell")]
                .map((cell) => `${cell.style.left} ${cell.style.top}`);
            return places.length - new Set(places).size;
        }"""
    )
    assert overlaps == 0


@pytest.mark.parametrize(
    "spec",
    ["stochastic_beam", "best_of_n:n=4", "power_smc", "beam_sampling", "contrastive_search"],
)
def test_every_method_of_several_rows_has_a_tree(
    open_page: Opened, beam_url: str, spec: str
) -> None:
    page = open_page(beam_url)
    with_lanes(page, spec)
    steps.run(page, prompt="the light", tokens=12)
    steps.lane(page, 0).locator(".gx-tree-button").click()
    expect(page.locator(".gx-tree-best").first).to_be_visible()
    page.get_by_role("button", name="Close tree").click()
    expect(page.locator(".gx-tree")).to_be_hidden()


def test_a_phone_scrolls_the_tree_and_not_the_page(open_page: Opened, beam_url: str) -> None:
    page = open_page(beam_url, viewport={"width": 390, "height": 844})
    with_lanes(page, "beam:width=4")
    steps.run(page, prompt="the light", tokens=30)
    steps.lane(page, 0).locator(".gx-tree-button").click()
    expect(page.locator(".gx-tree-best").first).to_be_attached()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_saved_page_has_the_tree(open_page: Opened, beam_url: str, tmp_path) -> None:
    page = open_page(beam_url)
    with_lanes(page, "beam:width=4")
    steps.run(page, prompt="the light", tokens=12)
    with page.expect_download() as waiting:
        page.click("#gx-save-html")
    path = tmp_path / "run.html"
    waiting.value.save_as(path)
    saved = open_page(f"file://{path}", wait=False)
    steps.lane(saved, 0).locator(".gx-tree-button").click()
    expect(saved.locator(".gx-tree-best").first).to_be_visible()


def test_the_rows_of_a_selection_say_why(open_page: Opened, beam_url: str) -> None:
    page = open_page(beam_url)
    with_lanes(page, "best_of_n:n=4,rule=mbr")
    steps.run(page, prompt="the keeper", tokens=12)
    steps.lane(page, 0).locator(".gx-tree-button").click()
    rows = page.locator(".gx-tree-rows tbody tr")
    expect(rows).to_have_count(4)
    for words in ("mbr", "self certainty", "mean log probability"):
        expect(rows.first).to_contain_text(words)
    expect(rows.first).to_contain_text("shown")
    page.set_viewport_size({"width": 390, "height": 800})
    texts = rows.first.locator("td").last
    width = texts.evaluate("(cell) => cell.getBoundingClientRect().width")
    assert width > 250, "on a phone the text of a row is a column of single words"
