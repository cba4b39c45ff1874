"""What an experiment shows: numbers with units and intervals, curves, tables, spans, maps, traces.

Every type carries its units. `as_data` writes any of them as JSON has it, and the page, the
command line and a saved page read that one form (docs/wire.md, "Results").
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from explorer.core.types import Trace

Cell = str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class Scalar:
    """One number.

    Attributes:
        name: what it is, as a person reads it.
        value: the number.
        unit: "nats", "bits", "share", "tokens", "s" or "" (dimensionless).
        low: lower end of its 95 % interval; None where there is none.
        high: upper end.
        n: what the interval was taken over; None where there is none.
        about: one sentence: how it was found.
    """

    name: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    n: int | None = None
    about: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a picture.

    Attributes:
        title: what stands on it.
        unit: of its numbers; "" for none.
        log: drawn by powers of ten.
    """

    title: str
    unit: str = ""
    log: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        name: in the legend.
        x: places.
        y: values, as many.
        low: lower ends of 95 % intervals, as many; () where there are none.
        high: upper ends.
    """

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y) or len(self.low) != len(self.high):
            raise ValueError(f"the curve {self.name!r} has columns of different lengths")
        if self.low and len(self.low) != len(self.y):
            raise ValueError(f"the curve {self.name!r} has an interval for some places only")


@dataclass(frozen=True, slots=True)
class Series:
    """Curves over one axis.

    Attributes:
        name: the picture's title.
        x: horizontal axis.
        y: vertical axis.
        lines: curves, at least one.
        marks: horizontal lines to compare with: (value, what it is).
    """

    name: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    marks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headers.

    Attributes:
        name: title.
        columns: headers.
        rows: cells in the order of the columns.
        units: one a column, as in `Scalar`; () for none anywhere.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.units and len(self.units) != len(self.columns):
            raise ValueError(f"the table {self.name!r} has units for some columns only")
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row of the table {self.name!r} has too many or too few cells")


@dataclass(frozen=True, slots=True)
class Spans:
    """A text in pieces, each with a value that colours it.

    Attributes:
        name: title.
        pieces: in order; joined they are the text.
        values: one a piece; None leaves it uncoloured.
        unit: of the values.
        low: the value of the palest colour.
        high: of the fullest.
    """

    name: str
    pieces: tuple[str, ...]
    values: tuple[float | None, ...]
    unit: str = ""
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if len(self.pieces) != len(self.values):
            raise ValueError(f"{self.name!r} has {len(self.pieces)} pieces, not as many values")


@dataclass(frozen=True, slots=True)
class Points:
    """A scatter of named groups.

    Attributes:
        name: title.
        x: horizontal axis.
        y: vertical axis.
        groups: (name, ((x, y), …)).
        diagonal: the line y = x is drawn: where a calibrated model's points stand.
    """

    name: str
    x: Axis
    y: Axis
    groups: tuple[tuple[str, tuple[tuple[float, float], ...]], ...]
    diagonal: bool = False


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A grid of values.

    Attributes:
        name: title.
        x: horizontal axis.
        y: vertical axis.
        columns: labels along x.
        rows: labels along y, top first.
        values: [rows][columns]; None where there is none.
        unit: of the values.
        low: lower ends of their 95 % intervals, [rows][columns]; () where there are none.
        high: upper ends.
        n: what each was taken over.
    """

    name: str
    x: Axis
    y: Axis
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    unit: str = ""
    low: tuple[tuple[float | None, ...], ...] = ()
    high: tuple[tuple[float | None, ...], ...] = ()
    n: tuple[tuple[int | None, ...], ...] = ()

    def __post_init__(self) -> None:
        grids = [self.values, *(grid for grid in (self.low, self.high, self.n) if grid)]
        shape = {len(row) for grid in grids for row in grid} | {len(self.columns)}
        if {len(grid) for grid in grids} != {len(self.rows)} or len(shape) != 1:
            raise ValueError(f"the map {self.name!r} is no grid of its labels")


@dataclass(frozen=True, slots=True)
class Traces:
    """Continuations that were made, for the stage.

    Attributes:
        name: title.
        traces: of one prompt and model, at most eight.
        names: one a trace; () for their decoders.
    """

    name: str
    traces: tuple[Trace, ...]
    names: tuple[str, ...] = ()


Result = Scalar | Series | Table | Spans | Points | Heatmap | Traces
Kind = Literal["scalar", "series", "table", "spans", "points", "heatmap", "traces"]


def kind_of(result: Result) -> Kind:
    """The type's name in JSON.

    >>> kind_of(Scalar("accuracy", 0.5, "share"))
    'scalar'
    """
    name = type(result).__name__.lower()
    return name  # type: ignore[return-value]  # the classes are named after the kinds


def as_data(result: Result) -> dict[str, Any]:
    """A result as JSON has it, its type in `kind`; no number JSON lacks: inf and NaN are null.

    Traces are told by their decoders, lengths and texts: the traces themselves are saved beside.

    >>> as_data(Scalar("perplexity", float("inf")))["value"] is None
    True
    """
    if isinstance(result, Traces):
        told = [
            {"decoder": t.decoder, "tokens": len(t.steps), "text": t.text} for t in result.traces
        ]
        return {
            "kind": "traces",
            "name": result.name,
            "names": list(result.names),
            "traces": told,
        }
    data = {field.name: _plain(getattr(result, field.name)) for field in fields(result)}
    return {"kind": kind_of(result), **data}


def _plain(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
