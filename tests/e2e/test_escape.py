"""The Loops page's graph of tokens and its escape board, over a model whose exits are known."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loop_model import BREAKS, RETURNS, WANDERS, bias, looping_model
from playwright.sync_api import Page, expect
from ui.fake_services import FakeServices

from e2e.server import serve
from explorer.core.trace_io import read_traces

OpenPage = Callable[..., Page]
SLOW = 30_000


@pytest.fixture(scope="module")
def looping() -> FakeServices:
    services = FakeServices(step_s=0.01)
    services.models.model = looping_model()
    return services


@pytest.fixture(scope="module")
def address(looping: FakeServices) -> Iterator[str]:
    yield from serve(looping)


def open_loops(open_page: OpenPage, address: str, **options: object) -> Page:
    page = open_page(f"{address}#loops", wait=False, **options)
    page.wait_for_selector(".gx-loops textarea", timeout=SLOW)
    page.wait_for_selector("[data-state=ready]")
    return page


@pytest.fixture
def loops(open_page: OpenPage, address: str) -> Page:
    return open_loops(open_page, address)


def run(page: Page, *, both: bool = False, tokens: int = 60, method: str = "greedy") -> None:
    here = page.locator(".gx-loops")
    here.get_by_label("Prompt", exact=True).fill("a")
    here.get_by_label("Decoding methods, one a line").fill(method)
    here.get_by_label("new tokens").fill(str(tokens))
    name = "Run greedy and momentum" if both else "Run"
    here.get_by_role("button", name=name, exact=True).click()
    expect(page.locator(".gx-escape .gx-range")).to_be_visible(timeout=SLOW)


def board(page: Page, *specs: str, tokens: int = 48, draws: int = 1) -> None:
    part = page.locator(".gx-escape")
    part.get_by_role("tab", name="methods of your own").click()
    part.get_by_label("Methods to try, one a line").fill("\n".join(specs))
    part.get_by_label("tokens", exact=True).fill(str(tokens))
    part.get_by_label("draws of what draws").fill(str(draws))
    part.get_by_role("button", name="Run the board").click()


def test_a_board_says_who_left_and_at_what_cost(loops: Page, tmp_path: Path) -> None:
    run(loops)
    part = loops.locator(".gx-escape")
    expect(part).to_contain_text("Begin after token 24: 3.0 copies of 8 tokens stand there")
    board(loops, "greedy", bias(WANDERS), bias(RETURNS), bias(BREAKS))
    rows = part.locator(".gx-escape-row")
    expect(part.locator("tbody tr")).to_have_count(4, timeout=SLOW)
    expect(part.locator(".gx-escape-word")).to_have_text(
        ["escaped · after 0", "came back · after 0", "stays", re.compile("failed")]
    )
    assert rows.nth(2).locator(".gx-cells-loop").evaluate("x => x.style.width") == "100%"
    assert rows.nth(0).locator(".gx-cells-loop").evaluate("x => x.style.width") == "0%"
    back = rows.nth(1).locator(".gx-cells-back")
    assert back.evaluate("x => Math.round(parseFloat(x.style.left) * 48 / 100)") == 1
    expect(part.locator("tbody tr").nth(0).locator("td").nth(2)).to_have_text("4.33")
    # a row opens on its text, and its cells are read by the keyboard
    rows.nth(0).get_by_role("button").click()
    expect(rows.nth(0).locator(".gx-escape-text")).to_have_text(re.compile(f"^{WANDERS}"))
    rows.nth(1).locator(".gx-cells").focus()
    for _ in range(3):
        loops.keyboard.press("ArrowRight")
    expect(part.locator(".gx-escape-read")).to_contain_text("token 3")
    expect(part.locator(".gx-escape-read")).to_contain_text("back in the loop")
    expect(part).to_contain_text("Lanes whose numbers failed")
    with loops.expect_download() as saved:
        part.get_by_role("button", name="Save its traces").click()
    saved.value.save_as(tmp_path / "board.jsonl")
    traces = list(read_traces(tmp_path / "board.jsonl"))
    assert len(traces) == 4
    assert {len(trace.steps) for trace in traces} == {72, 25}


def test_columns_sort_and_say_their_formula(loops: Page) -> None:
    run(loops)
    board(loops, "greedy", bias(WANDERS), "temperature:temperature=2+top_k:k=3", draws=4)
    part = loops.locator(".gx-escape")
    expect(part.locator("tbody tr")).to_have_count(6, timeout=SLOW)
    expect(part.locator("tbody")).to_contain_text(re.compile(r"% \(\d+ to \d+\), n 4"))
    head = part.get_by_role("button", name="paid, bits")
    head.click()
    expect(part.locator(".gx-formula")).to_contain_text("−log p of the token it left with")
    expect(part.locator("th[aria-sort=ascending]")).to_have_count(1)
    cells = part.locator("tbody tr td:nth-child(4)")
    values = [float(text) for text in cells.all_inner_texts() if text != "–"]
    assert values == sorted(values)
    assert cells.last.inner_text() == "–"
    head.click()
    values = [float(text) for text in cells.all_inner_texts() if text != "–"]
    assert values == sorted(values, reverse=True)


def test_the_catalogue_goes_by_family_and_the_slider_by_token(loops: Page) -> None:
    run(loops)
    part = loops.locator(".gx-escape")
    part.get_by_role("tab", name="the catalogue").click()
    boxes = part.locator(".gx-escape-families input")
    for box in boxes.all()[1:]:
        box.uncheck()
    slider = part.get_by_label("Begin after token")
    slider.focus()
    loops.keyboard.press("ArrowRight")
    expect(part).to_contain_text("Begin after token 25: 3.1 copies")
    part.get_by_label("tokens", exact=True).fill("6")
    part.get_by_role("button", name="Run the board").click()
    expect(part.locator("tbody tr")).to_have_count(5, timeout=SLOW)
    boxes.first.uncheck()
    part.get_by_role("button", name="Run the board").click()
    expect(part.locator(".gx-problem")).to_contain_text("No method is chosen.")


def test_a_board_is_drawn_while_it_is_made_and_keeps_what_it_has_when_stopped(
    loops: Page, looping: FakeServices
) -> None:
    run(loops)
    looping.models.model.delay_s = 0.1
    try:
        board(loops, "greedy", "beam", bias(WANDERS), tokens=400)
        part = loops.locator(".gx-escape")
        expect(part.locator(".gx-escape-row")).to_have_count(3, timeout=SLOW)
        wide = "x => parseFloat(x.style.width)"
        cells = part.locator(".gx-cells-loop").first
        loops.wait_for_function(
            "() => parseFloat(document.querySelector('.gx-cells-loop').style.width) > 1"
        )
        assert cells.evaluate(wide) < 90
        expect(part.get_by_role("status")).to_contain_text("of 400 at most")
        part.get_by_role("button", name="Stop the board").click()
        expect(part.get_by_role("status")).to_contain_text("It was stopped", timeout=SLOW)
        expect(part.locator("tbody tr")).to_have_count(3)
    finally:
        looping.models.model.delay_s = 0.0


def test_what_cannot_be_run_is_said(loops: Page) -> None:
    run(loops)
    board(loops, "nuclius")
    part = loops.locator(".gx-escape")
    expect(part.locator(".gx-problem")).to_contain_text("nucleus", timeout=SLOW)
    board(loops, "ancestral", "nucleus", draws=64)
    expect(part.locator(".gx-problem")).to_contain_text("128 lanes were asked for", timeout=SLOW)
    here = loops.locator(".gx-loops")
    here.get_by_label("new tokens").fill("10")
    here.get_by_role("button", name="Run", exact=True).click()
    expect(part).to_contain_text("This lane has no loop to leave", timeout=SLOW)


def test_sixty_four_lanes_of_128_tokens_stay_fluid(loops: Page) -> None:
    took = loops.evaluate(
        """() => {
            const list = document.createElement("ol");
            document.querySelector(".gx-escape-list").replaceWith(list);
            const board = Explorer.loops.sections.find((one) => one.places !== undefined);
            const rows = Array.from({ length: 64 }, (_, k) => board.makeRow(`method ${k}`, "", 1));
            list.append(...rows.map((row) => row.root));
            const frames = [];
            for (let token = 0; token < 128; token += 1) {
                const began = performance.now();
                rows.forEach((row, k) => {
                    const exit = token > k ? k : null;
                    const loops = token > k + 30 ? [[k + 10, token, true]] : [];
                    row.feed({ from: token, pieces: ["x"], exit, loops }, 128);
                });
                list.getBoundingClientRect();
                frames.push(performance.now() - began);
            }
            return frames.sort((a, b) => a - b)[64];
        }"""
    )
    assert took < 16, took


def test_the_graph_of_greedy_and_momentum_is_drawn_beside_each_other(loops: Page) -> None:
    run(loops, both=True, tokens=60)
    part = loops.locator(".gx-graph")
    lanes = part.locator(".gx-graph-lane")
    expect(lanes).to_have_count(2)
    expect(lanes.nth(0)).to_contain_text(
        "8 nodes, 8 edges, 53 returns: the walk closes a circle of 8 tokens at token 8."
    )
    expect(lanes.nth(0).locator(".gx-node")).to_have_count(8)
    expect(lanes.nth(0).locator(".gx-arc")).to_have_count(8)
    expect(lanes.nth(0).locator(".gx-node-here")).to_have_count(1)
    expect(lanes.nth(1)).to_contain_text("It turned away once")
    expect(lanes.nth(1).locator(".gx-turn")).to_have_count(1)
    lanes.nth(1).locator("summary").click()
    expect(lanes.nth(1).locator(".gx-turns")).to_contain_text("refused “")
    # nodes are walked by the keyboard, and say where they lead
    lanes.nth(0).locator(".gx-node").nth(0).focus()
    loops.keyboard.press("ArrowRight")
    expect(lanes.nth(0).locator(".gx-graph-read")).to_contain_text(
        "“b”: 8 visits, first at token 0"
    )
    expect(lanes.nth(0).locator(".gx-graph-read")).to_contain_text("ways on: “c” 8×")
    expect(lanes.nth(0).locator(".gx-arc-lit")).to_have_count(2)
    loops.keyboard.press("Enter")
    expect(loops.locator(".gx-loops .gx-pin-where")).to_contain_text("token 0 in greedy")


def test_the_graph_is_drawn_anew_while_a_run_with_fewer_lanes_begins(loops: Page) -> None:
    run(loops, both=True, tokens=60)
    lanes = loops.locator(".gx-graph-lane:not([hidden])")
    expect(lanes).to_have_count(2)
    # what a narrower window does just then
    loops.evaluate(
        """() => {
          const graph = Explorer.loops.sections.find((section) => section.resize);
          Explorer.loops.stage.run.lanes.length = 1;
          graph.views[0].width = 0;
          graph.resize();
        }"""
    )
    expect(lanes).to_have_count(1)


def test_the_graph_grows_while_tokens_arrive_and_nothing_in_it_moves(
    loops: Page, looping: FakeServices
) -> None:
    looping.models.model.delay_s = 0.06
    try:
        here = loops.locator(".gx-loops")
        here.get_by_label("Prompt", exact=True).fill("a")
        here.get_by_label("Decoding methods, one a line").fill(bias(WANDERS))
        here.get_by_label("new tokens").fill("60")
        here.get_by_role("button", name="Run", exact=True).click()
        loops.wait_for_function("() => document.querySelectorAll('.gx-node').length > 4")
        places = "xs => xs.map((x) => [x.textContent, x.getAttribute('x'), x.getAttribute('y')])"
        nodes = loops.locator(".gx-graph-lane").first.locator(".gx-node")
        early = nodes.evaluate_all(places)
        stop = here.get_by_role("button", name="Stop", exact=True)
        expect(stop).to_be_visible()
        expect(stop).to_be_hidden(timeout=SLOW)
        late = nodes.evaluate_all(places)
        assert late[: len(early)] == early
        assert len(late) > len(early)
    finally:
        looping.models.model.delay_s = 0.0


def test_the_page_counts_depths_as_the_server_does(loops: Page) -> None:
    run(loops, both=True, tokens=60)
    both = loops.evaluate(
        """async () => {
            const page = Explorer.loops;
            const section = page.sections.find((one) => one.views);
            const told = (await page.bridge.ask({ ask: "graph" })).lanes;
            const drawn = ({ walk, prompt }) => walk.depths.slice(prompt.length);
            return section.views.map((view, k) => [drawn(view), told[k].depths]);
        }"""
    )
    for drawn, counted in both:
        assert drawn == counted


def test_300_tokens_of_two_lanes_are_drawn_within_a_frame(loops: Page) -> None:
    took = loops.evaluate(
        """() => {
            const words = Array.from({ length: 140 }, (_, k) => ` word${k}`);
            const View = Explorer.loops.sections.find((one) => one.views).views[0].constructor;
            const views = [0, 1].map(() => new View(() => {}));
            const slot = document.querySelector(".gx-graph-lanes");
            slot.replaceChildren(...views.map((view) => view.element));
            const lanes = [0, 1].map(() => ({ tokens: [] }));
            const frames = [];
            for (let i = 0; i < 300; i += 1) {
                const began = performance.now();
                lanes.forEach((lane, k) => {
                    const x = i < 140 ? words[i] : words[k ? (i * i) % 140 : 20 + (i % 60)];
                    const o = k ? { resistance: 0.2, rerouted: i % 9 === 0 } : undefined;
                    lane.tokens.push({ i, x, o });
                    views[k].feed(lane, ["a"], 300);
                });
                slot.getBoundingClientRect();
                frames.push(performance.now() - began);
            }
            return frames.sort((a, b) => a - b)[150];
        }"""
    )
    assert took < 16, took


def test_of_long_lanes_the_beginning_is_drawn(loops: Page) -> None:
    drawn = loops.evaluate(
        """() => {
            const section = Explorer.loops.sections.find((one) => one.views);
            const token = (_, i) => ({ i, x: ` w${(i * i) % 7919}` });
            const tokens = Array.from({ length: 20000 }, token);
            const header = { prompt: { tokens: 9000, pieces: ["a"] }, max_new_tokens: 20000 };
            const began = performance.now();
            section.draw({ header, lanes: [{ title: "long", tokens }] }, [0]);
            section.element.getBoundingClientRect();
            return [section.views[0].walk.depths.length, performance.now() - began];
        }"""
    )
    assert drawn[0] == 2001
    assert drawn[1] < 3000
    said = loops.locator(".gx-graph")
    expect(said).to_contain_text("The first 2,000 tokens of a lane are drawn.")
    expect(said).to_contain_text("The prompt has 9,000 tokens: its last 1 are drawn")


def test_both_parts_hold_on_a_phone(open_page: OpenPage, address: str) -> None:
    page = open_loops(open_page, address, viewport={"width": 390, "height": 844})
    run(page, both=True, tokens=60)
    board(page, "greedy", bias(WANDERS))
    expect(page.locator(".gx-escape tbody tr")).to_have_count(2, timeout=SLOW)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
