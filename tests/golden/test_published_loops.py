"""Loops against numbers of the authors' code, copied with their source to published_loops.json."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from explorer.analyzers.rep_sen import rep_sen
from explorer.core.repeated_copies import Unit
from explorer.services.loading import load_model
from explorer.services.loops.self_reinforcement import curve, self_reinforcement

GOLDEN = json.loads((Path(__file__).parent / "published_loops.json").read_text())


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.startswith("ditto_rep_sen")])
def test_rep_sen(name: str) -> None:
    case = GOLDEN[name]
    expected = case["expected"]["value"]
    assert rep_sen(case["inputs"]["tokens"]) == pytest.approx(expected, abs=case["tolerance"])


def test_rep_sen_of_texts_at_the_edges() -> None:
    assert rep_sen([]) == rep_sen(["a"]) == rep_sen(["."]) == 0
    assert rep_sen([1, 9, 2, 9, 2, 9, 2, 0], full_stop=9) == pytest.approx(2 / 3)


def test_tp_ip_and_wr() -> None:
    """The synthetic rule of the golden: p(j,n) = f + (1-f) * 0.8 * (1 - exp(-n/4))."""
    case = GOLDEN["ditto_tp_ip_wr"]
    first = case["inputs"]["first"]

    def p(j: int, n: int) -> float:
        if j == 2 and n % 2:
            return first[j] / 2
        return first[j] + (1 - first[j]) * 0.8 * (1 - math.exp(-n / 4))

    rows = tuple(tuple(p(j, n) for j in range(3)) for n in range(case["inputs"]["n_rep"]))
    unit = Unit((1, 2, 3), rows, tuple(tuple(x > 0.5 for x in row) for row in rows))
    found = curve([unit])
    near = {"abs": case["tolerance"]}
    for n, expected in case["expected"]["by_repetition"].items():
        assert found[0].tp.value == pytest.approx(expected["First_AVG_Prob"], **near)
        assert found[int(n)].tp.value == pytest.approx(expected["Repeat_AVG_Prob"], **near)
        assert found[int(n)].ip.value == pytest.approx(expected["Improve_Rate"], **near)
        assert found[int(n)].wr.value == pytest.approx(expected["Win_Rate"], **near)


@pytest.mark.network
def test_smollm2_reinforces_itself_as_measured_before() -> None:
    case = GOLDEN["repro_self_reinforcement_smollm2"]
    given = case["inputs"]
    units = self_reinforcement(
        load_model("smollm2-135m"), given["sentences"], base=given["base"], repetitions=20
    )
    found = curve(units)
    for n, expected in case["expected"]["natural"].items():
        for name, figure in (("TP", "tp"), ("IP", "ip"), ("WR", "wr")):
            value = getattr(found[int(n)], figure).value
            assert value == pytest.approx(expected[name], abs=case["tolerance"])
