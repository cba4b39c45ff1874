"""The Maps page: what a model does over two parameters; the script draws the form and the maps."""

from __future__ import annotations

from typing import Protocol

import gradio as gr

from explorer.services.sweep.map_desk import MapDesk
from explorer.ui.bridge import add_bridge

# Questions answered at once over all visitors; maps are made in threads of their own.
REQUESTS = 8

_SKELETON = '<div class="gx-maps-root"></div>'
_ON_LOAD = 'Explorer.mountMaps(element.querySelector(".gx-maps-root"));'


class HasMaps(Protocol):
    """What the page needs of the services."""

    @property
    def maps(self) -> MapDesk:
        """Answers the page's questions."""


def build(services: HasMaps) -> None:
    """Lay the page out and wire it."""
    gr.HTML(
        value="",
        html_template=_SKELETON,
        js_on_load=_ON_LOAD,
        apply_default_css=False,
        elem_id="gx-maps",
    )
    add_bridge("maps", services.maps.answer, requests=REQUESTS)
