"""Numbers to Plotly figures, within what plotly.js 3.3 and 4.1 both draw.

Backgrounds are transparent and type is a middle grey, so that one figure serves both themes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from explorer.core.units import to_bits
from explorer.render.palette import (
    LANE_COLOURS,
    LANE_DASHES,
    PLOT_GRID,
    PLOT_INK,
    RAMPS,
)

PLOT_HEIGHT = 420
_ROWS = ("entropy", "surprisal")


@dataclass(frozen=True, slots=True)
class LaneSeries:
    """The curves of one lane, in nats.

    Attributes:
        title: the decoding method in words.
        entropy: H(p) a token.
        surprisal: -log p(token) a token.
        pieces: the tokens as shown, for hover labels; may be empty.
    """

    title: str
    entropy: tuple[float, ...]
    surprisal: tuple[float, ...]
    pieces: tuple[str, ...] = ()


_NO_LANE = LaneSeries(title="", entropy=(), surprisal=())


def lane_figure(lanes: Sequence[LaneSeries]) -> go.Figure:
    """Entropy over surprisal of every lane, token by token, in bits, with one x axis."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.08)
    # Two rows of axes also before the first token: the plot keeps its shape.
    for number, lane in enumerate(lanes or [_NO_LANE]):
        for row, quantity in enumerate(_ROWS, start=1):
            figure.add_trace(_curve(number, lane, quantity), row=row, col=1)
    _lay_out(figure)
    return figure


def _curve(number: int, lane: LaneSeries, quantity: str) -> go.Scatter:
    values = lane.entropy if quantity == "entropy" else lane.surprisal
    return go.Scatter(
        x=list(range(len(values))),
        y=[round(to_bits(value), 3) for value in values],
        name=lane.title,
        mode="lines",
        legendgroup=str(number),
        showlegend=quantity == _ROWS[0] and bool(lane.title),
        line={
            "color": LANE_COLOURS[number % len(LANE_COLOURS)],
            "dash": LANE_DASHES[number % len(LANE_DASHES)],
            "width": 1.6,
        },
        hovertemplate=f"%{{y:.2f}} bits<extra>{_plain(lane.title)}</extra>",
    )


def _plain(text: str) -> str:
    """Text inside a Plotly template, where angle brackets and percents are markup."""
    return text.replace("<", "‹").replace(">", "›").replace("%{", "% {")


def _lay_out(figure: go.Figure) -> None:
    figure.update_layout(
        height=PLOT_HEIGHT,
        margin={"l": 56, "r": 16, "t": 44, "b": 44},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": PLOT_INK, "size": 12, "family": "IBM Plex Sans, system-ui, sans-serif"},
        hovermode="x unified",
        hoverlabel={"bgcolor": "rgba(28,31,35,0.92)", "font": {"color": "#FFFFFF", "size": 12}},
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        # One constant: zoom and hidden lanes survive every redraw of a run and the next run.
        uirevision="lanes",
    )
    small = {"size": 12}
    axis = {"gridcolor": PLOT_GRID, "zeroline": False, "tickmode": "auto"}
    figure.update_xaxes(**axis, showgrid=False, rangemode="tozero")
    figure.update_xaxes(title={"text": "token", "font": small}, row=2, col=1)
    for row, quantity in enumerate(_ROWS, start=1):
        figure.update_yaxes(
            **axis,
            title={"text": f"{quantity}, bits", "font": small},
            rangemode="tozero",
            autorangeoptions={"include": [0, RAMPS[quantity].top / 2]},
            row=row,
            col=1,
        )
