"""The Score page: what a model makes of a given text; the script draws, the desk answers."""

from __future__ import annotations

from typing import Protocol

import gradio as gr

from explorer.render.page_assets import json_for_script
from explorer.services.score_desk import ScoreDesk
from explorer.ui.bridge import add_bridge

# Texts read at once over all visitors.
REQUESTS = 4

_SKELETON = '<div class="gx-score-root"></div>'
_ON_LOAD = 'Explorer.mountScore(element.querySelector(".gx-score-root"), %s);'


class HasScore(Protocol):
    """What the page needs of the services."""

    @property
    def scores(self) -> ScoreDesk:
        """Answers the page's questions."""

    def catalog_json(self) -> list[dict[str, object]]:
        """Every stage with its parameters."""


def build(services: HasScore) -> None:
    """Lay the page out and wire it."""
    gr.HTML(
        value="",
        html_template=_SKELETON,
        js_on_load=_ON_LOAD % json_for_script({"catalog": services.catalog_json()}),
        apply_default_css=False,
        elem_id="gx-score",
    )
    add_bridge("score", services.scores.answer, requests=REQUESTS)
