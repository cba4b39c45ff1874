"""The Compare page: one prompt, up to eight decoding methods, side by side."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, cast

import gradio as gr

from explorer.core.errors import InvalidParams
from explorer.render.figures import lane_figure
from explorer.render.fragments import run_state
from explorer.render.page_assets import json_for_script
from explorer.services.compare import Services
from explorer.services.live import Frame
from explorer.services.presets import DEFAULT_PRESET
from explorer.ui import incoming
from explorer.ui.boundary import error_line, guarded
from explorer.ui.bridge import add_bridge
from explorer.ui.model_bar import ModelBar
from explorer.ui.pages.compare_form import CUSTOM, Form, build_form, make_request
from explorer.ui.saving import wire_save
from explorer.ui.share import add_share_buttons, wire_share
from explorer.ui.stage import StageParts, make_stage

# Requests at once over all visitors: the service has places for fewer runs, which it gives out
# only when a run's model is there.
REQUESTS = 64

# The lanes' specs stand fourth: after the model, the prompt and its template.
_SEND_SPECS = "(...values) => { values[3] = Explorer.begin().join('\\n'); return values; }"
_STOPPING = "() => Explorer.stopping()"
_SETTLED = "() => Explorer.settled()"
_WHEN_QUIET = "() => Explorer.quiet()"
_PRESS_RUN = "() => document.getElementById('gx-run').click()"


class CompareEvents:
    """What the page's events call; methods, because Gradio reads a request from a typed argument.

    Args:
        services: everything below the page.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def run(self, request: gr.Request, model: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Run, and give the page every frame; a failure becomes a line of the stage."""
        try:
            wanted = make_request(model, *values)
            frames = self._services.run(session_of(request), wanted)
            parts = StageParts()
            # Closing them ends the run where the tab, and with it this generator, goes away.
            with closing(cast(Generator[Frame, None, None], frames)):
                for frame in frames:
                    plot = gr.skip() if frame.series is None else lane_figure(frame.series)
                    yield parts.next(frame.ndjson) or gr.skip(), plot, run_state(frame.state)
            if parts.is_partial:
                yield parts.whole(), gr.skip(), gr.skip()
        except Exception as error:  # noqa: BLE001  # the outermost frame: shown, not raised
            yield error_line(error), gr.skip(), run_state("")

    def axes(self, request: gr.Request) -> Any:
        """The plot before the first token; a run that came before it has drawn its own."""
        begun = self._services.latest_traces(session_of(request))
        return gr.skip() if begun else lane_figure([])

    def stop(self, request: gr.Request) -> None:
        """End the tab's run; its generator then gives the last frame itself."""
        self._services.stop(session_of(request))

    def token_stages(self, session: str, question: Mapping[str, Any]) -> dict[str, object]:
        """What each stage did at one token (docs/wire.md, "token stages").

        Raises:
            ExplorerError: for a question that is none, or a token that is not kept any more.
        """
        lane, index, token_id = (
            incoming.whole(question.get(name), f"'{name}'", "what the page shows")
            for name in ("lane", "index", "token")
        )
        order = question.get("order")
        if not isinstance(order, list):
            raise InvalidParams(f"'order' is {incoming.shown(order)}.", "Give a list.")
        places = tuple(incoming.whole(place, "'order'", "places of stages") for place in order)
        return self._services.token_stages(session, lane, index, token_id, places)


def session_of(request: gr.Request) -> str:
    """The tab a request comes from."""
    return request.session_hash or ""


def build(services: Services, models: ModelBar) -> None:
    """Lay the page out and wire it."""
    events = CompareEvents(services)
    form = build_form(services, partial(_build_exports, services))
    specs = services.presets()[DEFAULT_PRESET]
    stage = make_stage(services.catalog_json(), specs, elem_id="gx-stage")
    plot = gr.Plot(None, show_label=False, container=False, elem_id="gx-plot")
    # Loading the plotting library takes the browser as long as all else: the page comes first.
    gr.on(
        fn=events.axes,
        outputs=plot,
        js=_WHEN_QUIET,
        queue=False,
        show_progress="hidden",
        api_name="axes",
        api_visibility="private",
    )
    _wire_run(events, models, form, [stage, plot, form.state])
    _wire_lanes(services, form, stage)
    wire_share(services.sharing, form, models)
    add_bridge("stages", events.token_stages, requests=REQUESTS)
    report = [form.facts, form.reading, form.reading_text]
    models.watch_prompt(form.prompt, form.template, form.tokens, report)


def _wire_run(events: CompareEvents, models: ModelBar, form: Form, outputs: list[Any]) -> None:
    run = form.run.click(
        events.run,
        inputs=[models.name, *form.request_inputs()],
        outputs=outputs,
        js=_SEND_SPECS,
        api_name="run",
        api_visibility="private",
        concurrency_limit=REQUESTS,
        show_progress="hidden",
    )
    # Also where Gradio itself refused a value, and no line of ours reached the stage.
    run.success(None, js=_SETTLED)
    run.failure(None, js=_SETTLED)
    form.stop.click(
        guarded(events.stop),
        queue=False,
        js=_STOPPING,
        api_name="stop",
        api_visibility="private",
        show_progress="hidden",
    )


def _wire_lanes(services: Services, form: Form, stage: gr.HTML) -> None:
    presets = services.presets()
    choose = f"(name) => {{ Explorer.choosePreset(({json_for_script(presets)})[name]); }}"
    form.preset.input(None, form.preset, js=choose)
    stage.edit(None, None, form.preset, js=f"() => {json_for_script(CUSTOM)}")
    for chip, example in zip(form.chips, services.examples(), strict=True):
        preset = str(example.get("preset", ""))
        values = [example["prompt"], example["template"], example["max_new_tokens"], preset]
        specs = json_for_script(presets.get(preset, []))
        chip.click(
            None,
            form.preset,
            [form.prompt, form.template, form.tokens, form.preset],
            js=f"(preset) => Explorer.example({json_for_script(values)}, {specs}, preset)",
        ).then(None, js=_PRESS_RUN)


def _build_exports(services: Services) -> dict[str, gr.Button]:
    exports = (("jsonl", "traces, JSONL"), ("csv", "table, CSV"), ("html", "page, HTML"))
    with gr.Row(elem_id="gx-exports"):
        gr.HTML('<span class="gx-facts">Save the run:</span>', elem_classes="gx-line")
        for kind, label in exports:
            button = gr.Button(label, size="sm", elem_id=f"gx-save-{kind}", min_width=0, scale=0)
            wire_save(f"save-{kind}", button, partial(_saved, services, kind))
        shares = add_share_buttons()
        take = gr.Button("open on Traces", size="sm", elem_id="gx-take", min_width=0, scale=0)
        take.click(None, js="() => Explorer.takeRun()")
    return shares


def _saved(services: Services, kind: str, session: str) -> Path:
    return services.export(session, kind)
