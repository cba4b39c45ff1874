"""The model in the header: which one, how far it is, and what it makes of the prompt."""

from __future__ import annotations

import math
from typing import Any

import gradio as gr

from explorer.core.errors import ExplorerError, InvalidParams
from explorer.render.fragments import (
    prompt_facts,
    status_failed,
    status_loading,
    status_ready,
)
from explorer.render.palette import format_count
from explorer.services.compare import Services
from explorer.ui import incoming
from explorer.ui.boundary import guarded

POLL_S = 0.4


class ModelBar:
    """Model dropdown, status line and the timer that follows a model while it loads.

    Args:
        services: what knows the models.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self.name = gr.Dropdown(
            services.models.names(),
            value=services.default_model,
            allow_custom_value=services.models.are_any,
            show_label=False,
            container=False,
            label="Model",
            elem_id="gx-model",
            min_width=180,
        )
        self.status = gr.HTML(elem_id="gx-model-status", elem_classes="gx-line")
        self.timer = gr.Timer(POLL_S, active=False)

    def watch_prompt(
        self, prompt: gr.Textbox, template: gr.Radio, tokens: gr.Number, report: list[Any]
    ) -> None:
        """Follow the model, and report on the prompt as it is typed.

        Args:
            prompt: the prompt.
            template: raw or chat.
            tokens: how many new ones are asked for.
            report: facts line, accordion and text area to write to.
        """
        inputs = [self.name, prompt, template, tokens]
        status = [self.status, self.timer]
        followed = [*status, *report, self.name]
        quiet: dict[str, Any] = {
            "queue": False,
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        self.name.input(guarded(self.start), self.name, status, api_name="choose_model", **quiet)
        self.timer.tick(guarded(self.poll), inputs, followed, api_name="poll_model", **quiet)
        gr.on(
            [prompt.change, template.change, tokens.change],
            guarded(self.inspect),
            inputs,
            report,
            trigger_mode="always_last",
            api_name="inspect_prompt",
            **quiet,
        )

    def start(self, name: str) -> tuple[str, gr.Timer]:
        """Begin to load a model; the timer follows it."""
        try:
            self._services.start_loading(name)
        except ExplorerError as error:
            return status_failed(error.message, error.hint), gr.Timer(active=False)
        line, _ = self._line(name)
        return line, gr.Timer(active=True)

    def poll(self, name: str, *prompt: Any) -> tuple[Any, ...]:
        """The status line again; once the model is there, the prompt can be counted.

        Where the usual model can be had from nowhere, the shipped one is taken, and it is said.
        """
        line, follow = self._line(name)
        if follow:
            return line, gr.skip(), gr.skip(), gr.skip(), gr.skip(), gr.skip()
        other = self._services.models.stand_in(name)
        status = self._services.model_status(name)
        if status.state == "failed" and other is not None:
            gr.Warning(f"{status.error} Until then '{other}' stands in: a small model of stories.")
            line, timer = self.start(other)
            return line, timer, gr.skip(), gr.skip(), gr.skip(), other
        return line, gr.Timer(active=False), *self.inspect(name, *prompt), gr.skip()

    def inspect(
        self, name: str, prompt: str, template: str, tokens: float | None
    ) -> tuple[str, gr.Accordion, str]:
        """The facts line, and for chat the text as it will be tokenised."""
        try:
            prompt = incoming.text(prompt or "", "The prompt")
        except InvalidParams as error:
            return prompt_facts([], [str(error)]), gr.Accordion(visible=False), ""
        # A number that Run would refuse is no reason to leave the prompt uncounted.
        asked = int(tokens) if tokens is not None and math.isfinite(tokens) else 0
        report = self._services.inspect_prompt(name, prompt, template, asked)
        counted = "" if report.tokens is None else format_count(report.tokens, "token")
        facts = [counted, template, f"BOS {report.bos}" if report.bos else ""]
        is_chat = template == "chat" and report.tokens is not None
        return (
            prompt_facts(facts, report.warnings),
            gr.Accordion(visible=is_chat),
            report.template_text if is_chat else "",
        )

    def _line(self, name: str) -> tuple[str, bool]:
        """A model's status line, and whether there is more to wait for."""
        status = self._services.model_status(name)
        if status.state == "ready":
            return status_ready(status.summary), False
        if status.state == "failed":
            return status_failed(status.error, status.hint), False
        return status_loading(status.what or f"Loading {name}", status.fraction), True
