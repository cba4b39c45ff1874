from __future__ import annotations

import json
import math

import pytest

from explorer.core.lab import Claim, Paper
from explorer.core.results import (
    Axis,
    Heatmap,
    Line,
    Points,
    Scalar,
    Series,
    Spans,
    Table,
    Traces,
    as_data,
    kind_of,
)

SERIES = Series("s", Axis("x"), Axis("y", "nats", log=True), (Line("a", (1.0,), (math.inf,)),))


@pytest.mark.parametrize(
    "result",
    [
        Scalar("a", math.nan, "nats", low=-math.inf, high=1.0, n=3),
        SERIES,
        Table("t", ("a", "b"), (("x", 1.5), (None, True)), ("", "nats")),
        Spans("p", ("a", "<b>"), (0.5, None), "share"),
        Points("q", Axis("x"), Axis("y"), (("g", ((1.0, math.nan),)),), diagonal=True),
        Heatmap("h", Axis("x"), Axis("y"), ("c",), ("r",), ((None,),)),
        Traces("made", ()),
    ],
)
def test_every_result_is_json_that_browsers_read(result) -> None:
    data = as_data(result)
    written = json.dumps(data, allow_nan=False)
    assert json.loads(written)["kind"] == kind_of(result) == data["kind"]
    assert data["name"] == result.name


def test_a_number_that_json_lacks_is_null_and_all_else_is_kept() -> None:
    data = as_data(SERIES)
    assert data["lines"][0] == {"name": "a", "x": [1.0], "y": [None], "low": [], "high": []}
    assert data["y"] == {"title": "y", "unit": "nats", "log": True}


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: Line("a", (1.0,), ()), "different lengths"),
        (lambda: Line("a", (1.0,), (1.0,), (1.0,)), "different lengths"),
        (lambda: Line("a", (1.0, 2.0), (1.0, 2.0), (1.0,), (1.0,)), "some places only"),
        (lambda: Table("t", ("a",), (("x", 1),)), "too many or too few"),
        (lambda: Table("t", ("a", "b"), (), ("nats",)), "units for some"),
        (lambda: Spans("p", ("a",), ()), "not as many"),
        (lambda: Heatmap("h", Axis("x"), Axis("y"), ("c",), ("r",), ((1.0, 2.0),)), "no grid"),
        (lambda: Heatmap("h", Axis("x"), Axis("y"), ("c",), ("r", "s"), ((1.0,),)), "no grid"),
    ],
)
def test_what_does_not_fit_together_is_refused(made, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        made()


@pytest.mark.parametrize(
    ("value", "relation", "holds"),
    [(1.0, "<=", True), (1.0, "<", False), (1.0, ">=", True), (1.0, ">", False), (0.5, "<", True)],
)
def test_a_claim_holds_by_its_relation(value: float, relation, holds: bool) -> None:
    assert Claim("c", Scalar("v", value), relation, 1.0, "paper").holds is holds


def test_what_could_not_be_measured_shows_nothing() -> None:
    relations = ("<=", ">=", "<", ">")
    assert not any(Claim("c", Scalar("v", math.nan), r, 0.0, "").holds for r in relations)


def test_a_paper_without_an_identifier_has_none_in_its_citation() -> None:
    assert Paper("T", "A", 2020).citation == "A, T, 2020"
