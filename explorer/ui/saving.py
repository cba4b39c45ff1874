"""Files made at a click: a button makes one, and only then is the hidden download pressed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gradio as gr

from explorer.ui.boundary import guarded

Save = Callable[[str], Path]
"""From the tab to the file."""


class SaveEvents:
    """The event behind a save; a method, because Gradio reads a request from a typed argument.

    Args:
        save: makes the file.
    """

    def __init__(self, save: Save) -> None:
        self._save = save

    def file(self, request: gr.Request) -> str:
        """Path of the file."""
        return str(self._save(request.session_hash or ""))


def add_hidden_save(name: str, save: Save) -> None:
    """Lay out a save that the page's script presses: `press("gx-NAME")`.

    Args:
        name: of the save, in ids and addresses.
        save: makes the file.
    """
    button = gr.Button(visible="hidden", elem_id=f"gx-{name}")
    wire_save(name, button, save)


def wire_save(name: str, button: gr.Button, save: Save) -> None:
    """Let a button save.

    A click on a DownloadButton serves what it held before the click: so a plain button makes
    the file, and only then is the hidden one pressed.
    """
    hidden = gr.DownloadButton(visible="hidden", elem_id=f"gx-{name}-file")
    button.click(
        guarded(SaveEvents(save).file),
        outputs=hidden,
        api_name=name.replace("-", "_"),
        api_visibility="private",
        show_progress="hidden",
    ).success(None, js=f"() => document.querySelector('#gx-{name}-file').click()")
