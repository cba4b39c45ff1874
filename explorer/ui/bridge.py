"""A script's way to ask the server: hidden parts that it fills, presses and reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from explorer.ui import incoming
from explorer.ui.boundary import describe_failure

Answer = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""From the tab and its question to what is to be told."""


class BridgeEvents:
    """The event behind a bridge; a method, because Gradio reads a request from a typed argument.

    Args:
        answer: finds the answer; whatever it raises is told where it was asked.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def ask(self, request: gr.Request, asked: str) -> str:
        """The answer as JSON, under the question's ticket (docs/wire.md, "questions")."""
        ticket: Any = None
        try:
            question = incoming.question(asked)
            ticket = question.get("ticket")
            found = dict(self._answer(request.session_hash or "", question))
            return _written(found | {"ticket": ticket})
        except Exception as error:  # noqa: BLE001  # shown where it was asked
            shown = describe_failure(error)
            told = {"message": shown.message, "hint": shown.hint}
            return _written({"error": told, "ticket": ticket})


def _written(answer: Mapping[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False, allow_nan=False)


def add_bridge(name: str, answer: Answer, *, requests: int) -> None:
    """Lay the hidden parts out; the script's side is `Bridge` in bridge.js.

    Args:
        name: of the bridge, in the script and in the elements' ids.
        answer: finds the answer to a question.
        requests: questions answered at once over all visitors.
    """
    asked = gr.Textbox(visible="hidden", elem_id=f"gx-{name}-question")
    answered = gr.Textbox(visible="hidden", elem_id=f"gx-{name}-answer")
    ask = gr.Button(visible="hidden", elem_id=f"gx-{name}-ask")
    event = ask.click(
        BridgeEvents(answer).ask,
        inputs=asked,
        outputs=answered,
        js=f"() => [Explorer.bridge('{name}').question()]",
        api_name=f"ask_{name}",
        api_visibility="private",
        concurrency_limit=requests,
        concurrency_id=f"bridge-{name}",
        show_progress="hidden",
        # Gradio's usual "once" drops a press while it closes the one before, after our script has
        # handed its question over: nobody would ever answer it.
        trigger_mode="multiple",
    )
    event.success(None, answered, js=f"(text) => Explorer.bridge('{name}').answer(text)")
    event.failure(None, js=f"() => Explorer.bridge('{name}').failed()")
