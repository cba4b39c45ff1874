"""The stage as a Gradio component: a constant skeleton, a string, and our own script.

A plain `gr.HTML`, not a subclass: Gradio writes a stub file beside every module that holds one.
"""

from __future__ import annotations

import json
import uuid

import gradio as gr

from explorer.render.export_html import embed_ndjson
from explorer.render.page_assets import json_for_script, page_script

# Constant: model text never passes through a template, which Gradio would evaluate as code.
_SKELETON = '<div class="gx-root"></div>'

_ON_LOAD = """\
Explorer.mountGradio(element, {
  watch,
  props,
  trigger,
  onToken: (detail) => trigger("token_click", detail),
  config: %s,
});
"""


def make_stage(catalog: list[dict[str, object]], specs: list[str], elem_id: str) -> gr.HTML:
    """Lanes, inspector and metric table; the value is the run's NDJSON (docs/wire.md).

    Args:
        catalog: decoding methods with their parameters, for the editor.
        specs: the lanes the page opens with.
        elem_id: id of the element.
    """
    return gr.HTML(
        value="",
        html_template=_SKELETON,
        js_on_load=_ON_LOAD % json_for_script({"catalog": catalog, "specs": specs}),
        head=f"<script>{page_script(whole=True)}</script>",
        apply_default_css=False,
        elem_id=elem_id,
    )


class StageParts:
    """A run's growing text as values of the stage that stay small.

    Gradio compares whole values in the browser at every update: past a megabyte that would
    freeze the page. So a long run is sent as its latest lines, each value beginning with how many
    stand before it; values overlap by at least `OVERLAP` characters, and the last one is whole.
    """

    OVERLAP = 150_000

    def __init__(self) -> None:
        self._run = uuid.uuid4().hex[:12]
        self._text = ""
        self._start = 0
        self._lines_before = 0

    @property
    def is_partial(self) -> bool:
        """True where the latest value did not hold the whole run."""
        return self._start > 0

    def next(self, text: str) -> str:
        """The value that shows `text`, which continues the text before it; "" for none."""
        if not text:
            return ""
        self._text = text
        if len(text) - self._start > 2 * self.OVERLAP:
            start = text.rfind("\n", self._start, len(text) - self.OVERLAP) + 1
            self._lines_before += text.count("\n", self._start, start)
            self._start = max(start, self._start)
        return self._value(self._start, self._lines_before)

    def whole(self) -> str:
        """The value that holds everything: a page that lost a part is complete again."""
        return self._value(0, 0)

    def _value(self, start: int, lines_before: int) -> str:
        head = json.dumps({"part": self._run, "from": lines_before}, separators=(",", ":"))
        # Escaped for Gradio, which takes a "<script" in a value for a mistake.
        return f"{head}\n{embed_ndjson(self._text[start:])}"
