"""A run as one HTML file that opens anywhere: the same script, the same lines, no network."""

from __future__ import annotations

import html
import json
from string import Template

from explorer.render.page_assets import page_script, page_styles

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:">
<title>$title</title>
<link rel="icon" href="data:,">
<style>$styles</style>
</head>
<body>
<main class="gx-page">
<header class="gx-page-head">
<h1>Generation Explorer</h1>
<p data-gx-facts></p>
<button class="gx-button" type="button" data-gx-theme>Light / dark</button>
</header>
<div id="gx-root"></div>
</main>
<script type="application/x-ndjson">$ndjson</script>
<script>$script</script>
<script>Explorer.mountPage(document.getElementById("gx-root"));</script>
</body>
</html>
""")

_TITLE_LENGTH = 60


def embed_ndjson(ndjson: str) -> str:
    r"""NDJSON that may stand inside a script element.

    A "<" occurs in JSON only inside strings, where its escape means the same.

    >>> embed_ndjson('{"x":"</script><!--"}')
    '{"x":"\\u003c/script>\\u003c!--"}'
    """
    return ndjson.replace("<", "\\u003c")


def _title(ndjson: str) -> str:
    header = json.loads(ndjson.split("\n", 1)[0] or "{}")
    prompt = " ".join(str((header.get("prompt") or {}).get("text", "")).split())
    if len(prompt) > _TITLE_LENGTH:
        prompt = prompt[: _TITLE_LENGTH - 1] + "…"
    return f"{prompt} – Generation Explorer" if prompt else "Generation Explorer"


def export_page(ndjson: str) -> str:
    """The whole run as a page: read-only, both themes, no request to anywhere.

    Args:
        ndjson: the wire's lines (docs/wire.md), header first.
    """
    return _PAGE.substitute(
        title=html.escape(_title(ndjson)),
        styles=page_styles("export"),
        ndjson=embed_ndjson(ndjson),
        script=page_script(),
    )
