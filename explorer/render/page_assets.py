"""The page's script and styles: files under assets/, joined once a process, palette in front."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from explorer.analyzers import ALL as ANALYZERS
from explorer.decoders.orders import ORDERS, VARIANTS
from explorer.render import palette

ASSETS = Path(__file__).resolve().parents[2] / "assets"

# Joined in this order into one function scope: a file may use what stands in those before it.
SCRIPTS = (
    "format",
    "tree",
    "wire",
    "tokens",
    "sparkline",
    "chart",
    "bounds",
    "quoting",
    "chain",
    "catalog",
    "picker",
    "editor",
    "lane",
    "bars",
    "waterfall",
    "inspector",
    "finds",
    "metrics",
    "toolbar",
    "strip",
    "cursor",
    "stage",
    "explorer",
)
# What the pages beside Compare need; an exported page does without.
PAGE_SCRIPTS = (
    "bridge",
    "latent_colours",
    "latent_view",
    "latent_layers",
    "latent_parts",
    "latent_sample",
    "latent_walk",
    "latent_trip",
    "latent_point",
    "latent_table",
    "latent_page",
    "loops_curves",
    "loops_copies",
    "loops_attention",
    "loops_experiment",
    "loops_graph",
    "loops_board",
    "loops_page",
    "score_page",
    "results",
    "job",
    "labs_page",
    "maps_page",
    "share",
    "traces_page",
    "pages",
)
STYLES = ("base", "lanes", "tokens", "tree", "inspector", "waterfall", "editor", "tables")


def json_for_script(value: object) -> str:
    r"""JSON that may stand inside a script element: it cannot end the element or open a comment.

    >>> json_for_script("</script>")
    '"\\u003c/script>"'
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def metric_columns() -> list[dict[str, str]]:
    """The analyzers as columns of the page's metric table, in the catalogue's order."""
    return [
        {"name": x.name, "title": x.title, "unit": x.unit, "formula": x.formula, "source": x.source}
        for x in ANALYZERS
    ]


def named_orders() -> list[dict[str, object]]:
    """The named orders of stages, for the lane's editor."""
    return [
        {"title": x.title, "stages": x.stages, "others": x.others, "variants": dict(VARIANTS)}
        for x in ORDERS.items()
    ]


@cache
def page_script(*, whole: bool = False) -> str:
    """The script that puts `Explorer` on the window; running it twice changes nothing.

    Args:
        whole: with all pages of the app, and not only the stage.
    """
    names = (*SCRIPTS, *PAGE_SCRIPTS) if whole else SCRIPTS
    parts = [(ASSETS / "js" / f"{name}.js").read_text(encoding="utf-8") for name in names]
    constants = {
        "PALETTE": palette.script_constants(),
        "ANALYZERS": metric_columns(),
        "ORDERS": named_orders(),
    }
    named = [f"const {name} = {json_for_script(value)};" for name, value in constants.items()]
    return "\n".join(
        ["(() => {", '"use strict";', "if (window.Explorer) return;", *named, *parts, "})();"]
    )


@cache
def results_script() -> str:
    """The script that draws results of a lab or a sweep by themselves, as `ExplorerResults`."""
    names = ("format", "results", "sweep_report")
    parts = [(ASSETS / "js" / f"{name}.js").read_text(encoding="utf-8") for name in names]
    palette_line = f"const PALETTE = {json_for_script(palette.script_constants())};"
    given = "window.ExplorerResults = { mount: mountResults, mountSweep };"
    return "\n".join(["(() => {", '"use strict";', palette_line, *parts, given, "})();"])


@cache
def page_styles(*extra: str) -> str:
    """The style sheet of the stage.

    Args:
        extra: further files under assets/css, for the page around the stage.
    """
    names = (*STYLES, *extra)
    parts = [(ASSETS / "css" / f"{name}.css").read_text(encoding="utf-8") for name in names]
    # Nested in one rule, so that each of ours outweighs Gradio's reset of the same element.
    nested = "\n".join([":root {", *parts, palette.css_heatmap(), "}"])
    return palette.css_variables() + nested
