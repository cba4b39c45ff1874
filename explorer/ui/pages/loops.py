"""The Loops page: a loop seen forming, taken apart, and left; the script draws it."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Protocol

import gradio as gr

from explorer.core.trace_io import write_traces
from explorer.render.page_assets import json_for_script
from explorer.services.loops.desk import LoopDesk
from explorer.services.loops.escape_answers import traces_of
from explorer.ui.bridge import add_bridge
from explorer.ui.saving import add_hidden_save

# Questions answered at once over all visitors; what takes long runs in threads of its own.
REQUESTS = 8

_SKELETON = '<div class="gx-loops-root"></div>'
_ON_LOAD = 'Explorer.mountLoops(element.querySelector(".gx-loops-root"), %s);'


class HasLoops(Protocol):
    """What the page needs of the services."""

    @property
    def loops(self) -> LoopDesk:
        """Answers the page's questions."""

    def catalog_json(self) -> list[dict[str, object]]:
        """Every stage with its parameters."""

    def folder(self, session: str) -> Path:
        """A folder for a tab's files."""


def build(services: HasLoops) -> None:
    """Lay the page out and wire it."""
    gr.HTML(
        value="",
        html_template=_SKELETON,
        js_on_load=_ON_LOAD % json_for_script({"catalog": services.catalog_json()}),
        apply_default_css=False,
        elem_id="gx-loops",
    )
    add_bridge("loops", services.loops.answer, requests=REQUESTS)
    add_hidden_save("loops-save-board", partial(_save, services))


def _save(services: HasLoops, session: str) -> Path:
    path = services.folder(session) / f"board-{time.strftime('%Y%m%d-%H%M%S')}.jsonl"
    write_traces(path, traces_of(services.loops.tabs[session]))
    return path
