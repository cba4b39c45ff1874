"""Every colour, unit, scale and number format of the page; the style sheet is made from here.

Colours are plain hex, so that all versions of the plotting script read them. A ramp runs from
transparent (level 0: a confident token stays uncoloured) over `LEVELS` perceptually even steps.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from explorer.core.units import to_bits

LEVELS = 10


def format_bits(nats: float | None) -> str:
    """An information quantity for people: bits with two decimals."""
    return "–" if nats is None else f"{to_bits(nats):.2f} bits"


def format_percent(probability: float | None) -> str:
    """A probability for people: per cent with one decimal, never a rounded-away zero."""
    if probability is None:
        return "–"
    if 0 < probability < 0.0005:
        return "<0.1%"
    return f"{probability * 100:.1f}%"


def format_count(count: int, noun: str) -> str:
    """A number of things for people.

    >>> format_count(1, "token"), format_count(2048, "token")
    ('1 token', '2,048 tokens')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Pair:
    """One colour in both themes."""

    light: str
    dark: str


@dataclass(frozen=True, slots=True)
class Ramp:
    """A sequential quantity: where its colour starts and ends, and what the end stands for.

    Attributes:
        start: colour of level 1.
        end: colour of level `LEVELS`.
        top: value of the last level (bits, or log2 of a count).
        unit: what `top` counts.
    """

    start: Pair
    end: Pair
    top: float
    unit: str


RAMPS = {
    "surprisal": Ramp(Pair("#FFF3D6", "#2B2413"), Pair("#E08A00", "#F0A830"), 12.0, "bits"),
    "entropy": Ramp(Pair("#E6F0FA", "#13212E"), Pair("#2F7FC1", "#5AA9E6"), 8.0, "bits"),
    "sampling": Ramp(Pair("#FAEAF3", "#2A1724"), Pair("#C2609A", "#DF8DBC"), 12.0, "bits"),
    "support": Ramp(Pair("#E0F3EF", "#10251F"), Pair("#1B9E8A", "#4CC7B0"), 16.0, "log2 tokens"),
}

# Upper ends (inclusive) of the rank bins; rank 0, the likeliest token, stays uncoloured.
RANK_BINS = (10, 100, 1000)
RANK_COLOURS = (
    Pair("#CFE8F7", "#173A50"),
    Pair("#B5E3D3", "#0E4A38"),
    Pair("#F6D58E", "#6B4A00"),
    Pair("#F2B48A", "#7E3600"),
)

# Okabe and Ito's set. Its yellow is darkened to be seen on white, its black is a middle grey to
# be seen on both themes; the dashes tell lanes apart where colour does not.
LANE_COLOURS = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#D55E00",
    "#56B4E9",
    "#A89600",
    "#808080",
)
LANE_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "solid", "dash", "dot")
# The same dashes for SVG strokes, in pixels.
SVG_DASHES = {
    "solid": "",
    "dash": "7 4",
    "dot": "2 3",
    "dashdot": "8 3 2 3",
    "longdash": "13 5",
}

PLOT_INK = "#7A808A"
PLOT_GRID = "rgba(128,128,128,0.22)"
PLOT_CURSOR = "#808080"

# Roles of the page; contrast of every ink on every surface is tested.
ROLES = {
    "page": Pair("#FAFAF9", "#111316"),
    "surface": Pair("#FFFFFF", "#191C20"),
    "sunken": Pair("#F3F3F1", "#15171B"),
    "line": Pair("#E3E3DF", "#2D3137"),
    "line-strong": Pair("#8F949C", "#6C727C"),
    "ink": Pair("#1C1F23", "#ECEDEE"),
    "ink-soft": Pair("#585E67", "#A3A9B3"),
    "ink-faint": Pair("#A5AAB1", "#666C75"),
    "accent": Pair("#4A48C8", "#A5A6FF"),
    "accent-soft": Pair("#ECECFB", "#26264A"),
    "on-accent": Pair("#FFFFFF", "#14143A"),
    "danger": Pair("#B3261E", "#FF8A80"),
    "danger-soft": Pair("#FCEDEB", "#3A1A18"),
    "loop": Pair("#B34700", "#F08A4B"),
    "loop-soft": Pair("#FBEADF", "#37220F"),
    "shadow": Pair("#1C1F2326", "#00000080"),
    "p": Pair("#E08A00", "#F0A830"),
    "q": Pair("#C2609A", "#DF8DBC"),
}

DARK_TEXT = "#0B0C0E"
LIGHT_TEXT = "#FFFFFF"


def channels(colour: str) -> tuple[float, float, float]:
    """Red, green and blue of a hex colour, each in [0, 1]."""
    return (
        int(colour[1:3], 16) / 255,
        int(colour[3:5], 16) / 255,
        int(colour[5:7], 16) / 255,
    )


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _gamma(channel: float) -> float:
    channel = min(1.0, max(0.0, channel))
    return channel * 12.92 if channel <= 0.0031308 else 1.055 * channel ** (1 / 2.4) - 0.055


def contrast(one: str, other: str) -> float:
    """WCAG contrast ratio of two hex colours."""
    weights = (0.2126, 0.7152, 0.0722)
    luminances = sorted(
        sum(w * _linear(c) for w, c in zip(weights, channels(colour), strict=True))
        for colour in (one, other)
    )
    return (luminances[1] + 0.05) / (luminances[0] + 0.05)


def _to_oklab(colour: str) -> tuple[float, float, float]:
    r, g, b = (_linear(c) for c in channels(colour))
    lms = (
        0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b,
        0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b,
        0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b,
    )
    x, y, z = (math.cbrt(v) for v in lms)
    return (
        0.2104542553 * x + 0.7936177850 * y - 0.0040720468 * z,
        1.9779984951 * x - 2.4285922050 * y + 0.4505937099 * z,
        0.0259040371 * x + 0.7827717662 * y - 0.8086757660 * z,
    )


def _from_oklab(lab: tuple[float, float, float]) -> str:
    lightness, a, b = lab
    x = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    y = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    z = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    rgb = (
        4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z,
        -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z,
        -0.0041960863 * x - 0.7034186147 * y + 1.7076147010 * z,
    )
    return "#" + "".join(f"{round(_gamma(c) * 255):02X}" for c in rgb)


def ramp_colours(start: str, end: str) -> tuple[str, ...]:
    """`LEVELS` colours from start to end, evenly spaced in OKLab."""
    first, last = _to_oklab(start), _to_oklab(end)
    steps = (i / (LEVELS - 1) for i in range(LEVELS))
    inner = [
        _from_oklab(
            (
                first[0] + t * (last[0] - first[0]),
                first[1] + t * (last[1] - first[1]),
                first[2] + t * (last[2] - first[2]),
            )
        )
        for t in steps
    ]
    return (start, *inner[1:-1], end)


def text_on(background: str) -> str:
    """The text colour, dark or light, that reads better on a background."""
    return max((DARK_TEXT, LIGHT_TEXT), key=lambda ink: contrast(ink, background))


def _theme_variables(theme: str) -> Iterator[tuple[str, str]]:
    for role, pair in ROLES.items():
        yield role, getattr(pair, theme)
    for name, ramp in RAMPS.items():
        colours = ramp_colours(getattr(ramp.start, theme), getattr(ramp.end, theme))
        for level, colour in enumerate(colours, start=1):
            yield f"{name}-{level}", colour
            yield f"{name}-{level}-ink", text_on(colour)
    for index, pair in enumerate(RANK_COLOURS, start=1):
        colour = getattr(pair, theme)
        yield f"rank-{index}", colour
        yield f"rank-{index}-ink", text_on(colour)


def css_variables() -> str:
    """The custom properties of both themes, as CSS."""
    lanes = "".join(f"--gx-lane-{i}:{c};" for i, c in enumerate(LANE_COLOURS))
    light, dark = (
        "".join(f"--gx-{name}:{value};" for name, value in _theme_variables(theme))
        for theme in ("light", "dark")
    )
    return f":root{{{lanes}{light}}}\n:root.dark,.dark{{{dark}}}\n"


def css_heatmap() -> str:
    """One rule a level and ramp: the class of a token, the colour mode of the stage."""
    rules = []
    for name, level in ((name, level) for name in RAMPS for level in range(1, LEVELS + 1)):
        rules.append(
            f'[data-colour="{name}"] .gx-{name}-{level}'
            f"{{background-color:var(--gx-{name}-{level});color:var(--gx-{name}-{level}-ink)}}"
        )
    for index in range(1, len(RANK_COLOURS) + 1):
        rules.append(
            f'[data-colour="rank"] .gx-rank-{index}'
            f"{{background-color:var(--gx-rank-{index});color:var(--gx-rank-{index}-ink)}}"
        )
    return "\n".join(rules) + "\n"


def script_constants() -> dict[str, object]:
    """What the page's script needs to know of the palette, as JSON-ready values."""
    edges = [0, *RANK_BINS]
    bins = [f"{low + 1:,}–{high:,}" for low, high in pairwise(edges)]
    return {
        "levels": LEVELS,
        "tops": {name: ramp.top for name, ramp in RAMPS.items()},
        "rankBins": list(RANK_BINS),
        "rankLabels": [*bins, f"beyond {edges[-1]:,}"],
        "plotCursor": PLOT_CURSOR,
        "laneColours": list(LANE_COLOURS),
        "laneDashes": [SVG_DASHES[dash] for dash in LANE_DASHES],
    }
