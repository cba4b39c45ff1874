"""Assistants call the app by the Model Context Protocol: tools, limits, and one who leaves."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from explorer.core.errors import ExplorerError
from explorer.services.settings import Settings
from explorer.ui import serve as serving_module
from explorer.ui.app import launch_options
from explorer.ui.mcp_tools import answer
from ui.served import serving

has_mcp = importlib.util.find_spec("mcp") is not None
if has_mcp:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client
needs_mcp = pytest.mark.skipif(not has_mcp, reason="the Model Context Protocol is an extra")
STEP_S = 0.05
LIMITS = {
    "EXPLORER_MCP": "on",
    "EXPLORER_MAX_PROMPT_CHARS": "300",
    "EXPLORER_MAX_NEW_TOKENS": "400",
    "EXPLORER_MAX_LANES": "2",
    "EXPLORER_MAX_TOP": "5",
    "EXPLORER_MAX_VISITOR_RUNS": "1",
}
RUN = {"prompt": "ab", "decoders": ["greedy"], "max_new_tokens": 3, "seed": 1}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    with serving(tmp_path_factory.mktemp("mcp"), STEP_S, **LIMITS) as (url, log):
        yield url + "gradio_api/mcp/", log


def visit(url: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    """What one client of the protocol gets; it is gone afterwards."""

    async def whole() -> Any:
        async with (
            streamable_http_client(url) as (read, write, *_),
            ClientSession(read, write) as client,
        ):
            await client.initialize()
            return await work(client)

    return asyncio.run(whole())


def say(url: str, tool: str, **arguments: Any) -> tuple[bool, str]:
    """Whether a call was refused, and what came back."""
    result = visit(url, lambda client: client.call_tool(tool, arguments))
    return bool(result.isError), "".join(part.text for part in result.content)


@needs_mcp
def test_the_public_functions_are_tools_and_say_what_they_take(address: tuple[str, Path]) -> None:
    listed = visit(address[0], lambda client: client.list_tools()).tools
    tools = {tool.name: tool for tool in listed}
    assert set(tools) == {"compare", "score", "lab", "decoders"}
    for tool in tools.values():
        assert len(tool.description) > 40
        assert all(entry["description"] for entry in tool.inputSchema["properties"].values())
        assert "request" not in tool.inputSchema["properties"]
    assert set(tools["compare"].inputSchema["required"]) == {"prompt", "decoders"}


@needs_mcp
def test_every_tool_answers_in_json(address: tuple[str, Path]) -> None:
    refused, text = say(address[0], "compare", **RUN)
    (trace,) = json.loads(text)
    assert not refused
    assert trace["schema"] == "explorer.trace/1"
    assert len(trace["tokens"]["id"]) == 3
    assert len(json.loads(say(address[0], "score", text="abab")[1])["tokens"]["id"]) == 4
    assert len(json.loads(say(address[0], "decoders")[1])) > 20


@needs_mcp
@pytest.mark.parametrize(
    ("tool", "changed", "words"),
    [
        ("compare", {"prompt": "a" * 301}, "301 characters. At most 300"),
        ("compare", {"decoders": ["greedy"] * 3}, "Ask for 1 to 2."),
        ("compare", {"decoders": ["nucleus:p=7"]}, "nucleus"),
        ("compare", {"max_new_tokens": 401}, "Ask for 1 to 400"),
        ("compare", {"model": "/etc"}, "'/etc' is not offered here"),
        ("compare", {"decoders": "greedy"}, "not of type 'array'"),
        ("compare", {"request": {}}, "'request' is no argument"),
        ("lab", {"lab": "watermark"}, "watermarks"),
        ("lab", {"lab": "watermarks", "model": "/etc"}, "'/etc' is not offered here"),
        ("lab", {"lab": "best_of_n", "params": {"n": "many"}}, "best_of_n"),
        ("score", {"text": "a" * 301}, "301 characters"),
        ("score", {"text": "a", "model": "/etc"}, "'/etc' is not offered here"),
        ("open_page", {}, "no tool 'open_page'"),
    ],
)
def test_what_goes_too_far_is_refused_in_words(
    address: tuple[str, Path], tool: str, changed: dict[str, Any], words: str
) -> None:
    refused, text = say(address[0], tool, **((RUN | changed) if tool == "compare" else changed))
    assert refused
    assert words in text
    assert "Traceback" not in text + address[1].read_text()
    assert "incident" not in text


@needs_mcp
def test_one_who_leaves_ends_the_run(address: tuple[str, Path]) -> None:
    """The run would take 20 s, and no other may begin beside it."""

    async def leave(client: Any) -> None:
        await asyncio.wait_for(client.call_tool("compare", RUN | {"max_new_tokens": 400}), 1.5)

    async def together(client: Any) -> Any:
        first = asyncio.create_task(client.call_tool("compare", RUN | {"max_new_tokens": 20}))
        await asyncio.sleep(0.4)
        second = await client.call_tool("compare", RUN)
        return await first, second

    first, second = visit(address[0], together)
    assert not first.isError
    assert "1 of your runs are under way" in second.content[0].text
    with pytest.raises(BaseException, match=r"unhandled errors|Timed|^$"):
        visit(address[0], leave)
    began = time.monotonic()
    while say(address[0], "compare", **RUN)[0]:
        assert time.monotonic() - began < 8, "the run went on"
        time.sleep(0.1)


def test_a_run_is_left_when_nobody_listens() -> None:
    gone, ended = threading.Event(), []

    def endless() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield (number := number + 1)
                if number == 3:
                    gone.set()
        finally:
            ended.append(True)

    assert answer(endless, {}, gone) == "4"
    assert ended


def test_what_fails_inside_gets_a_number_and_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise KeyError("/a/secret/path")

    with pytest.raises(ExplorerError, match="incident") as caught:
        answer(broken, {}, threading.Event())
    assert "secret" not in str(caught.value)
    assert "secret" in caplog.text


def test_without_the_extra_it_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serving_module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        serving_module.serve(Settings(mcp=True))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert 'pip install "gradio[mcp]"' in said


def test_it_is_off_unless_asked_for() -> None:
    assert launch_options()["mcp_server"] is False
