"""The Latent page: spaces of sentences as maps; the script draws, the desk answers."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import gradio as gr

from explorer.render.page_assets import json_for_script
from explorer.services.latent.desk import LatentDesk
from explorer.ui.boundary import guarded
from explorer.ui.bridge import add_bridge

# Questions answered at once over all visitors: each is a second of one core at most.
REQUESTS = 4

_SKELETON = '<div class="gx-latent-root"></div>'
_ON_LOAD = 'Explorer.mountLatent(element.querySelector(".gx-latent-root"), %s);'


class HasLatent(Protocol):
    """What the page needs of the services."""

    @property
    def latent(self) -> LatentDesk:
        """Answers the page's questions."""

    def export_sample(self, session: str, kind: str) -> Path:
        """A file of the tab's latest sample."""


class LatentEvents:
    """What the page's buttons call; methods, because Gradio reads a request from a typed argument.

    Args:
        services: everything below the page.
    """

    def __init__(self, services: HasLatent) -> None:
        self._services = services

    def save_jsonl(self, request: gr.Request) -> str:
        """The sample as traces."""
        return str(self._services.export_sample(request.session_hash or "", "jsonl"))

    def save_csv(self, request: gr.Request) -> str:
        """One row a point of the sample."""
        return str(self._services.export_sample(request.session_hash or "", "csv"))


def build(services: HasLatent) -> None:
    """Lay the page out and wire it."""
    gr.HTML(
        value="",
        html_template=_SKELETON,
        js_on_load=_ON_LOAD % json_for_script({"worlds": services.latent.worlds()}),
        apply_default_css=False,
        elem_id="gx-latent",
    )
    add_bridge("latent", services.latent.answer, requests=REQUESTS)
    events = LatentEvents(services)
    for kind, save in (("jsonl", events.save_jsonl), ("csv", events.save_csv)):
        # Pressed by the script; the file is made first, and only then fetched.
        button = gr.Button(visible="hidden", elem_id=f"gx-latent-save-{kind}")
        hidden = gr.DownloadButton(visible="hidden", elem_id=f"gx-latent-file-{kind}")
        button.click(
            guarded(save),
            outputs=hidden,
            api_name=f"save_sample_{kind}",
            api_visibility="private",
            show_progress="hidden",
        ).success(None, js=f"() => document.querySelector('#gx-latent-file-{kind}').click()")
