"""Every limit at every entry: the page's events and bridges, uploads, and what programs call."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer import generate, write_traces
from explorer.core.errors import ExplorerError, InvalidParams, TraceFormatError
from explorer.services.compare import Services
from explorer.services.generation import RunOptions
from explorer.services.model_pool import ModelPool
from explorer.services.settings import Settings
from explorer.ui.bridge import BridgeEvents
from explorer.ui.endpoints import Endpoints
from explorer.ui.pages.compare import CompareEvents
from explorer.ui.pages.traces import TracesEvents
from explorer.ui.security import BodyLimit

FORM = {
    "prompt": "ab", "template": "raw", "specs": "greedy", "tokens": 5, "seed": "3",
    "coupled": False, "stop_on_loop": False, "loop_period": 128, "loop_copies": 3,
    "loop_tokens": 48, "top": 4, "stop_strings": "", "deadline": None,
}  # fmt: skip
TIGHT = Settings(
    model="scripted",
    models=("scripted",),
    max_prompt_chars=30,
    max_new_tokens=8,
    max_lanes=2,
    max_run_s=20,
    max_top=5,
    max_upload_bytes=50_000,
    max_visitor_runs=1,
)


class Request(gr.Request):
    def __init__(self, session: str = "tab") -> None:
        self.session_hash = session


def model(delay_s: float = 0.0) -> ScriptedModel:
    return ScriptedModel(hashed_script(LetterTokenizer().vocab_size, end=-9), delay_s=delay_s)


def services_with(settings: Settings = TIGHT, delay_s: float = 0.0) -> Services:
    pool = ModelPool(load=lambda name, progress: pytest.fail(f"{name} was loaded"), names=[])
    pool.add("scripted", model(delay_s))
    return Services(settings, pool)


@pytest.fixture
def services() -> Services:
    return services_with()


def page_says(services: Services, **changed: Any) -> str:
    """The error of a press of Run."""
    events = CompareEvents(services)
    name = changed.pop("model", "scripted")
    *_, (line, *_) = events.run(Request(), name, *(FORM | changed).values())
    return error_in(line)


def error_in(line: str) -> str:
    last = json.loads(line.splitlines()[-1])
    return str(last["error"]["message"] + " " + last["error"]["hint"]) if "error" in last else ""


def bridge_says(desk: Any, **question: Any) -> dict[str, Any]:
    told = BridgeEvents(desk.answer).ask(Request(), json.dumps({"ticket": 1, **question}))
    return dict(json.loads(told))


def words_of(answer: dict[str, Any]) -> str:
    return " ".join(answer["error"].values()) if "error" in answer else ""


def api_says(services: Services, **changed: Any) -> str:
    given = {"prompt": "ab", "decoders": ["greedy"], "max_new_tokens": 5} | changed
    with pytest.raises(ExplorerError) as caught:
        list(Endpoints(services).compare(**given, request=Request()))
    return str(caught.value)


LOOPS = {"ask": "run", "model": "scripted", "prompt": "ab", "decoders": ["greedy"], "tokens": 4}
LONG = "a" * 31


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"prompt": LONG}, "31 characters. At most 30"),
        ({"tokens": 9}, "9 new tokens were asked for. Ask for 1 to 8."),
        (
            {"specs": "greedy\nancestral\ntop_k"},
            "3 decoding methods were asked for. Ask for 1 to 2",
        ),
        ({"deadline": 21}, "21 seconds was asked for. Give 1 to 20"),
        ({"top": 6}, "6 alternatives a token were asked for. Ask for 1 to 5"),
        ({"model": "/etc"}, "'/etc' is not offered here"),
        ({"specs": "contrastive_decoding:amateur=/etc"}, "'/etc' is not offered here"),
    ],
)
def test_the_form(services: Services, changed: dict[str, Any], words: str) -> None:
    assert words in page_says(services, **changed)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"prompt": LONG}, "31 characters. At most 30"),
        ({"max_new_tokens": 9}, "9 new tokens"),
        ({"decoders": ["greedy"] * 3}, "3 decoding methods"),
        ({"model": "/etc"}, "'/etc' is not offered here"),
        ({"decoders": ["contrastive_decoding:amateur=/etc"]}, "'/etc' is not offered here"),
    ],
)
def test_compare_of_programs(services: Services, changed: dict[str, Any], words: str) -> None:
    assert words in api_says(services, **changed)


def test_score_of_programs(services: Services) -> None:
    score = Endpoints(services).score
    with pytest.raises(InvalidParams, match="31 characters"):
        score(LONG, request=Request())
    with pytest.raises(ExplorerError, match="not offered here"):
        score("ab", "/etc", request=Request())


def test_lab_of_programs(services: Services) -> None:
    with pytest.raises(ExplorerError, match="not offered here"):
        list(Endpoints(services).lab("watermarks", "/etc", request=Request()))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"prompt": LONG}, "31 characters"),
        ({"tokens": 9}, "from 1 to 8"),
        ({"decoders": ["greedy", "ancestral", "top_k"]}, "3 decoding methods"),
        ({"model": "/etc"}, "'/etc' is not offered here"),
    ],
)
def test_the_loops_page(services: Services, changed: dict[str, Any], words: str) -> None:
    assert words in words_of(bridge_says(services.loops, **(LOOPS | changed)))


def test_the_score_page(services: Services) -> None:
    question = {"ask": "score", "model": "scripted", "text": "ab"}
    assert "31 characters" in words_of(bridge_says(services.scores, **question, before=LONG))
    assert "31 characters" in words_of(bridge_says(services.scores, **(question | {"text": LONG})))
    assert "/etc" in words_of(bridge_says(services.scores, **(question | {"model": "/etc"})))
    assert not words_of(bridge_says(services.scores, **question))
    assert {len(step.top) for step in services.scores.trace("tab").steps} == {5}


def test_the_labs_page(services: Services) -> None:
    question = {"ask": "run", "lab": "watermarks", "model": "/etc", "seed": 0}
    assert "'/etc' is not offered here" in words_of(bridge_says(services.labs, **question))


def test_the_latent_page(services: Services) -> None:
    question = {"ask": "cells", "language": "/etc\x1fonce", "space": "ariel", "dimensions": 2}
    told = words_of(bridge_says(services.latent, **question))
    assert "/etc" in told
    assert "incident" not in told


@pytest.mark.parametrize("where", ["model", "prompt", "decoders"])
def test_a_link(services: Services, where: str) -> None:
    """What a link names is put into the form, and refused there like anything typed."""
    told = bridge_says(services.sharing, ask="open", link="?" + where + "=" + "x" * 300_000)
    assert words_of(told)
    assert "incident" not in words_of(told)


def test_a_fork_of_an_uploaded_trace(services: Services, tmp_path: Path) -> None:
    made = generate(model(), "ab", decoders=["greedy"], max_new_tokens=6, options=RunOptions(top=9))
    write_traces(tmp_path / "run.jsonl", made)
    TracesEvents(services).open_file(Request(), str(tmp_path / "run.jsonl"))
    (branch,) = bridge_says(services.traces, ask="state")["branches"]
    fork = {"ask": "fork", "branch": branch["id"], "at": 2, "token": 1}
    assert "at most 8" in words_of(bridge_says(services.traces, **fork, tokens=9))
    assert "at most 2" in words_of(bridge_says(services.traces, **fork, count=3))
    assert "31 characters" in words_of(bridge_says(services.traces, **fork, text=LONG, tokens=4))
    job = bridge_says(services.traces, **fork, tokens=4)
    finish(services.traces, job)
    assert {len(step.top) for step in services.traces.traces("tab")[-1].steps[2:]} == {5}


def finish(desk: Any, answer: dict[str, Any]) -> dict[str, Any]:
    """Ask after a job until it has ended."""
    while not answer.get("done"):
        assert not words_of(answer), words_of(answer)
        answer = bridge_says(desk, ask="job", job=answer["job"])
    return answer


def test_a_file_past_the_limit_is_not_read(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    path.write_bytes(b" " * 50_001)
    with pytest.raises((InvalidParams, TraceFormatError), match=r"50,001|50,000|0\.05"):
        TracesEvents(services).open_file(Request(), str(path))


def test_one_visitor_has_one_run_wherever_it_was_begun() -> None:
    services = services_with(delay_s=0.2)
    loops = bridge_says(services.loops, **(LOOPS | {"tokens": 8}))
    words = "1 of your runs are under way"
    assert words in page_says(services)
    assert words in api_says(services)
    assert words in words_of(bridge_says(services.scores, ask="score", model="m", text="a"))
    with pytest.raises(ExplorerError, match=words):
        Endpoints(services).score("ab", request=Request())
    with pytest.raises(ExplorerError, match=words):
        list(Endpoints(services).lab("watermarks", request=Request()))
    lab = {"ask": "run", "lab": "watermarks", "model": "scripted", "seed": 0}
    assert words in words_of(bridge_says(services.labs, **lab))
    # Another visitor is not held up, and this one goes on once the run has ended.
    assert list(Endpoints(services).compare("ab", ["greedy"], "", 2, request=Request("another")))
    finish(services.loops, loops)
    assert not page_says(services)


def test_a_tabs_own_next_run_takes_the_place_of_the_one_before() -> None:
    services = services_with(delay_s=0.02)
    first = CompareEvents(services).run(Request(), "scripted", *FORM.values())
    next(first)
    assert not page_says(services)
    list(first)
    assert not services.limits.runs._runs


def test_work_that_takes_too_long_is_ended_and_says_so() -> None:
    tight = Settings(model="scripted", max_new_tokens=2000, max_run_s=0.4)
    services = services_with(tight, delay_s=0.02)
    job = bridge_says(services.loops, **(LOOPS | {"tokens": 2000}))
    ended = finish(services.loops, job)
    assert 0 < ended["lines"].count('"t":') < 2000


def body(parts: list[bytes], headers: list[tuple[bytes, bytes]]) -> list[int]:
    """Statuses of a request that passes the limit of ten bytes."""
    sent: list[int] = []
    waiting = list(parts)

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    scope = {"type": "http", "headers": headers}
    loop = asyncio.new_event_loop()
    loop.run_until_complete(BodyLimit(inner, most=10)(scope, receive, send))
    loop.close()
    return sent


def test_a_request_is_counted_whatever_it_says_of_its_length() -> None:
    assert body([b"12345", b"12345"], []) == [200]
    assert body([b"12345", b"123456"], []) == [413]
    assert body([b"12345", b"123456"], [(b"content-length", b"3")]) == [413]
    assert body([b"1"], [(b"content-length", b"11")]) == [413]
