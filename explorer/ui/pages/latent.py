"""The Latent page: spaces of sentences as maps; the script draws, the desk answers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Protocol

import gradio as gr

from explorer.render.page_assets import json_for_script
from explorer.services.latent.desk import LatentDesk
from explorer.services.latent.export import save_sample
from explorer.services.latent.paper_table import paper_tables
from explorer.ui.bridge import add_bridge
from explorer.ui.saving import add_hidden_save

# Questions answered at once over all visitors: each is a second of one core at most.
REQUESTS = 4

_SKELETON = '<div class="gx-latent-root"></div>'
_ON_LOAD = 'Explorer.mountLatent(element.querySelector(".gx-latent-root"), %s);'


class HasLatent(Protocol):
    """What the page needs of the services."""

    @property
    def latent(self) -> LatentDesk:
        """Answers the page's questions."""

    def folder(self, session: str) -> Path:
        """A folder for a tab's files."""


def build(services: HasLatent) -> None:
    """Lay the page out and wire it."""
    gr.HTML(
        value="",
        html_template=_SKELETON,
        js_on_load=_ON_LOAD
        % json_for_script({"worlds": services.latent.worlds(), "tables": paper_tables()}),
        apply_default_css=False,
        elem_id="gx-latent",
    )
    add_bridge("latent", services.latent.answer, requests=REQUESTS)
    for kind in ("jsonl", "csv"):
        add_hidden_save(f"latent-save-{kind}", partial(_save, services, kind))


def _save(services: HasLatent, kind: str, session: str) -> Path:
    return save_sample(services.latent.sample(session), services.folder(session), kind)
