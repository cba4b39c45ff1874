"""The Labs page: papers as experiments; the script draws the gallery, the form and the results."""

from __future__ import annotations

import json
import time
from functools import partial
from pathlib import Path
from typing import Protocol

import gradio as gr

from explorer.core.errors import NotCapable
from explorer.core.trace_io import write_traces
from explorer.render.page_assets import json_for_script
from explorer.render.results_page import results_page
from explorer.services.labs.desk import LabDesk
from explorer.ui.bridge import add_bridge
from explorer.ui.saving import add_hidden_save

# Questions answered at once over all visitors; runs go on in threads of their own.
REQUESTS = 8

_SKELETON = '<div class="gx-labs-root"></div>'
_ON_LOAD = 'Explorer.mountLabs(element.querySelector(".gx-labs-root"), %s);'


class HasLabs(Protocol):
    """What the page needs of the services."""

    @property
    def labs(self) -> LabDesk:
        """Answers the page's questions."""

    def catalog_json(self) -> list[dict[str, object]]:
        """Every stage with its parameters."""

    def folder(self, session: str) -> Path:
        """A folder for a tab's files."""


def build(services: HasLabs) -> None:
    """Lay the page out and wire it."""
    gr.HTML(
        value="",
        html_template=_SKELETON,
        js_on_load=_ON_LOAD % json_for_script({"catalog": services.catalog_json()}),
        apply_default_css=False,
        elem_id="gx-labs",
    )
    add_bridge("labs", services.labs.answer, requests=REQUESTS)
    for kind in ("json", "html", "jsonl"):
        add_hidden_save(f"labs-save-{kind}", partial(_save, services, kind))


def _save(services: HasLabs, kind: str, session: str) -> Path:
    run = services.labs.run_of(session)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = services.folder(session) / f"{run.info.name}-{stamp}.{kind}"
    if kind == "jsonl":
        if not run.traces:
            raise NotCapable("This run shows no continuation.", "Save its results instead.")
        write_traces(path, run.traces)
    elif kind == "json":
        path.write_text(json.dumps(run.as_data(), indent=2, ensure_ascii=False), encoding="utf-8")
    else:
        path.write_text(results_page(run.as_data()), encoding="utf-8")
    return path
