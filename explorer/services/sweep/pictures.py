"""Pictures of a sweep: any metric over any parameter, and maps over two."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from explorer.core.intervals import Figure
from explorer.core.results import Axis, Cell, Heatmap, Line, Series, Table
from explorer.core.types import ParamValue
from explorer.decoders.spec import format_value
from explorer.services.sweep.summary import Group, Summary, title_of, unit_of

MODEL, DECODER = "model", "decoder"


@dataclass(frozen=True, slots=True)
class Picture:
    """One metric over one parameter, or over two.

    Attributes:
        metric: its title.
        over: the parameter, or both.
        result: curves for one, a map for two.
    """

    metric: str
    over: str
    result: Series | Heatmap


def pictures(summary: Summary) -> tuple[Picture, ...]:
    """Every metric over every parameter that was varied, over every pair, and by model."""
    varied = _varied(summary.groups)
    pairs = [
        (one, other)
        for one, other in itertools.combinations(varied, 2)
        if any(_holds(group, one, other) for group in summary.groups)
    ]
    found: list[Picture] = []
    for metric in summary.metrics:
        title = title_of(metric)
        for key in varied:
            if (curves := _curves(summary.groups, metric, key)) is not None:
                found.append(Picture(title, key, curves))
        for one, other in pairs:
            found += _maps(summary.groups, metric, one, other)
        if len({group.model for group in summary.groups}) > 1:
            grid = _grid(title, (Axis(MODEL), Axis(DECODER)), metric, _by_model(summary.groups))
            found.append(Picture(title, MODEL, grid))
    return tuple(found)


def summary_table(summary: Summary) -> Table:
    """One row a model and decoder; every metric with its interval in words."""
    columns = [MODEL, DECODER, "runs", "prompts", "failed"]
    units = [""] * 5
    for metric in summary.metrics:
        columns += [title_of(metric), "95 % from", "to", "n"]
        units += [unit_of(metric)] * 3 + [""]
    rows = []
    for group in summary.groups:
        row: list[Cell] = [group.model, group.decoder, group.runs, group.prompts, group.failed]
        for metric in summary.metrics:
            figure = group.figures[metric]
            row += [None] * 4 if figure is None else _cells(figure)
        rows.append(tuple(row))
    return Table("All figures", tuple(columns), tuple(rows), tuple(units))


def _cells(figure: Figure) -> list[Cell]:
    return [figure.value, figure.low, figure.high, figure.n]


def _varied(groups: Iterable[Group]) -> list[str]:
    """Parameters with several values within one method, in order."""
    values: dict[tuple[str, str], set[ParamValue]] = {}
    for group in groups:
        for key, value in group.params.items():
            values.setdefault((group.method, key), set()).add(value)
    return list(dict.fromkeys(key for (_, key), seen in values.items() if len(seen) > 1))


def _holds(group: Group, *keys: str) -> bool:
    return all(key in group.params for key in keys)


def _others(group: Group, groups: Sequence[Group], shown: Sequence[str]) -> str:
    """What a curve or map is of, beside what it is drawn over."""
    varied = _varied([g for g in groups if g.method == group.method])
    fixed = [f"{k}={format_value(group.params[k])}" for k in varied if k not in shown]
    several = len({g.model for g in groups}) > 1
    return ", ".join([*([group.model] if several else []), group.method, *fixed])


def _number(value: ParamValue) -> float | None:
    return None if isinstance(value, (bool, str)) else float(value)


def _curves(groups: Sequence[Group], metric: str, key: str) -> Series | None:
    points: dict[str, list[tuple[float, Figure]]] = {}
    for group in groups:
        figure, place = group.figures[metric], _number(group.params.get(key, ""))
        if figure is not None and place is not None:
            points.setdefault(_others(group, groups, [key]), []).append((place, figure))
    lines = tuple(
        _line(name, sorted(found, key=lambda point: point[0]))
        for name, found in points.items()
        if len(found) > 1
    )
    if not lines:
        return None
    title = title_of(metric)
    return Series(f"{title} over {key}", Axis(key), Axis(title, unit_of(metric)), lines)


def _line(name: str, found: Sequence[tuple[float, Figure]]) -> Line:
    figures = [figure for _, figure in found]
    return Line(
        name,
        tuple(place for place, _ in found),
        tuple(figure.value for figure in figures),
        tuple(figure.low for figure in figures),
        tuple(figure.high for figure in figures),
    )


Places = Sequence[tuple[str, str, Group]]
"""(column, row, what stands there)."""


def _maps(groups: Sequence[Group], metric: str, one: str, other: str) -> Iterator[Picture]:
    """A map a model and values of all other parameters."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        if _holds(group, one, other):
            found.setdefault(_others(group, groups, [one, other]), []).append(group)
    for name, own in found.items():
        if len(_varied(own)) < 2:
            continue
        ordered = sorted(own, key=_order(one))
        rows = sorted(own, key=_order(other))
        columns = list(dict.fromkeys(format_value(g.params[one]) for g in ordered))
        places = [(format_value(g.params[one]), format_value(g.params[other]), g) for g in rows]
        title = f"{title_of(metric)}: {name}"
        over = f"{one} x {other}" if len(found) == 1 else f"{one} x {other} ({name})"
        grid = _grid(title, (Axis(one), Axis(other)), metric, places, columns)
        yield Picture(title_of(metric), over, grid)


def _order(key: str) -> Callable[[Group], tuple[float, str]]:
    def place(group: Group) -> tuple[float, str]:
        value = group.params[key]
        number = _number(value)
        return (0.0, str(value)) if number is None else (number, "")

    return place


def _by_model(groups: Sequence[Group]) -> Places:
    return [(group.model, group.decoder, group) for group in groups]


def _grid(
    title: str,
    axes: tuple[Axis, Axis],
    metric: str,
    places: Places,
    columns: Sequence[str] | None = None,
) -> Heatmap:
    columns = columns or list(dict.fromkeys(column for column, _, _ in places))
    rows = list(dict.fromkeys(row for _, row, _ in places))
    figures = {(row, column): group.figures[metric] for column, row, group in places}
    table = [[figures.get((row, column)) for column in columns] for row in rows]

    def grid(name: str) -> tuple[tuple[float | None, ...], ...]:
        return tuple(tuple(None if f is None else getattr(f, name) for f in row) for row in table)

    return Heatmap(
        title,
        *axes,
        tuple(columns),
        tuple(rows),
        grid("value"),
        unit_of(metric),
        low=grid("low"),
        high=grid("high"),
        n=tuple(tuple(None if f is None else f.n for f in row) for row in table),
    )
