"""What the map shows: boxes of AriEL, or a plane of any space decoded on a grid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from explorer.core.errors import InvalidParams
from explorer.latent.cells import Window, cells
from explorer.latent.language import LANGUAGES
from explorer.latent.planes import Floats, Plane, along_axes, beside, principal, through
from explorer.latent.space import ArielSpace, Space
from explorer.services import checks
from explorer.services.asked import numbers, text, whole
from explorer.services.latent.tongues import TONGUES
from explorer.services.latent.worlds import Ref, facts, open_space, ref_of, verdict

MOST_PATCHES = 10_000
MOST_MODEL_PATCHES = 100
"""Of a model: each costs it a forward a token."""
LEAST_CELL_PX = 4.0
MARGIN = 0.06


def map_cells(asked: Mapping[str, Any]) -> dict[str, Any]:
    """AriEL's boxes in a window; see docs/wire.md, "latent: cells".

    Raises:
        InvalidParams: for a space without boxes, or a question that is none.
    """
    ref = ref_of(asked)
    space = open_space(ref)
    if not isinstance(space, ArielSpace):
        raise InvalidParams(f"{space.title} has no boxes.", "Its map is decoded on a grid.")
    prefix = prefix_of(asked)
    x0, y0, x1, y1 = numbers(asked.get("window"), "window", 4)
    pixels = whole(asked, "pixels", 50, 4000)
    found = cells(space.ariel, prefix, (x0, y0, x1, y1), least=LEAST_CELL_PX / pixels)
    names = space.words.by_id
    return {
        "prefix": list(found.prefix),
        "prefix_words": list(space.words.words(found.prefix)),
        "window": list(found.window),
        "box": _frame(space, found.prefix),
        "whole": found.is_whole,
        "cells": [
            [
                names[c.token_id], c.parent, c.depth, int(c.is_end),
                round(c.x, 5), round(c.y, 5), round(c.width, 5), round(c.height, 5), c.token_id,
            ]
            for c in found.cells
        ],
    }  # fmt: skip


def prefix_of(asked: Mapping[str, Any]) -> list[int]:
    """The tokens of a frame, as a question names them.

    Raises:
        InvalidParams: for anything else.
    """
    prefix = asked.get("prefix")
    if not isinstance(prefix, list) or not all(
        isinstance(i, int) and not isinstance(i, bool) for i in prefix
    ):
        raise InvalidParams(f"'prefix' is {checks.shown(prefix)}.", "Give a list of word numbers.")
    return list(prefix)


def _frame(space: ArielSpace[Any], prefix: tuple[int, ...]) -> dict[str, list[float]]:
    """The box of a frame in the numbers of the space; a missing second axis is all of it."""
    box = space.ariel.box(prefix, ended=False)
    low, width = [float(x) for x in box.low], [float(x) for x in box.width]
    missing = 2 - len(low)
    return {"low": low + [0.0] * missing, "width": width + [1.0] * missing}


def map_patches(asked: Mapping[str, Any], sampled: Floats | None) -> dict[str, Any]:
    """A plane of a space, decoded on a grid; see docs/wire.md, "latent: patches".

    Args:
        asked: the question.
        sampled: points of the page's latest sample in this space, [n, d].

    Raises:
        InvalidParams: for a question that is none, or a plane that cannot be.
    """
    ref = ref_of(asked)
    space = open_space(ref)
    plane, window, about = plane_of(space, ref, asked.get("plane"), sampled)
    if asked.get("window") is not None:
        x0, y0, x1, y1 = numbers(asked["window"], "window", 4)
        window = (x0, y0, x1, y1)
    columns, rows = whole(asked, "columns", 1, 200), whole(asked, "rows", 1, 200)
    most = MOST_PATCHES if ref.language in LANGUAGES else MOST_MODEL_PATCHES
    if columns * rows > most:
        raise InvalidParams(f"{columns} x {rows} patches are too many.", f"At most {most}.")
    places = grid(window, columns, rows)
    points = plane.points(places)
    inside = held(space, points)
    found = space.decode(points[inside])
    sentences: dict[tuple[tuple[str, ...], bool], int] = {}
    index = np.full(len(points), -1, dtype=np.int64)
    index[inside] = [
        sentences.setdefault((reading.words, reading.ended), len(sentences)) for reading in found
    ]
    return {
        "window": list(window),
        "about": about,
        "columns": columns,
        "rows": rows,
        "index": index.tolist(),
        "sentences": [facts(ref.language, words, ended) for words, ended in sentences],
    }


def grid(window: Window, columns: int, rows: int) -> Floats:
    """Middles of the cells of a grid, row by row from below: [columns * rows, 2]."""
    x0, y0, x1, y1 = window
    xs = x0 + (np.arange(columns) + 0.5) * (x1 - x0) / columns
    ys = y0 + (np.arange(rows) + 0.5) * (y1 - y0) / rows
    across, up = np.meshgrid(xs, ys)
    return np.stack([across.ravel(), up.ravel()], axis=1)


def held(space: Space, points: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which points the space has: AriEL's is a cube, the others have no edge. [n]."""
    if not isinstance(space, ArielSpace):
        return np.ones(len(points), dtype=bool)
    return np.asarray(((points >= 0) & (points <= 1)).all(axis=1))


def plane_of(
    space: Space, ref: Ref, wanted: Any, sampled: Floats | None
) -> tuple[Plane, Window, str]:
    """A plane as the page names it, the window that shows it whole, and a word on it.

    Args:
        space: the space.
        ref: its name.
        wanted: {"kind": "axes", "axes": [i, j]} counted from 0 (None is the first two),
            {"kind": "pca"}, {"kind": "through", "texts": [a, b, c]} or
            {"kind": "way", "texts": [a, b]}.
        sampled: points that "pca" is taken of.

    Raises:
        InvalidParams: for anything else, or a plane that cannot be.
    """
    wanted = {"kind": "axes"} if wanted is None else wanted
    kind = wanted.get("kind") if isinstance(wanted, Mapping) else None
    if kind == "axes":
        return _axes(space, wanted.get("axes", [0, 1]))
    if kind == "pca":
        if sampled is None:
            raise InvalidParams("There is no sample to take the main plane of.", "Sample first.")
        plane = principal(sampled)
        return plane, around(plane.places(sampled)), "plane in which the sample differs most (PCA)"
    if kind == "through":
        corners = encoded(space, ref, texts(wanted.get("texts"), 3))
        plane = through(corners)
        return plane, around(plane.places(corners), 0.5), "plane through the three sentences"
    if kind == "way":
        ends = encoded(space, ref, texts(wanted.get("texts"), 2))
        plane = beside(ends, (space.low + space.high) / 2)
        about = "plane through A, B and the middle of the space"
        return plane, around(plane.places(ends), 0.5), about
    raise InvalidParams(f"{checks.shown(kind)} is no plane.", "Use axes, pca, through or way.")


def texts(value: Any, count: int) -> list[str]:
    """So many typed sentences of a question.

    Raises:
        InvalidParams: for anything else.
    """
    if not isinstance(value, list) or len(value) != count:
        raise InvalidParams(f"{count} sentences are needed.", "Write them all.")
    return [text({"sentence": typed}, "sentence") for typed in value]


def encoded(space: Space, ref: Ref, typed: list[str]) -> Floats:
    """Points of typed sentences [n, d].

    Raises:
        InvalidParams: naming the sentence and its word.
    """
    points = []
    for number, sentence in enumerate(typed, 1):
        try:
            points.append(encode(space, ref, TONGUES.language(ref.language).split(sentence)))
        except InvalidParams as error:
            which = f"Sentence {number}: " if len(typed) > 1 else ""
            raise InvalidParams(f"{which}{error.message}", error.hint) from error
    return np.stack(points)


def encode(space: Space, ref: Ref, words: tuple[str, ...]) -> Floats:
    """The point of a sentence [d].

    Raises:
        InvalidParams: where it has none; in the judge's words, who knows better what is wrong.
    """
    try:
        point: Floats = space.encode([words])[0]
    except InvalidParams as error:
        judged = verdict(ref.language, words)
        if judged is None or judged.valid:
            raise
        raise InvalidParams(judged.reason, "Write a sentence of the language.") from error
    return point


def _axes(space: Space, axes: Any) -> tuple[Plane, Window, str]:
    if space.dimensions == 1:
        # One line, drawn as high as the map.
        plane = Plane(np.zeros(1), np.ones(1), np.zeros(1))
        return plane, (float(space.low[0]), 0.0, float(space.high[0]), 1.0), "the only axis"
    fits = isinstance(axes, list) and len(axes) == 2
    if not fits or not all(isinstance(a, int) and not isinstance(a, bool) for a in axes):
        raise InvalidParams(f"'axes' is {checks.shown(axes)}.", "Name two axes.")
    first, second = axes
    plane = along_axes(space.dimensions, first, second, (space.low + space.high) / 2)
    window = tuple(float(x) for x in (*space.low[axes], *space.high[axes]))
    rest = "" if space.dimensions == 2 else ", all others in the middle"
    assert len(window) == 4
    return plane, window, f"axes {first + 1} and {second + 1}{rest}"


def around(places: Floats, margin: float = MARGIN) -> Window:
    """The smallest square-ish window with some air around places [n, 2]."""
    low, high = places.min(axis=0), places.max(axis=0)
    size = float(max(*(high - low), 1e-6)) * (1 + 2 * margin)
    x, y = (low + high) / 2
    return float(x - size / 2), float(y - size / 2), float(x + size / 2), float(y + size / 2)
