"""The app builds; its callbacks answer; failures become words."""

from __future__ import annotations

import asyncio
import json
import math
from functools import partial
from typing import Any

import gradio as gr
import pytest

from explorer.core.errors import ExplorerError
from explorer.core.loops import LoopThresholds
from explorer.ui.app import build_app, launch_options
from explorer.ui.boundary import describe_failure, error_line, guarded
from explorer.ui.bridge import BridgeEvents
from explorer.ui.model_bar import ModelBar
from explorer.ui.pages.compare import CompareEvents, _saved
from explorer.ui.saving import SaveEvents
from explorer.ui.security import SecurityHeaders, content_policy
from ui.fake_services import FakeServices

VALUES = (
    *("A prompt", "raw", "greedy\nnucleus:p=0.9", 5, 3, True, False),
    *(9.0, 2.5, None),
    *(4, "END\n\nSTOP", None),
)


class Request(gr.Request):
    def __init__(self) -> None:
        self.session_hash = "tab"


@pytest.fixture
def services() -> FakeServices:
    return FakeServices(step_s=0)


@pytest.fixture(scope="module")
def app(event_loop: asyncio.AbstractEventLoop) -> gr.Blocks:
    async def build() -> gr.Blocks:
        return build_app(FakeServices())

    return event_loop.run_until_complete(build())


def endpoints(app: gr.Blocks) -> dict[str, Any]:
    return {fn.api_name: fn for fn in app.fns.values() if fn.api_name}


def test_it_builds_with_its_public_endpoints(app: gr.Blocks) -> None:
    public = {n for n, fn in endpoints(app).items() if fn.api_visibility == "public"}
    assert public == {"compare", "score", "lab", "decoders"}


def test_stop_does_not_wait_in_the_queue(app: gr.Blocks) -> None:
    assert endpoints(app)["stop"].queue is False
    assert not endpoints(app)["stop"].cancels


def test_every_component_a_test_or_a_script_asks_for_is_there(app: gr.Blocks) -> None:
    ids = {getattr(block, "elem_id", None) for block in app.blocks.values()}
    assert {"gx-prompt", "gx-run", "gx-stop", "gx-stage", "gx-plot", "gx-model"} <= ids


def test_launch_options_keep_to_this_server() -> None:
    options = launch_options()
    assert options["run_history"] is False
    assert options["ssr_mode"] is False
    assert "http" not in options["head"].replace("http://www.w3.org/2000/svg", "")
    assert not [font for font in options["theme"]._stylesheets if "http" in str(font)]


def test_a_run_gives_lines_a_plot_and_a_state(services: FakeServices) -> None:
    frames = list(CompareEvents(services).run(Request(), "scripted", *VALUES))
    lines = [json.loads(entry) for entry in frames[-1][0].splitlines()[1:]]
    assert lines[-1]["done"] is True
    assert [lane["spec"] for lane in lines[0]["lanes"]] == ["greedy", "nucleus:p=0.9"]
    assert len(frames[-1][1].data) == 4
    assert "tokens" in frames[-1][2]


def test_the_plot_has_its_axes_before_a_run_and_never_in_place_of_one(
    services: FakeServices, app: gr.Blocks
) -> None:
    plot = next(b for b in app.blocks.values() if getattr(b, "elem_id", None) == "gx-plot")
    assert plot.value is None, "the plotting library would hold up the page"
    events = CompareEvents(services)
    assert [trace.name for trace in events.axes(Request()).data] == [""] * 2
    list(events.run(Request(), "scripted", *VALUES))
    assert events.axes(Request()) == gr.skip()


def test_the_form_makes_the_request(services: FakeServices) -> None:
    list(CompareEvents(services).run(Request(), "scripted", *VALUES))
    (request,) = services.requests
    assert request.specs == ("greedy", "nucleus:p=0.9")
    assert request.stop_strings == ("END", "STOP")
    assert (request.max_new_tokens, request.seed, request.top) == (5, 3, 4)
    assert (request.coupled, request.stop_on_loop, request.deadline_s) == (True, False, None)
    # an empty field is the usual value
    assert request.loop == LoopThresholds(9, 2.5, 48)


def test_a_refused_run_says_why_in_the_stage(services: FakeServices) -> None:
    ((line, *_),) = CompareEvents(services).run(Request(), "m", "please fail", *VALUES[1:])
    error = json.loads(line)["error"]
    assert error["message"].startswith("This prompt needs 9,120 tokens")
    assert error["hint"].startswith("Shorten it")


def test_the_same_refusal_twice_is_two_messages() -> None:
    error = ExplorerError("no", "yes")
    assert error_line(error) != error_line(error)


def test_an_unexpected_failure_shows_a_number_and_no_detail(
    services: FakeServices, caplog: pytest.LogCaptureFixture
) -> None:
    ((line, *_),) = CompareEvents(services).run(Request(), "m", "crash", *VALUES[1:])
    message = json.loads(line)["error"]["message"]
    assert "secret detail" not in line
    incident = message.split("incident ")[1][:8]
    assert incident in caplog.text
    assert "secret detail" in caplog.text


def test_what_a_callback_raises_becomes_a_message() -> None:
    def refuse() -> None:
        raise ExplorerError("Nothing to save.", "Run first.")

    with pytest.raises(gr.Error, match=r"Nothing to save\. Run first\."):
        guarded(refuse)()


def test_a_guarded_generator_stays_one() -> None:
    def count() -> Any:
        yield 1
        raise ExplorerError("stopped")

    numbers = guarded(count)()
    assert next(numbers) == 1
    with pytest.raises(gr.Error, match="stopped"):
        next(numbers)


def test_our_own_errors_pass_through() -> None:
    error = ExplorerError("a")
    assert describe_failure(error) is error


def test_saving_before_a_run_is_a_message(services: FakeServices) -> None:
    with pytest.raises(gr.Error, match="nothing to save"):
        guarded(SaveEvents(partial(_saved, services, "csv")).file)(Request())


def test_a_model_that_is_not_offered_is_refused_in_the_header(
    event_loop: asyncio.AbstractEventLoop,
) -> None:
    class Closed(FakeServices):
        def start_loading(self, name: str) -> None:
            raise ExplorerError(f"The model '{name}' is not offered here.", "Choose another.")

    async def build() -> ModelBar:
        with gr.Blocks(analytics_enabled=False):
            return ModelBar(Closed())

    line, timer = event_loop.run_until_complete(build()).start("/etc")
    assert "/etc" in line
    assert "not offered here" in line
    assert timer.active is False


def test_where_the_usual_model_is_lost_another_is_taken(
    event_loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(gr, "Warning", said.append)

    async def build() -> ModelBar:
        with gr.Blocks(analytics_enabled=False):
            return ModelBar(FakeServices())

    bar = event_loop.run_until_complete(build())
    *_, name = bar.poll("lost", "a prompt", "raw", 8)
    assert name == "scripted"
    assert "'scripted' stands in" in said[0]
    assert bar.poll("missing", "a prompt", "raw", 8)[-1] != "scripted"


def test_old_saved_files_are_cleaned_up(app: gr.Blocks) -> None:
    assert app.delete_cache is not None


def test_headers_are_added_once_and_streams_pass(event_loop: asyncio.AbstractEventLoop) -> None:
    sent: list[dict[str, Any]] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a", "more_body": True})

    async def send(message: Any) -> None:
        sent.append(message)

    event_loop.run_until_complete(SecurityHeaders(inner)({"type": "http"}, None, send))
    headers = dict(sent[0]["headers"])
    assert headers[b"content-security-policy"].decode() == content_policy()
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert sent[1]["body"] == b"a"


def test_the_policy_names_no_other_server_for_content() -> None:
    directives = dict(part.split(" ", 1) for part in content_policy().split("; "))
    frames = directives.pop("frame-ancestors")
    assert "huggingface.co" in frames
    assert not any("http" in value for value in directives.values())


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("", "The question is"),
        ("[1]", "The question is"),
        ("[" * 100_000, "The question is"),
        ('{"ticket": ' + "9" * 6_000 + "}", "The question is"),
        ('{"ticket": NaN}', "The question is"),
        ('{"ticket": 1e999}', "The question is"),
        (r'{"ticket": "\ud800"}', "The question holds half of a character"),
        (r'{"ticket": 4, "text": ["\ud800"]}', "The question holds half of a character"),
        ('{"ticket": 4, "lane": "x", "index": 0, "token": 1, "order": []}', "'lane'"),
        ('{"ticket": 4, "lane": 0, "index": 0.5, "token": 1, "order": []}', "'index'"),
        ('{"ticket": 4, "lane": 0, "index": 0, "token": 1}', "'order'"),
        ('{"ticket": 4, "lane": 0, "index": 0, "token": 1, "order": ["a"]}', "'order'"),
    ],
)
def test_a_question_that_cannot_be_meant_is_answered_in_words(services, asked, words) -> None:
    bridge = BridgeEvents(CompareEvents(services).token_stages)
    answer = json.loads(bridge.ask(Request(), asked))
    assert words in answer["error"]["message"]


def test_an_answer_that_json_cannot_hold_is_told_as_a_failure() -> None:
    bridge = BridgeEvents(lambda _session, _asked: {"point": math.nan})
    answer = json.loads(bridge.ask(Request(), '{"ticket": 4}'))
    assert answer["ticket"] == 4
    assert "incident" in answer["error"]["message"]


def test_an_answer_carries_the_ticket_of_its_question(services) -> None:
    events = CompareEvents(services)
    list(events.run(Request(), "scripted", *VALUES[:2], "top_k:k=5+min_p:p=0.1", *VALUES[3:]))
    question = {"ticket": 7, "lane": 0, "index": 0, "token": 1, "order": [1, 0]}
    answer = json.loads(BridgeEvents(events.token_stages).ask(Request(), json.dumps(question)))
    assert answer["ticket"] == 7
    assert answer["spec"] == "min_p:p=0.1+top_k:k=5"
