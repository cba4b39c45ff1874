"""The Traces page: drop a file, fork it, undo, verify, and see where lanes part."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from ui.fake_services import FakeServices

from explorer import generate, read_traces, write_traces
from explorer.core.errors import NotCapable
from explorer.services.verify.files import verify_traces

OpenPage = Callable[..., Page]
SLOW = 30_000
SPECS = ["greedy", "nucleus:p=0.9", "beam:width=3"]


@pytest.fixture(scope="module")
def trace_file(services: FakeServices, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traces") / "mine.jsonl"
    model = services.models.model
    write_traces(path, generate(model, "abc", decoders=SPECS, max_new_tokens=20, seed=3))
    return path


@pytest.fixture
def bench(open_page: OpenPage, url: str, trace_file: Path) -> Page:
    """The page with the file on it."""
    page = open_page(f"{url}#traces", wait=False)
    drop(page, trace_file)
    expect(page.locator(".gx-traces .gx-lane")).to_have_count(3, timeout=SLOW)
    return page


def drop(page: Page, path: Path) -> None:
    page.wait_for_selector("#gx-traces-file input[type=file]", state="attached", timeout=SLOW)
    # The page has asked what is on it, so that only the file itself can make it ask again.
    page.wait_for_function("Explorer.traces && Explorer.bridge('traces').ticket > 0")
    page.wait_for_function("Explorer.bridge('traces').current === null")
    page.set_input_files("#gx-traces-file input[type=file]", path)


def token(page: Page, lane: int, index: int) -> None:
    page.locator(".gx-traces .gx-lane").nth(lane).locator(f'.gx-token[data-i="{index}"]').click()


def test_an_empty_page_says_what_it_is_for(open_page: OpenPage, url: str) -> None:
    page = open_page(f"{url}#traces", wait=False)
    expect(page.locator(".gx-traces")).to_contain_text("Open a trace file", timeout=SLOW)
    page.get_by_role("button", name="Take the latest run").click()
    expect(page.locator(".gx-traces .gx-problem")).to_contain_text("no run to take")


def test_a_dropped_file_shows_lanes_plot_and_table(bench: Page) -> None:
    expect(bench.locator(".gx-branch")).to_have_count(3)
    expect(bench.locator(".gx-traces .gx-chart-line")).to_have_count(6)
    expect(bench.locator(".gx-traces .gx-metrics tbody tr")).to_have_count(3)
    token(bench, 1, 4)
    expect(bench.locator(".gx-traces .gx-pin-where")).to_contain_text("token 4")


def test_two_pins_do_not_lie_over_each_other_on_a_small_screen(bench: Page) -> None:
    bench.set_viewport_size({"width": 1024, "height": 800})
    token(bench, 0, 4)
    bench.locator(".gx-traces .gx-lane").nth(1).locator('.gx-token[data-i="4"]').click(
        modifiers=["Control"]
    )
    pins = bench.locator(".gx-traces .gx-pin")
    expect(pins).to_have_count(2)
    for k in range(2):
        pin, bars = pins.nth(k).bounding_box(), pins.nth(k).locator(".gx-bars").bounding_box()
        assert pin
        assert bars
        assert bars["x"] + bars["width"] <= pin["x"] + pin["width"] + 1


def test_a_stop_that_comes_too_late_ends_nothing_else(bench: Page) -> None:
    bench.evaluate("Explorer.traces.stop()")
    bench.get_by_role("button", name="Verify").click()
    expect(bench.locator(".gx-traces")).to_contain_text("All that was checked", timeout=SLOW)
    expect(bench.locator(".gx-traces")).not_to_contain_text("Stopped after")


def test_work_goes_on_where_a_question_after_it_failed(
    bench: Page, services: FakeServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = threading.Event()
    model = services.models.model
    monkeypatch.setattr(services.models, "ready", lambda _: held.wait(20) and model)
    bench.evaluate(
        """() => {
            const { bridge } = Explorer.traces, ask = bridge.ask.bind(bridge);
            bridge.ask = (question) => {
                if (question.ask !== "job") return ask(question);
                bridge.ask = ask;
                return Promise.resolve({ error: { message: "lost for a moment", hint: "" } });
            };
        }"""
    )
    bench.get_by_role("button", name="Verify").click()
    expect(bench.get_by_role("button", name="Verify")).to_be_disabled()
    bench.wait_for_timeout(1500)  # the failure has come, and was got over
    expect(bench.get_by_role("button", name="Stop", exact=True).last).to_be_visible()
    held.set()
    expect(bench.locator(".gx-branch .gx-good")).to_have_count(3, timeout=SLOW)
    expect(bench.get_by_role("button", name="Verify")).to_be_enabled()


def test_what_was_made_before_a_failure_is_shown(
    bench: Page, services: FakeServices, trace_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_more: object) -> Iterator[object]:
        found = iter(proven)
        yield next(found)
        raise NotCapable("This model went away.", "Load it again.")

    proven = list(verify_traces(read_traces(trace_file), services.models.model))
    monkeypatch.setattr("explorer.services.traces.desk.verify_traces", fail)
    bench.get_by_role("button", name="Verify").click()
    expect(bench.locator(".gx-traces .gx-problem")).to_contain_text("went away", timeout=SLOW)
    expect(bench.locator(".gx-branch .gx-good")).to_have_count(1)
    expect(bench.locator(".gx-traces .gx-problem")).to_contain_text("went away")


def test_a_fork_grows_from_an_alternative_and_undo_takes_it_back(bench: Page) -> None:
    token(bench, 1, 5)
    bench.locator(".gx-traces .gx-fork").nth(3).click()
    expect(bench.locator(".gx-branch")).to_have_count(4, timeout=SLOW)
    forked = bench.locator('.gx-branch[data-id="b4"]')
    expect(forked).to_contain_text("from token 5")
    lanes = bench.locator(".gx-traces .gx-lane")
    old, new = (lanes.nth(k).locator(".gx-token") for k in (0, 1))
    expect(lanes.nth(1)).to_contain_text("at 5")
    assert old.all_inner_texts()[:5] == new.all_inner_texts()[:5]
    assert old.nth(5).inner_text() != new.nth(5).inner_text()
    bench.get_by_role("button", name="Undo").click()
    expect(bench.locator(".gx-branch")).to_have_count(3)
    bench.get_by_role("button", name="Redo").click()
    expect(bench.locator(".gx-branch")).to_have_count(4)
    forked.get_by_role("button", name="Prune").click()
    expect(bench.locator(".gx-branch")).to_have_count(3)


def test_several_continuations_under_another_method(bench: Page) -> None:
    token(bench, 0, 3)
    form = bench.locator(".gx-bench")
    form.get_by_label("with the method").fill("temperature:temperature=2")
    form.get_by_label("continuations").fill("3")
    form.get_by_label("tokens").fill("6")
    form.get_by_role("button", name="Fork").click()
    expect(bench.locator(".gx-branch")).to_have_count(6, timeout=SLOW)
    texts = bench.locator(".gx-branch-text").all_inner_texts()
    assert len(set(texts)) == 6
    form.get_by_label("with the method").fill("nuclius")
    form.get_by_role("button", name="Fork").click()
    expect(bench.locator(".gx-traces .gx-problem")).to_contain_text("nucleus")


def test_names_and_notes_stay(bench: Page) -> None:
    name = bench.locator(".gx-branch-name").first
    name.fill("the plain one")
    name.press("Tab")
    bench.locator(".gx-branch-note").first.fill("see class 3")
    bench.locator(".gx-branch-note").first.press("Tab")
    bench.get_by_role("button", name="Undo").click()
    expect(bench.locator(".gx-branch-note").first).to_have_value("")
    expect(bench.locator(".gx-branch-name").first).to_have_value("the plain one")


def test_every_quick_edit_counts(bench: Page) -> None:
    for k, text in enumerate(("one", "two", "three")):
        bench.locator(".gx-branch-name").nth(k).fill(text)
    bench.keyboard.press("Tab")
    names = bench.locator(".gx-branch-name")
    for k, text in enumerate(("one", "two", "three")):
        expect(names.nth(k)).to_have_value(text)
    bench.wait_for_function(
        "Explorer.traces.state.branches.every((b) => /one|two|three/.test(b.name))"
    )
    bench.evaluate("for (let k = 0; k < 3; k += 1) Explorer.traces.edit({ ask: 'undo' })")
    bench.wait_for_function("!/one/.test(Explorer.traces.state.branches[0].name)")


def test_what_is_being_typed_survives_an_answer(bench: Page) -> None:
    note = bench.locator(".gx-branch-note").first
    note.press_sequentially("half a no")
    bench.evaluate("Explorer.traces.refresh()")
    bench.wait_for_timeout(1000)
    expect(note).to_be_focused()
    expect(note).to_have_value("half a no")
    bench.keyboard.press("Tab")
    bench.wait_for_function("Explorer.traces.state.branches[0].note === 'half a no'")


def test_verify_says_that_all_agrees(bench: Page) -> None:
    bench.get_by_role("button", name="Verify").click()
    expect(bench.locator(".gx-finding").first).to_contain_text("agrees", timeout=SLOW)
    expect(bench.locator(".gx-traces .gx-row").nth(1)).to_contain_text("checked agrees: 3 lanes")


def test_verify_finds_what_was_changed(
    open_page: OpenPage, url: str, trace_file: Path, tmp_path: Path
) -> None:
    entries = [json.loads(line) for line in trace_file.read_text("utf-8").splitlines()]
    entries[1]["tokens"]["surprisal"][7] += 0.5
    forged = tmp_path / "forged.jsonl"
    forged.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
    page = open_page(f"{url}#traces", wait=False)
    drop(page, forged)
    expect(page.locator(".gx-branch")).to_have_count(3, timeout=SLOW)
    page.get_by_role("button", name="Verify").click()
    wrong = page.locator(".gx-finding.gx-bad")
    expect(wrong).to_contain_text("token 7", timeout=SLOW)
    expect(wrong).to_contain_text("surprisal")
    expect(page.locator(".gx-traces .gx-problem")).to_contain_text("1 lane of 3 do not agree")


def test_where_two_lanes_part(bench: Page) -> None:
    bench.locator(".gx-bench").get_by_role("button", name="Compare").click()
    out = bench.locator(".gx-bench")
    expect(out).to_contain_text(re.compile(r"They part at token \d+"), timeout=SLOW)
    expect(out).to_contain_text("KL(first ‖ second)")
    expect(out).to_contain_text("computed with the model")
    expect(bench.locator(".gx-traces .gx-pin")).to_have_count(2)


def test_a_file_that_is_cut_shows_its_whole_traces_and_says_where(
    open_page: OpenPage, url: str, trace_file: Path, tmp_path: Path
) -> None:
    whole = trace_file.read_text("utf-8")
    cut = tmp_path / "cut.jsonl"
    cut.write_text(whole[: int(len(whole) * 0.8)], "utf-8")
    page = open_page(f"{url}#traces", wait=False)
    drop(page, cut)
    expect(page.get_by_text(re.compile("line 3"))).to_be_visible(timeout=SLOW)
    expect(page.locator(".gx-branch")).to_have_count(2, timeout=SLOW)


def test_branches_are_saved_and_open_again(bench: Page, tmp_path: Path) -> None:
    token(bench, 0, 2)
    bench.locator(".gx-traces .gx-fork").nth(2).click()
    expect(bench.locator(".gx-branch")).to_have_count(4, timeout=SLOW)
    note = bench.locator(".gx-branch-note").last
    note.fill("look at token 2")
    note.press("Enter")
    with bench.expect_download(timeout=SLOW) as download:
        bench.get_by_role("button", name="Save traces").click()
    path = tmp_path / "again.jsonl"
    download.value.save_as(path)
    assert len(path.read_text("utf-8").splitlines()) == 4
    with bench.expect_download(timeout=SLOW) as download:
        bench.get_by_role("button", name="Save page").click()
    page = tmp_path / "page.html"
    download.value.save_as(page)
    assert page.stat().st_size < 3_000_000
    drop(bench, path)
    # The tree is there again: the fork below its parent, with its note.
    expect(bench.locator(".gx-branch").first).to_have_attribute("data-id", "b5", timeout=SLOW)
    expect(bench.locator(".gx-branch")).to_have_count(4)
    expect(bench.get_by_text("from token 2")).to_have_count(1)
    notes = bench.locator(".gx-branch-note").evaluate_all("fields => fields.map((f) => f.value)")
    assert notes.count("look at token 2") == 1


def test_keys_move_the_pin_of_the_page_that_is_seen(bench: Page) -> None:
    token(bench, 0, 3)
    bench.keyboard.press("ArrowRight")
    expect(bench.locator(".gx-traces .gx-pin-where").first).to_contain_text("token 4")
    assert bench.evaluate("Explorer.stage ? Explorer.stage.cursor.pins.length : 0") == 0


def test_the_page_holds_traces_on_a_phone(open_page: OpenPage, url: str, trace_file: Path) -> None:
    page = open_page(f"{url}#traces", wait=False, viewport={"width": 390, "height": 844})
    drop(page, trace_file)
    expect(page.locator(".gx-branch")).to_have_count(3, timeout=SLOW)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
