"""The page with everything behind it: our engine, a scripted model, and once the real one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import LetterTokenizer, ScriptedModel, spelling_script
from playwright.sync_api import Browser, Page, expect

from e2e import steps
from e2e.server import serve
from explorer.core.errors import ModelUnavailable
from explorer.core.trace_io import read_traces
from explorer.core.types import StopReason
from explorer.services.compare import Services
from explorer.services.loading import fetch_model
from explorer.services.model_pool import ModelPool
from explorer.services.settings import Settings, read_settings

PROMPT = "the keeper opened"


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    tokenizer = LetterTokenizer(extra=["<img src=x onerror=alert(1)>", "${alert(2)}", "{{x}}"])
    text = "and saw the light go round & round. <"
    return ScriptedModel(spelling_script(text, tokenizer), tokenizer, delay_s=0.004)


@pytest.fixture(scope="module")
def whole_url(browser: Browser, model: ScriptedModel) -> Iterator[str]:
    """The app; after the browser, whose driver runs the event loop that Gradio's locks want."""
    pool = ModelPool(names=["scripted"])
    pool.add("scripted", model)
    yield from serve(Services(Settings(model="scripted"), pool))


def save(page: Page, kind: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.click(f"#gx-save-{kind}")
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_type_run_stream_and_save_a_trace_that_says_the_same(
    open_page: Callable[..., Page], whole_url: str, tmp_path: Path
) -> None:
    page = open_page(whole_url)
    steps.run(page, prompt=PROMPT, tokens=40)
    shown = steps.lane(page, 0).locator(".gx-token").all_inner_texts()
    traces = list(read_traces(save(page, "jsonl", tmp_path)))
    assert len(traces) == 5
    assert [len(t.steps) for t in traces] == [40] * 5
    assert traces[0].prompt.text == PROMPT
    assert traces[0].seed == 7
    letters = "".join(traces[0].pieces[i] for i in traces[0].token_ids)
    assert re.sub(r"[\s␣]", "", "".join(shown)) == re.sub(r"\s", "", letters)
    table = save(page, "csv", tmp_path).read_text(encoding="utf-8").splitlines()
    assert len(table) == 201
    assert "surprisal_nats" in table[0]


def test_the_saved_page_opens_from_disk_and_asks_nobody(
    open_page: Callable[..., Page], whole_url: str, tmp_path: Path
) -> None:
    page = open_page(whole_url)
    steps.run(page, prompt=PROMPT, tokens=30)
    path = save(page, "html", tmp_path)
    saved = open_page(f"file://{path}", wait=False)
    expect(saved.locator(".gx-lane")).to_have_count(5)
    expect(steps.lane(saved, 0).locator(".gx-token")).to_have_count(30)


def test_stop_answers_at_once_and_keeps_text_plot_and_trace(
    open_page: Callable[..., Page], whole_url: str, model: ScriptedModel, tmp_path: Path
) -> None:
    page = open_page(whole_url)
    steps.start(page, prompt=PROMPT, tokens=2000)
    steps.wait_for_tokens(page, 60)
    page.click("#gx-stop")
    pressed = time.monotonic()
    steps.wait_until_done(page)
    waited = time.monotonic() - pressed
    before = model.forwards
    page.wait_for_timeout(300)
    assert model.forwards == before, "the model went on after Stop"
    assert waited < 3, "Stop left the page waiting"
    assert steps.token_count(page, 0) >= 12
    traces = list(read_traces(save(page, "jsonl", tmp_path)))
    assert {t.stop_reason for t in traces} == {StopReason.CANCELLED}


def test_a_closed_tab_stops_the_model(
    open_page: Callable[..., Page], whole_url: str, model: ScriptedModel
) -> None:
    page = open_page(whole_url)
    steps.start(page, prompt=PROMPT, tokens=2000)
    steps.wait_for_tokens(page, 20)
    page.context.close()
    deadline = time.monotonic() + 10
    settled = -1
    while time.monotonic() < deadline and settled != model.forwards:
        settled = model.forwards
        time.sleep(0.5)
    assert settled == model.forwards


def test_an_impossible_request_is_a_message_and_the_last_result_stays(
    open_page: Callable[..., Page], whole_url: str
) -> None:
    page = open_page(whole_url)
    steps.run(page, prompt=PROMPT, tokens=10)
    steps.start(page, prompt="a" * 9000, tokens=10)
    expect(page.get_by_text("reads 8,192 tokens")).to_be_visible(timeout=10_000)
    assert steps.token_count(page, 0) == 10


def test_numbers_out_of_range_are_refused_and_the_page_is_ready_again(
    open_page: Callable[..., Page], whole_url: str
) -> None:
    page = open_page(whole_url)
    page.get_by_text("More settings").click()
    cases = (
        ("tokens", "0", "8", "0 new tokens were asked for. Ask for 1 to 2,048."),
        ("tokens", "99999", "8", "99999 new tokens were asked for. Ask for 1 to 2,048."),
        ("top", "51", "10", "51 alternatives a token were asked for. Ask for 1 to 50."),
        ("deadline", "0", "", "A time limit of 0 seconds was asked for. Give 1 to 600 seconds"),
        ("deadline", "7000", "", "A time limit of 7000 seconds was asked for."),
    )
    for field, wrong, right, words in cases:
        page.fill(f"#gx-{field} input", wrong)
        page.press(f"#gx-{field} input", "Tab")
        page.click("#gx-run")
        expect(page.locator(".gx-error")).to_contain_text(words)
        expect(page.locator("body")).not_to_have_class(re.compile("gx-running"))
        page.fill(f"#gx-{field} input", right)
        page.press(f"#gx-{field} input", "Tab")
    steps.run(page, prompt=PROMPT, tokens=8)


def test_a_run_under_way_can_be_saved_as_a_page(
    open_page: Callable[..., Page], whole_url: str, tmp_path: Path
) -> None:
    page = open_page(whole_url)
    steps.start(page, prompt=PROMPT, tokens=1500)
    steps.wait_for_tokens(page, 60)
    saved = open_page(f"file://{save(page, 'html', tmp_path)}", wait=False)
    assert steps.token_count(saved, 0) > 10
    page.click("#gx-stop")
    steps.wait_until_done(page)


def test_a_loop_is_found_told_and_can_end_a_lane(
    open_page: Callable[..., Page], whole_url: str
) -> None:
    page = open_page(whole_url)
    page.check("#gx-stop-on-loop input")
    steps.run(page, prompt=PROMPT, tokens=150)
    expect(steps.lane(page, 0)).to_contain_text("loop")
    expect(steps.lane(page, 0)).to_contain_text("period 37")


def test_stage_by_stage_asks_the_model_again_also_while_it_runs(
    open_page: Callable[..., Page], whole_url: str
) -> None:
    page = open_page(whole_url)
    page.evaluate("Explorer.setSpecs(['temperature:temperature=2+top_k:k=5', 'beam:width=3'])")
    steps.start(page, prompt=PROMPT, tokens=900)
    steps.wait_for_tokens(page, 30)
    steps.token(page, 0, 4).click()
    page.get_by_role("button", name="Stage by stage").click()
    words = page.locator(".gx-stage-words")
    expect(words).to_contain_text("Recomputed by the model.", timeout=15_000)
    expect(page.locator(".gx-waterfall tbody tr").nth(1)).to_contain_text("5")
    # On a slow machine it may have come to its end by now, and the button is off.
    page.evaluate("document.getElementById('gx-stop').click()")
    steps.wait_until_done(page)
    page.get_by_role("button", name="Move top-k k=5 up").click()
    expect(words).to_contain_text("In this order ancestral")


CLIENT = """
import json, sys
from gradio_client import Client
client = Client(sys.argv[1], verbose=False)
entries = client.predict(api_name="/decoders")
specs = ["greedy", "top_k:k=5"]
traces = client.predict("the keeper", specs, "", 12, 3, api_name="/compare")
scored = client.predict("the light", "", api_name="/score")
try:
    client.predict("the keeper", ["nuclues"], "", 12, 3, api_name="/compare")
except Exception as error:
    refusal = str(error)
print(json.dumps([[e["name"] for e in entries], traces, scored, refusal]))
"""


def test_other_programs_call_the_endpoints(whole_url: str) -> None:
    # A process of its own, as a program would be: the client leaves sockets to the exit.
    command = [sys.executable, "-W", "ignore", "-c", CLIENT, whole_url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    names, traces, scored, refusal = json.loads(done.stdout)
    assert {"greedy", "nucleus", "beam"} <= set(names)
    assert [trace["decoder"] for trace in traces] == ["greedy", "top_k:k=5"]
    assert [len(trace["tokens"]["id"]) for trace in traces] == [12, 12]
    assert scored["text"] == "the light"
    assert "Did you mean 'nucleus'" in refusal


@pytest.fixture(scope="module")
def real_url(browser: Browser) -> Iterator[str]:
    try:
        fetch_model("smollm2-135m")
    except ModelUnavailable as error:
        pytest.skip(f"SmolLM2 is not to be had here: {error.message}")
    services = Services(read_settings(), ModelPool(1))
    services.start_loading(services.default_model)
    yield from serve(services)


@pytest.mark.timeout(900)
def test_the_real_model_loops_where_it_should(
    open_page: Callable[..., Page], real_url: str, tmp_path: Path
) -> None:
    page = open_page(real_url, wait=False)
    expect(page.locator("[data-state=ready]")).to_be_visible(timeout=120_000)
    expect(page.locator("#gx-model-status")).to_contain_text("smollm2-135m")
    page.evaluate("Explorer.setSpecs(['greedy', 'nucleus:p=0.95'])")
    steps.start(page, prompt="The best way to learn is", tokens=170)
    expect(page.locator(".gx-state")).to_have_text(re.compile("^(Done|Stopped)"), timeout=600_000)
    greedy, nucleus = read_traces(save(page, "jsonl", tmp_path))
    (loop,) = greedy.loops
    assert (loop.onset, loop.period) == (114, 8)
    assert nucleus.loops == ()
    expect(steps.lane(page, 0)).to_contain_text("period 8")
    assert greedy.model.licence == "apache-2.0"
