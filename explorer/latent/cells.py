"""AriEL's boxes as a map shows them: what a window onto the square holds, as deep as is seen.

A window is given within the box of a prefix, so that no zoom runs out of digits: each time the
window fits into one box of the next token, that box becomes the frame.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidParams
from explorer.latent.ariel import Ariel
from explorer.latent.law import Law

Place = TypeVar("Place", bound=Hashable)
Window = tuple[float, float, float, float]
"""x0, y0, x1, y1 within a box; one that reaches out of it lies partly outside 0 … 1."""

NARROWEST = 1e-9
"""A window must be this wide, as a share of its frame: floats tell no finer."""
WIDEST = 1e6


@dataclass(frozen=True, slots=True)
class Cell:
    """One box, as far as it is seen.

    Attributes:
        token_id: its last token.
        parent: place of the box around it in the list; -1 where that is the frame itself.
        depth: tokens from the start of the sentence.
        is_end: True where the token ends the sentence: the box of one whole sentence.
        x, y, width, height: within the window, 0 … 1; may reach out of it.
        share: its length over that of the box around it, which is the token's probability.
    """

    token_id: int
    parent: int
    depth: int
    is_end: bool
    x: float
    y: float
    width: float
    height: float
    share: float


@dataclass(frozen=True, slots=True)
class CellMap:
    """What a window holds.

    Attributes:
        prefix: tokens of the frame: all that is seen begins so.
        window: the same window, within the frame.
        cells: boxes, every one behind the one around it.
        is_whole: False where a limit was met before all that could be seen was found.
    """

    prefix: tuple[int, ...]
    window: Window
    cells: tuple[Cell, ...]
    is_whole: bool


def cells(
    ariel: Ariel[Place],
    prefix: Sequence[int],
    window: Window,
    *,
    least: float = 0.005,
    most: int = 2500,
    seconds: float = 2.0,
) -> CellMap:
    """The boxes that a window shows, the largest first to be opened.

    Args:
        ariel: of one or two dimensions; of one, boxes are as high as the square.
        prefix: tokens of the frame that `window` is given in.
        window: what is looked at.
        least: boxes narrower or lower than this share of the window are left out.
        most: boxes at most.
        seconds: no box is opened later than this.

    Raises:
        InvalidParams: for more dimensions, a prefix that is none, or no window.
    """
    if ariel.dimensions > 2:
        raise InvalidParams(
            f"Boxes of {ariel.dimensions} dimensions are not drawn.", "Use 1 or 2 dimensions."
        )
    frame, place, window = _framed(ariel, tuple(prefix), _checked(window))
    until = time.monotonic() + seconds
    found: list[Cell] = []
    number = itertools.count()
    x0, y0, x1, y1 = window
    whole = (-x0 / (x1 - x0), -y0 / (y1 - y0), 1 / (x1 - x0), 1 / (y1 - y0))
    # Largest first; the number keeps places, which have no order, from being compared.
    waiting: list[tuple[float, int, int, int, tuple[float, float, float, float], Any]] = [
        (-1.0, next(number), -1, len(frame), whole, place)
    ]
    is_whole = True
    while waiting:
        if len(found) >= most or time.monotonic() > until:
            is_whole = False
            break
        _, _, parent, depth, box, here = heapq.heappop(waiting)
        law = ariel.laws.laws([here])[0]
        for cell in _children(law, parent, depth, box, ariel, least):
            if len(found) >= most:
                is_whole = False
                break
            place_in_list = len(found)
            found.append(cell)
            if not cell.is_end and depth + 1 < ariel.max_tokens:
                inside = (cell.x, cell.y, cell.width, cell.height)
                following = ariel.laws.after(here, cell.token_id)
                entry = (-_seen(cell), next(number), place_in_list, depth + 1, inside, following)
                heapq.heappush(waiting, entry)
    return CellMap(frame, window, tuple(found), is_whole)


def _checked(window: Window) -> Window:
    """A window that floats can tell apart: one too narrow is made wider around its middle."""
    x0, y0, x1, y1 = window
    # NaN is in no range.
    if not (0 < x1 - x0 <= WIDEST and 0 < y1 - y0 <= WIDEST):
        raise InvalidParams(f"{list(window)} is no window onto the map.", "Go back to the whole.")
    if not all(-WIDEST <= edge <= WIDEST for edge in window):
        raise InvalidParams(f"{list(window)} lies far from the map.", "Go back to the whole.")
    scale = max(1.0, NARROWEST / min(x1 - x0, y1 - y0))
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    half_x, half_y = scale * (x1 - x0) / 2, scale * (y1 - y0) / 2
    return x - half_x, y - half_y, x + half_x, y + half_y


def _framed(
    ariel: Ariel[Place], prefix: tuple[int, ...], window: Window
) -> tuple[tuple[int, ...], Place, Window]:
    """The smallest box around the window: its tokens, its place, the window within it."""
    # The cuts, once forward: each knows its share of the box before it.
    cuts = list(ariel.cuts(prefix, ended=False))
    while prefix and not _inside(window, ariel.dimensions):
        cut = cuts.pop()
        prefix = prefix[:-1]
        start, size = cut.below / cut.total, cut.own / cut.total
        window = _along(window, cut.dimension, lambda z, a=start, b=size: a + z * b)
    place = ariel.laws.start
    for token_id in prefix:
        place = ariel.laws.after(place, token_id)
    while len(prefix) < ariel.max_tokens:
        k = len(prefix) % ariel.dimensions
        low = min(1.0, max(0.0, window[k]))
        law = ariel.laws.laws([place])[0]
        where = law.find(int(Fraction(low) * law.total))
        below, own = law.at(where)
        token_id = int(law.ids[where])
        start, size = below / law.total, own / law.total
        fits = start <= window[k] and window[k + 2] <= start + size
        if not fits or token_id == ariel.laws.end_id:
            break
        window = _along(window, k, lambda z, a=start, b=size: (z - a) / b)
        prefix = (*prefix, token_id)
        place = ariel.laws.after(place, token_id)
    return prefix, place, window


def _inside(window: Window, dimensions: int) -> bool:
    return all(window[k] >= 0 and window[k + 2] <= 1 for k in range(dimensions))


def _along(window: Window, k: int, change: Any) -> Window:
    edges = list(window)
    edges[k], edges[k + 2] = change(edges[k]), change(edges[k + 2])
    return edges[0], edges[1], edges[2], edges[3]


def _children(
    law: Law,
    parent: int,
    depth: int,
    box: tuple[float, float, float, float],
    ariel: Ariel[Place],
    least: float,
) -> list[Cell]:
    """Boxes of the next token that can be seen, the largest first."""
    k = depth % ariel.dimensions
    edges = _edges(law)
    starts, sizes = box[k] + edges[:-1] * box[k + 2], np.diff(edges) * box[k + 2]
    seen = np.flatnonzero((sizes >= least) & (starts < 1) & (starts + sizes > 0))
    seen = seen[np.argsort(-sizes[seen], kind="stable")]
    x, y, width, height = box
    made = []
    for i in seen.tolist():
        token_id = int(law.ids[i])
        start, size = float(starts[i]), float(sizes[i])
        rect = (start, y, size, height) if k == 0 else (x, start, width, size)
        made.append(
            Cell(
                token_id, parent, depth + 1, token_id == ariel.laws.end_id, *rect,
                share=size / box[k + 2],
            )
        )  # fmt: skip
    return made


def _edges(law: Law) -> NDArray[np.float64]:
    # Whole numbers of any size: Python divides them right to the last digit.
    total = law.total
    return np.array([int(number) / total for number in law.cumulative], dtype=np.float64)


def _seen(cell: Cell) -> float:
    """The share of the window that a cell covers."""
    width = min(1.0, cell.x + cell.width) - max(0.0, cell.x)
    height = min(1.0, cell.y + cell.height) - max(0.0, cell.y)
    return max(0.0, width) * max(0.0, height)
