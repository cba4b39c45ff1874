"""Figures, fragments and the exported page."""

from __future__ import annotations

import json
import math
import re

import pytest

from explorer.analyzers import ALL as ANALYZERS
from explorer.render.export_html import embed_ndjson, export_page
from explorer.render.figures import LaneSeries, lane_figure
from explorer.render.fragments import escape, prompt_facts, status_failed, status_loading
from explorer.render.page_assets import ASSETS, json_for_script, metric_columns, page_script
from explorer.render.palette import LANE_COLOURS
from ui.canned import HOSTILE, Canned, whole

EVIL = "</script><img src=x onerror=alert(1)>${x}{{y}}<!--"


def series(number: int) -> list[LaneSeries]:
    return [
        LaneSeries(title=f"lane {i}", entropy=(math.log(2), 0.0), surprisal=(0.5, math.log(4)))
        for i in range(number)
    ]


def test_a_figure_has_two_rows_of_bits_for_every_lane() -> None:
    figure = lane_figure(series(8))
    assert len(figure.data) == 16
    assert figure.data[0].y == (1.0, 0.0)
    assert figure.data[1].y == (0.721, 2.0)
    assert [trace.line.color for trace in figure.data[::2]] == list(LANE_COLOURS)
    assert figure.layout.yaxis.title.text == "entropy, bits"
    assert figure.layout.yaxis2.title.text == "surprisal, bits"


def test_zoom_survives_a_redraw_and_themes_show_through() -> None:
    first, second = lane_figure(series(1)), lane_figure(series(2))
    assert first.layout.uirevision == second.layout.uirevision
    assert first.layout.paper_bgcolor == first.layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_an_empty_figure_keeps_its_shape() -> None:
    empty, full = lane_figure([]), lane_figure(series(1))
    assert empty.layout.height == full.layout.height
    assert len(empty.data) == 2


def test_a_title_cannot_become_markup_in_a_hover_label() -> None:
    figure = lane_figure([LaneSeries("<b>%{y}", (0.1,), (0.1,))])
    assert "<b>" not in figure.data[0].hovertemplate.replace("<extra>", "")


@pytest.mark.parametrize(
    "build", [escape, lambda x: prompt_facts([x], [x]), lambda x: status_failed(x, x)]
)
def test_text_stays_text(build: object) -> None:
    html = build(EVIL)  # type: ignore[operator]
    assert "<img" not in html
    assert "<script" not in html.lower()


def test_loading_shows_how_far() -> None:
    assert "42%" in status_loading("Reading weights", 0.42)
    assert 'value="0.420"' in status_loading("Reading weights", 0.42)
    assert "value=" not in status_loading("Looking", None)


def test_json_in_a_script_cannot_end_it() -> None:
    text = json_for_script({"x": EVIL})
    assert "</script" not in text
    assert "<!--" not in text
    assert json.loads(text) == {"x": EVIL}


def test_an_exported_page_holds_the_run_and_asks_nobody() -> None:
    ndjson = whole(Canned(pieces=HOSTILE, prompt=EVIL, tokens=30))
    page = export_page(ndjson)
    block = re.search(r'<script type="application/x-ndjson">(.*?)</script>', page, re.DOTALL)
    assert block
    lines = [json.loads(entry) for entry in block.group(1).splitlines() if entry]
    assert lines == [json.loads(entry) for entry in ndjson.splitlines()]
    outside = page.replace("http://www.w3.org/2000/svg", "")
    assert not re.findall(r"https?://", outside.replace(block.group(1), ""))
    assert "<img" not in page.replace(block.group(1), "")
    assert "default-src 'none'" in page


def test_an_exported_page_of_the_largest_run_is_small_enough() -> None:
    specs = tuple(f"nucleus:p=0.9{i}" for i in range(8))
    assert len(export_page(whole(Canned(specs=specs, tokens=512))).encode()) < 3_000_000


def test_embedding_is_idempotent_and_reversible() -> None:
    once = embed_ndjson(json.dumps({"x": EVIL}))
    assert embed_ndjson(once) == once
    assert json.loads(once) == {"x": EVIL}


def test_an_empty_run_still_makes_a_page() -> None:
    assert "<title>Generation Explorer</title>" in export_page("")


def test_the_script_never_writes_markup() -> None:
    script = page_script()
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\("
    assert not re.findall(forbidden, script)
    assert "</script" not in script


def test_every_metric_of_the_catalogue_is_a_column_of_the_page() -> None:
    columns = metric_columns()
    assert [column["name"] for column in columns] == [info.name for info in ANALYZERS]
    assert json_for_script(columns) in page_script()
    # The script has no list of its own that could fall behind.
    assert "rep_2" not in (ASSETS / "js" / "metrics.js").read_text()
