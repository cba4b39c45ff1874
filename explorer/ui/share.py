"""Links and code on the Compare page: buttons, and what a link puts back into the form."""

from __future__ import annotations

import gradio as gr

from explorer.services.sharing import SharingDesk
from explorer.ui.boundary import guarded
from explorer.ui.bridge import add_bridge
from explorer.ui.model_bar import ModelBar
from explorer.ui.pages.compare_form import CUSTOM, Form

REQUESTS = 16


def add_share_buttons() -> None:
    """Buttons for a row: what is on the form as a link, or as code."""
    for name, label in (("link", "copy link"), ("code", "show code")):
        button = gr.Button(label, size="sm", elem_id=f"gx-share-{name}", min_width=0, scale=0)
        button.click(None, js=f"() => Explorer.share.{name}()")


def wire_share(desk: SharingDesk, form: Form, models: ModelBar) -> None:
    """The bridge, and the hidden button that the script presses to fill the form from a link.

    Args:
        desk: answers.
        form: is filled.
        models: the model changes with it, where the link names one that is offered.
    """
    add_bridge("share", desk.answer, requests=REQUESTS)
    restore = gr.Button(visible="hidden", elem_id="gx-restore")
    fields = [
        models.name,
        form.prompt,
        form.template,
        form.tokens,
        form.seed,
        form.coupled,
        form.stop_on_loop,
        form.top,
        form.stop_strings,
        form.preset,
    ]
    restore.click(
        None, models.name, fields, js=f"(model) => Explorer.share.values(model, '{CUSTOM}')"
    ).then(
        guarded(models.start),
        models.name,
        [models.status, models.timer],
        queue=False,
        show_progress="hidden",
        api_name="restore_model",
        api_visibility="private",
    )
