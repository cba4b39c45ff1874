"""Boxes as a map shows them, against the boxes of AriEL itself."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from explorer.core.errors import InvalidParams
from explorer.latent.ariel import Ariel
from explorer.latent.cells import NARROWEST, CellMap, cells
from explorer.latent.laws import FunctionLaws

END, A, B = 0, 1, 2
WHOLE = (0.0, 0.0, 1.0, 1.0)


def small(dimensions: int = 2) -> Ariel[tuple[int, ...]]:
    """After three words the end is certain; before, a is twice as likely as b or the end."""
    laws = FunctionLaws(lambda h: {END: 1} if len(h) == 3 else {END: 1, A: 2, B: 1}, 3)
    return Ariel(laws, dimensions)


def path(found: CellMap, place: int) -> list[int]:
    """Tokens of a cell, from the start of the sentence."""
    tokens: list[int] = []
    while place >= 0:
        tokens.insert(0, found.cells[place].token_id)
        place = found.cells[place].parent
    return [*found.prefix, *tokens]


@pytest.mark.parametrize("dimensions", [1, 2])
def test_every_cell_is_the_box_of_its_words(dimensions: int) -> None:
    ariel = small(dimensions)
    found = cells(ariel, (), WHOLE, least=0)
    assert found.is_whole
    assert len(found.cells) == 3 + 2 * 3 + 4 * 3 + 8
    for place, cell in enumerate(found.cells):
        tokens = path(found, place)
        ended = cell.is_end
        box = ariel.box(tokens[:-1] if ended else tokens, ended=ended)
        lows, widths = [*box.low, 0][:2], [*box.width, 1][:2]
        assert (cell.x, cell.y) == pytest.approx([float(x) for x in lows])
        assert (cell.width, cell.height) == pytest.approx([float(x) for x in widths])
        assert cell.depth == len(tokens)


def test_sentences_fill_the_square() -> None:
    found = cells(small(), (), WHOLE, least=0)
    area = sum(cell.width * cell.height for cell in found.cells if cell.is_end)
    assert area == pytest.approx(1)


def test_small_boxes_are_left_out_and_all_that_lies_in_them() -> None:
    found = cells(small(), (), WHOLE, least=0.3)
    assert {cell.token_id for cell in found.cells if cell.depth == 1} == {A}
    assert all(min(cell.width, cell.height) >= 0.3 for cell in found.cells)


def test_a_window_inside_a_box_is_told_within_it_and_told_back() -> None:
    ariel = small()
    box = ariel.box((A, B), ended=False)
    sides = list(zip(box.low, box.width, strict=True))
    x0, y0 = (float(low + Fraction(1, 4) * width) for low, width in sides)
    x1, y1 = (float(low + Fraction(1, 2) * width) for low, width in sides)
    found = cells(ariel, (), (x0, y0, x1, y1))
    assert found.prefix[:2] == (A, B)
    # Zooming out from there leads to the whole again, in the numbers of the whole.
    back = cells(ariel, found.prefix, (-30.0, -30.0, 30.0 + 1, 30.0 + 1))
    assert back.prefix == ()
    assert found.window != back.window


def test_the_same_zoom_step_by_step_and_at_once() -> None:
    ariel = small()
    at_once = cells(ariel, (), (0.26, 0.3, 0.27, 0.31))
    prefix, window = (), WHOLE
    for share in (0.5, 0.1, 0.01):
        frame = ariel.box(prefix, ended=False)
        middle = (0.265, 0.305)
        x, y = (
            (m - float(low)) / float(width)
            for m, low, width in zip(middle, frame.low, frame.width, strict=True)
        )
        half = [share / 2 / float(width) for width in frame.width]
        found = cells(ariel, prefix, (x - half[0], y - half[1], x + half[0], y + half[1]))
        prefix, window = found.prefix, found.window
    assert prefix == at_once.prefix
    assert window == pytest.approx(at_once.window, abs=1e-9)


def test_a_window_too_narrow_for_floats_is_made_wider() -> None:
    found = cells(small(), (), (0.5, 0.5, 0.5 + 1e-15, 0.5 + 1e-15))
    assert found.window[2] - found.window[0] >= NARROWEST * 0.99


@pytest.mark.parametrize(
    "window",
    [(0, 0, 0, 1), (1, 0, 0, 1), (math.nan, 0, 1, 1), (0, 0, math.inf, 1), (9e6, 0, 9e6 + 1, 1)],
)
def test_what_is_no_window_is_refused(window) -> None:
    with pytest.raises(InvalidParams, match=r"window|lies far"):
        cells(small(), (), window)


def test_three_dimensions_have_no_map_of_boxes() -> None:
    with pytest.raises(InvalidParams, match="3 dimensions"):
        cells(small(3), (), WHOLE)


def test_limits_are_said() -> None:
    assert not cells(small(), (), WHOLE, least=0, most=5).is_whole
    assert len(cells(small(), (), WHOLE, least=0, most=5).cells) == 5
    assert not cells(small(), (), WHOLE, least=0, seconds=-1).is_whole
