"""Results as one HTML file that opens anywhere: the page's own drawings, no network."""

from __future__ import annotations

import html
from collections.abc import Mapping
from string import Template
from typing import Any

from explorer.render.page_assets import json_for_script, page_styles, results_script

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:">
<title>$title</title>
<link rel="icon" href="data:,">
<style>$styles</style>
</head>
<body>
<main class="gx-page">
<header class="gx-page-head"><h1>$title</h1></header>
<div id="gx-root"></div>
</main>
<script>$script</script>
<script>ExplorerResults.$mount(document.getElementById("gx-root"), $data);</script>
</body>
</html>
""")


def results_page(data: Mapping[str, Any]) -> str:
    """The page of one run.

    Args:
        data: as `explorer.services.labs.running.LabRun.as_data` gives it.
    """
    return _page("mount", data)


def sweep_page(data: Mapping[str, Any]) -> str:
    """The page of a sweep: its table, and any metric over any parameter.

    Args:
        data: `title`, `said` (sentences), `table` (a result) and `pictures`, each with `metric`,
            `over` and `result`.
    """
    return _page("mountSweep", data)


def _page(mount: str, data: Mapping[str, Any]) -> str:
    return _PAGE.substitute(
        title=html.escape(str(data.get("title", "Results"))),
        styles=page_styles("export", "results"),
        script=results_script(),
        mount=mount,
        data=json_for_script(data),
    )
