"""Loops against numbers of the authors' code, copied with their source into loops.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from explorer.analyzers.rep_sen import rep_sen

GOLDEN = json.loads((Path(__file__).parent / "loops.json").read_text())


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.startswith("ditto_rep_sen")])
def test_rep_sen(name: str) -> None:
    case = GOLDEN[name]
    expected = case["expected"]["value"]
    assert rep_sen(case["inputs"]["tokens"]) == pytest.approx(expected, abs=case["tolerance"])


def test_rep_sen_of_texts_at_the_edges() -> None:
    assert rep_sen([]) == rep_sen(["a"]) == rep_sen(["."]) == 0
    assert rep_sen([1, 9, 2, 9, 2, 9, 2, 0], full_stop=9) == pytest.approx(2 / 3)
