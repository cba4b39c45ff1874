"""Links and code on the Compare page: buttons, and what a link puts back into the form."""

from __future__ import annotations

import gradio as gr

from explorer.services.sharing import SharingDesk
from explorer.ui.boundary import guarded
from explorer.ui.bridge import add_bridge
from explorer.ui.model_bar import ModelBar
from explorer.ui.pages.compare_form import CUSTOM, Form

REQUESTS = 16


def add_share_buttons() -> dict[str, gr.Button]:
    """Buttons for a row: what is on the form as a link, or as code; `wire_share` wires them."""
    return {
        name: gr.Button(label, size="sm", elem_id=f"gx-share-{name}", min_width=0, scale=0)
        for name, label in (("link", "copy link"), ("code", "show code"))
    }


def wire_share(desk: SharingDesk, form: Form, models: ModelBar) -> None:
    """The bridge, and the hidden button that the script presses to fill the form from a link.

    Args:
        desk: answers.
        form: is filled.
        models: the model changes with it, where the link names one that is offered.
    """
    add_bridge("share", desk.answer, requests=REQUESTS)
    # Settings that are folded away are not in the document: Gradio hands their values over.
    folded = [form.top, form.loop_period, form.loop_copies, form.loop_tokens, form.stop_strings]
    for name, button in form.shares.items():
        button.click(None, folded, js=f"(...settings) => Explorer.share.with(settings, '{name}')")
    restore = gr.Button(visible="hidden", elem_id="gx-restore")
    fields = [
        models.name,
        form.prompt,
        form.template,
        form.tokens,
        form.seed,
        form.coupled,
        form.stop_on_loop,
        form.loop_period,
        form.loop_copies,
        form.loop_tokens,
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
