"""The Compare page's form: what is asked, laid out; nothing is wired here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from explorer.core.errors import InvalidParams
from explorer.core.loops import LoopThresholds
from explorer.services import checks
from explorer.services.compare import CompareRequest, Services
from explorer.services.presets import DEFAULT_PRESET
from explorer.ui import incoming

FIRST_PROMPT = "The old lighthouse keeper opened the door and"
DEFAULT_TOKENS = 128
DEFAULT_TOP = 10
TEMPLATES = ("raw", "chat")
CUSTOM = "custom"
"""Stands in the box of presets once the lanes were changed by hand."""


@dataclass(frozen=True, slots=True)
class Form:
    """The components that a run, the prompt's report and the chips read or write."""

    prompt: gr.Textbox
    template: gr.Radio
    preset: gr.Dropdown
    specs: gr.Textbox
    tokens: gr.Number
    seed: gr.Textbox
    coupled: gr.Checkbox
    stop_on_loop: gr.Checkbox
    loop_period: gr.Number
    loop_copies: gr.Number
    loop_tokens: gr.Number
    top: gr.Number
    stop_strings: gr.Textbox
    deadline: gr.Number
    run: gr.Button
    stop: gr.Button
    state: gr.HTML
    facts: gr.HTML
    reading: gr.Accordion
    reading_text: gr.Textbox
    chips: tuple[gr.Button, ...]
    shares: dict[str, gr.Button]

    def request_inputs(self) -> list[Any]:
        """The components that make a request, in the order `make_request` takes their values."""
        return [
            self.prompt,
            self.template,
            self.specs,
            self.tokens,
            self.seed,
            self.coupled,
            self.stop_on_loop,
            self.loop_period,
            self.loop_copies,
            self.loop_tokens,
            self.top,
            self.stop_strings,
            self.deadline,
        ]


def make_request(model: str, *values: Any) -> CompareRequest:
    """A request from the form's values.

    Raises:
        InvalidParams: for a value that cannot be meant; bounds are the services' matter.
    """
    prompt, template, specs, tokens, seed, coupled, stop_on_loop, *rest = values
    period, copies, least, top, stops, deadline = rest
    if template not in TEMPLATES:
        raise InvalidParams(f"The template is {incoming.shown(template)}.", "Choose raw or chat.")
    for name, value in (("tokens", tokens), ("seed", seed), ("alternatives", top)):
        if value is None or value == "":
            raise InvalidParams(f"The field “{name}” is empty.", "Give a whole number.")
    # Not splitlines: a text in a spec may hold other marks that end a line, such as U+2028.
    lines = incoming.text(specs, "The list of methods").split("\n")
    stop_lines = incoming.text(stops or "", "The field “stop strings”").split("\n")
    limit = None if deadline is None else incoming.seconds(deadline, "The field “time limit”")
    return CompareRequest(
        model=incoming.text(model, "The model's name"),
        prompt=incoming.text("" if prompt is None else prompt, "The prompt"),
        template=template,
        specs=tuple(line for line in lines if line.strip()),
        max_new_tokens=incoming.whole(tokens, "The field “tokens”", "how many a lane may take"),
        seed=incoming.seed(seed, "The field “seed”"),
        coupled=bool(coupled),
        top=incoming.whole(top, "The field “alternatives”", "how many to keep for each token"),
        stop_on_loop=bool(stop_on_loop),
        loop=checks.loop_thresholds(period, copies, least),
        stop_strings=tuple(line for line in stop_lines if line),
        deadline_s=limit,
    )


def build_form(services: Services, build_exports: Callable[[], dict[str, gr.Button]]) -> Form:
    """Lay the form out: prompt and chips on the left, settings and Run on the right.

    Args:
        services: for presets, examples and limits.
        build_exports: lays out the buttons that save and share a run, and gives the latter.
    """
    parts: dict[str, Any] = {}
    with gr.Row(elem_id="gx-form", equal_height=False):
        with gr.Column(scale=3, min_width=320):
            parts |= _prompt_column(services)
            parts["shares"] = build_exports()
        with gr.Column(scale=2, min_width=320):
            parts |= _settings_column(services)
    return Form(**parts)


def _prompt_column(services: Services) -> dict[str, Any]:
    prompt = gr.Textbox(
        FIRST_PROMPT, label="Prompt", lines=4, max_lines=9, elem_id="gx-prompt", autofocus=True
    )
    with gr.Row(elem_id="gx-chips"):
        gr.HTML('<span class="gx-facts">Try:</span>', elem_classes="gx-line")
        chips = tuple(
            gr.Button(str(example["label"]), size="sm", elem_classes="gx-chip", min_width=0)
            for example in services.examples()
        )
    facts = gr.HTML(elem_id="gx-prompt-facts", elem_classes="gx-line")
    with gr.Accordion(
        "Text as the model reads it", open=False, visible=False, elem_id="gx-reading"
    ) as reading:
        reading_text = gr.Textbox(
            show_label=False, interactive=False, container=False, lines=4, max_lines=12
        )
    return {
        "prompt": prompt,
        "chips": chips,
        "facts": facts,
        "reading": reading,
        "reading_text": reading_text,
    }


def _settings_column(services: Services) -> dict[str, Any]:
    # Numbers have no bounds here: Gradio would refuse one by itself, in front of our own words.
    with gr.Row():
        preset = gr.Dropdown(
            [*services.presets(), CUSTOM], value=DEFAULT_PRESET, label="Preset of methods",
            elem_id="gx-preset", min_width=150, scale=2,
        )  # fmt: skip
        tokens = gr.Number(
            DEFAULT_TOKENS, label="Tokens", elem_id="gx-tokens", min_width=80,
        )  # fmt: skip
        # A text: a number past 2^53 would be rounded by the browser.
        seed = gr.Textbox(
            "7", label="Seed (-1 draws one)", max_lines=1, elem_id="gx-seed", min_width=80
        )
    with gr.Row(elem_id="gx-switches"):
        template = gr.Radio(
            [("raw text", "raw"), ("chat template", "chat")], value="raw", show_label=False,
            container=False, elem_id="gx-template", min_width=100, scale=0,
        )  # fmt: skip
        coupled = gr.Checkbox(
            False, label="same noise in all lanes", container=False, elem_id="gx-coupled",
            min_width=150, scale=0,
        )  # fmt: skip
        stop_on_loop = gr.Checkbox(
            False, label="stop on loop", container=False, elem_id="gx-stop-on-loop",
            min_width=100, scale=0,
        )  # fmt: skip
    with gr.Row(elem_id="gx-run-row"):
        run = gr.Button("Run", variant="primary", elem_id="gx-run", scale=2, min_width=100)
        stop = gr.Button("Stop", elem_id="gx-stop", min_width=80)
    state = gr.HTML(elem_id="gx-run-state", elem_classes="gx-line")
    # Filled by the page's script as Run is pressed: the stage is the one place that has the lanes.
    specs = gr.Textbox(visible="hidden", elem_id="gx-specs")
    with gr.Accordion("More settings", open=False, elem_id="gx-more"):
        extra = _more_settings(services)
    return {
        "preset": preset,
        "tokens": tokens,
        "seed": seed,
        "template": template,
        "coupled": coupled,
        "stop_on_loop": stop_on_loop,
        "run": run,
        "stop": stop,
        "state": state,
        "specs": specs,
        **extra,
    }


def _more_settings(services: Services) -> dict[str, Any]:
    with gr.Row():
        top = gr.Number(
            min(DEFAULT_TOP, services.settings.max_top),
            label=f"Alternatives a token, at most {services.settings.max_top}",
            elem_id="gx-top", min_width=100,
        )  # fmt: skip
        deadline = gr.Number(
            None, label=f"Time limit, s, at most {services.settings.max_run_s:g}",
            placeholder="none", elem_id="gx-deadline", min_width=100,
        )  # fmt: skip
    usual = LoopThresholds()
    with gr.Row():
        loop_period = gr.Number(
            usual.max_period, label="A loop: unit of at most, tokens", elem_id="gx-loop-period",
            min_width=100,
        )  # fmt: skip
        loop_copies = gr.Number(
            usual.min_copies, label="at least so many copies", elem_id="gx-loop-copies",
            min_width=100,
        )  # fmt: skip
        loop_tokens = gr.Number(
            usual.min_tokens, label="and tokens in all", elem_id="gx-loop-tokens", min_width=100,
        )  # fmt: skip
    stop_strings = gr.Textbox(
        label="Stop strings, one a line", lines=2, max_lines=6, elem_id="gx-stop-strings"
    )
    return {
        "top": top,
        "deadline": deadline,
        "loop_period": loop_period,
        "loop_copies": loop_copies,
        "loop_tokens": loop_tokens,
        "stop_strings": stop_strings,
    }
