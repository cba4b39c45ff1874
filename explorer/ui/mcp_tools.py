"""The app's functions as tools of the Model Context Protocol.

Gradio lists them from their signatures and docstrings. How it answers is replaced: it would call
the app once more over HTTP, in one session for all, go on when whoever asked has gone, and give
Python's notation in place of JSON.
"""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from typing import Any

import gradio as gr
from anyio import to_thread

from explorer.core.errors import InvalidParams
from explorer.ui.boundary import describe_failure
from explorer.ui.endpoints import Endpoints
from explorer.ui.incoming import shown


class _Caller(gr.Request):
    """Whoever calls by the protocol: it tells no visitors apart, so all of them count as one."""

    def __init__(self) -> None:
        self.session_hash = "mcp"


def answer_tools(app: gr.Blocks, endpoints: Endpoints) -> None:
    """Have the tools of a launched app answered here.

    Args:
        app: launched with `mcp_server=True`.
        endpoints: whose functions the tools are.

    Raises:
        RuntimeError: where Gradio began no such server.
    """
    from mcp import types  # noqa: PLC0415  # an optional extra

    gradio_server: Any = app.mcp_server_obj
    if gradio_server is None:
        raise RuntimeError(f"no MCP server was begun: {app.mcp_error}")

    async def call(name: str, arguments: dict[str, Any]) -> list[types.TextContent]:
        endpoint = gradio_server.tool_to_endpoint.get(name, "").lstrip("/")
        function = getattr(endpoints, endpoint, None) if endpoint else None
        if function is None:
            raise InvalidParams(f"There is no tool {shown(name)}.", "Ask for the list of tools.")
        gone = threading.Event()
        work = partial(answer, function, arguments, gone)
        try:
            text = await to_thread.run_sync(work, abandon_on_cancel=True)
        finally:
            gone.set()
        return [types.TextContent(type="text", text=text)]

    gradio_server.mcp_server.call_tool()(call)


def answer(
    function: Callable[..., Any], arguments: Mapping[str, Any], gone: threading.Event
) -> str:
    """The last thing a function has to say, as JSON.

    Args:
        function: of `Endpoints`; a generator is left as soon as nobody listens.
        arguments: by name.
        gone: set when whoever asked is not there any more.

    Raises:
        ExplorerError: for whatever goes wrong, in words.
    """
    try:
        takes = dict(inspect.signature(function).parameters)
        caller = {"request": _Caller()} if takes.pop("request", None) else {}
        strange = next((name for name in arguments if name not in takes), None)
        if strange is not None:
            raise InvalidParams(f"{shown(strange)} is no argument.", f"There are: {_list(takes)}.")
        said = function(**arguments, **caller)
        if inspect.isgenerator(said):
            said = _last(said, gone)
        return json.dumps(said, ensure_ascii=False, allow_nan=False)
    except Exception as error:  # noqa: BLE001  # the outermost frame: nothing may reach a caller raw
        raise describe_failure(error) from None


def _last(parts: Any, gone: threading.Event) -> Any:
    said = None
    with closing(parts):
        for part in parts:
            said = part
            if gone.is_set():
                break
    return said


def _list(names: Mapping[str, object]) -> str:
    return ", ".join(names) or "none"
