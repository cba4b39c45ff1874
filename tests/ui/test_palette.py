"""Colours can be read, agree between Python and CSS, and follow their units."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest

from explorer.core.units import to_bits
from explorer.render import palette
from explorer.render.page_assets import ASSETS, page_styles

THEMES = ("light", "dark")
SHEETS = sorted((ASSETS / "css").glob("*.css"))
SET_BY_SCRIPT = {"--gx-lane", "--gx-share", "--gx-columns", "--gx-law", "--gx-level"}


def variables(theme: str) -> dict[str, str]:
    return dict(palette._theme_variables(theme))


@pytest.mark.parametrize("theme", THEMES)
def test_text_on_every_level_can_be_read(theme: str) -> None:
    colours = variables(theme)
    pairs = [(name.removesuffix("-ink"), ink) for name, ink in colours.items() if "-ink" in name]
    pairs = [(name, ink) for name, ink in pairs if re.search(r"-\d+$", name)]
    assert len(pairs) == palette.LEVELS * len(palette.RAMPS) + len(palette.RANK_COLOURS)
    for name, ink in pairs:
        assert palette.contrast(ink, colours[name]) >= 4.5, name


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("ink", ["ink", "ink-soft", "accent", "danger", "loop"])
def test_every_ink_can_be_read_on_every_surface(theme: str, ink: str) -> None:
    colours = variables(theme)
    for surface in ("page", "surface", "sunken"):
        assert palette.contrast(colours[ink], colours[surface]) >= 4.5, surface


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", list(palette.RAMPS))
def test_ramps_are_even_and_monotone(theme: str, name: str) -> None:
    ramp = palette.RAMPS[name]
    colours = palette.ramp_colours(getattr(ramp.start, theme), getattr(ramp.end, theme))
    lightness = [palette._to_oklab(colour)[0] for colour in colours]
    steps = [later - earlier for earlier, later in pairwise(lightness)]
    assert all(step * steps[0] > 0 for step in steps)
    assert max(steps, key=abs) / min(steps, key=abs) < 1.3


def test_lane_colours_are_seen_on_both_themes() -> None:
    assert len(set(palette.LANE_COLOURS)) == 8
    for colour in palette.LANE_COLOURS:
        assert palette.contrast(colour, variables("dark")["surface"]) >= 3
        assert palette.contrast(colour, variables("light")["surface"]) >= 2.2


def test_lanes_of_like_dash_differ_in_colour_and_the_first_five_in_both() -> None:
    assert len(set(palette.LANE_DASHES[:5])) == 5
    assert len(set(zip(palette.LANE_COLOURS, palette.LANE_DASHES, strict=True))) == 8


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.stem)
def test_style_sheets_name_no_colour_of_their_own(sheet: object) -> None:
    text = sheet.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b(?!\s*[,{>.:])", text)
    assert not re.findall(r"\b(?:rgba?|hsla?|oklch)\(", text)


def test_a_name_means_one_thing() -> None:
    """Pages share one document: a class laid out in two sheets is two things of one name."""
    laid_out: dict[str, set[str]] = {}
    for sheet in SHEETS:
        for name in re.findall(r"^\.(gx-[\w-]+) \{", sheet.read_text("utf-8"), re.MULTILINE):
            laid_out.setdefault(name, set()).add(sheet.stem)
    shared = {name: sheets for name, sheets in laid_out.items() if len(sheets) > 1}
    assert shared.keys() <= {"gx-card"}


def test_every_colour_variable_in_use_is_defined() -> None:
    styles = page_styles("app", "latent", "score", "traces") + page_styles("export")
    script = "".join(p.read_text(encoding="utf-8") for p in (ASSETS / "js").glob("*.js"))
    used = set(re.findall(r"var\((--gx-[\w-]+)", styles)) - SET_BY_SCRIPT
    defined = set(re.findall(r"(--gx-[\w-]+):", styles))
    assert used <= defined
    assert "--gx-lane-${" in script


def test_both_themes_define_the_same_variables() -> None:
    assert variables("light").keys() == variables("dark").keys()


def test_numbers_for_people() -> None:
    assert to_bits(math.log(2)) == pytest.approx(1.0)
    assert palette.format_bits(math.log(8)) == "3.00 bits"
    assert palette.format_bits(None) == "–"
    assert palette.format_percent(0.31) == "31.0%"
    assert palette.format_percent(1e-5) == "<0.1%"
    assert palette.format_percent(0.0) == "0.0%"
    assert palette.format_percent(None) == "–"


def test_the_script_gets_its_scales_from_the_palette() -> None:
    constants = palette.script_constants()
    assert constants["tops"] == {name: ramp.top for name, ramp in palette.RAMPS.items()}
    assert constants["rankLabels"] == ["1–10", "11–100", "101–1,000", "beyond 1,000"]
