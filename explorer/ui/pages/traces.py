"""The Traces page: files opened without a model, forks, proofs, and where lanes part."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Protocol

import gradio as gr

from explorer.core.errors import InvalidParams
from explorer.core.trace_io import write_traces
from explorer.render.export_html import export_page
from explorer.render.page_assets import json_for_script
from explorer.services.traces.desk import TraceDesk
from explorer.ui.boundary import guarded
from explorer.ui.bridge import add_bridge
from explorer.ui.saving import add_hidden_save

# Questions answered at once over all visitors; what takes long runs in threads of its own.
REQUESTS = 8

_SKELETON = '<div class="gx-traces-root"></div>'
_ON_LOAD = 'Explorer.mountTraces(element.querySelector(".gx-traces-root"), %s);'
_REFRESH = "() => { Explorer.traces.refresh(); return null; }"


class HasTraces(Protocol):
    """What the page needs of the services."""

    @property
    def traces(self) -> TraceDesk:
        """Answers the page's questions."""

    def catalog_json(self) -> list[dict[str, object]]:
        """Every stage with its parameters."""

    def folder(self, session: str) -> Path:
        """A folder for a tab's files."""


class TracesEvents:
    """What the page's parts call; methods, because Gradio reads a request from a typed argument.

    Args:
        services: everything below the page.
    """

    def __init__(self, services: HasTraces) -> None:
        self._services = services

    def open_file(self, request: gr.Request, path: str | None) -> None:
        """Put a dropped file on the page."""
        if not path:
            raise InvalidParams("No file came.", "Drop one ending in .jsonl.")
        self._services.traces.open_file(request.session_hash or "", Path(path))


def build(services: HasTraces) -> None:
    """Lay the page out and wire it."""
    events = TracesEvents(services)
    with gr.Row(elem_id="gx-traces-open", equal_height=True):
        dropped = gr.File(
            label="Drop a trace file (.jsonl), or click to choose one",
            file_types=[".jsonl"],
            type="filepath",
            height=128,
            elem_id="gx-traces-file",
        )
        gr.Button("Take the latest run of Compare", elem_id="gx-traces-take", scale=0).click(
            None, js="() => Explorer.traces.take()"
        )
    gr.HTML(
        value="",
        html_template=_SKELETON,
        js_on_load=_ON_LOAD % json_for_script({"catalog": services.catalog_json()}),
        apply_default_css=False,
        elem_id="gx-traces",
    )
    opened = dropped.upload(
        guarded(events.open_file),
        dropped,
        None,
        api_name="open_traces",
        api_visibility="private",
        show_progress="minimal",
    )
    # A file may be cut short: what was whole is there, beside the message. The box is emptied,
    # ready for the next file.
    opened.success(None, None, dropped, js=_REFRESH)
    opened.failure(None, None, dropped, js=_REFRESH)
    add_bridge("traces", services.traces.answer, requests=REQUESTS)
    for kind in ("jsonl", "html"):
        add_hidden_save(f"traces-save-{kind}", partial(_save, services, kind))


def _save(services: HasTraces, kind: str, session: str) -> Path:
    path = services.folder(session) / f"traces-{time.strftime('%Y%m%d-%H%M%S')}.{kind}"
    if kind == "jsonl":
        write_traces(path, services.traces.traces(session))
    else:
        path.write_text(export_page(services.traces.shown_lines(session)), encoding="utf-8")
    return path
