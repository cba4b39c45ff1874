"""Small pieces of HTML for lines of status; the one place where text is escaped for HTML."""

from __future__ import annotations

import html
from collections.abc import Sequence


def escape(text: str) -> str:
    """Text that HTML shows as it is: no tag, no attribute, no entity of its own.

    >>> escape('<img onerror="x">')
    '&lt;img onerror=&quot;x&quot;&gt;'
    """
    return html.escape(text, quote=True)


def status_ready(summary: str) -> str:
    """A model that can be asked."""
    words = escape(summary)
    return f'<span class="gx-status" data-state="ready" title="{words}">{words}</span>'


def status_loading(what: str, fraction: float | None) -> str:
    """A model on its way, with as much of the way as is known."""
    value = "" if fraction is None else f' value="{min(1.0, max(0.0, fraction)):.3f}"'
    share = "" if fraction is None else f" {fraction:.0%}"
    bar = f'<progress class="gx-meter" max="1"{value} aria-label="Loading"></progress>'
    words = f"<span>{escape(what)}{share}</span>"
    return f'<span class="gx-status" data-state="loading">{bar}{words}</span>'


def status_failed(error: str, hint: str) -> str:
    """A model that cannot be had, and what to do."""
    return (
        '<span class="gx-status" data-state="failed" role="alert">'
        f"<strong>{escape(error)}</strong> {escape(hint)}</span>"
    )


def prompt_facts(facts: Sequence[str], warnings: Sequence[str]) -> str:
    """What the model will make of the prompt, in a line, and what to mind."""
    words = " · ".join(escape(fact) for fact in facts if fact)
    marks = "".join(f'<span class="gx-warning">{escape(text)}</span>' for text in warnings)
    return f'<span class="gx-facts">{words}</span>{marks}'


def run_state(words: str) -> str:
    """How fast a run is."""
    return f'<span class="gx-facts">{escape(words)}</span>'
