"""The benchmark of many visitors: what it counts, and what it calls a failure."""

from __future__ import annotations

import math

import pytest
from fakes import LETTERS, ScriptedModel, hashed_script

from explorer.core.errors import InvalidParams
from explorer.services.visitors import LANES, Crowd, Visit, crowd, services_with, visit


def test_visitors_at_once_and_one_after_another_make_the_same_number_of_tokens() -> None:
    found = crowd(services_with(ScriptedModel(hashed_script(len(LETTERS) + 1))), 3, 5)
    assert found.failed == 0
    assert len(found.together) == len(found.alone) == 3
    for one in (*found.together, *found.alone):
        assert one.tokens == len(LANES) * 5
        assert 0 < one.first_s <= one.seconds
    assert found.throughput == pytest.approx(found.alone_s / found.together_s)


def test_promises_are_broken_by_a_failure_a_straggler_or_no_gain() -> None:
    fine = Visit(0.1, 1.0, 20)
    good = Crowd((fine, fine, fine), (fine,), 1.0, 2.5)
    assert good.holds
    assert not Crowd((fine, fine, Visit(0.4, 1, 20)), (fine,), 1.0, 2.5).holds
    assert not Crowd((fine, Visit(0.1, 1, 0, "gone"), fine), (fine,), 1.0, 2.5).holds
    assert not Crowd((fine,) * 3, (fine,), 1.0, 1.5).holds


def test_a_visit_that_cannot_begin_is_told_and_not_raised() -> None:
    services = services_with(ScriptedModel(hashed_script(len(LETTERS) + 1)))
    found = visit(services, 0, 10**9)
    assert found.error
    assert found.tokens == 0
    assert math.isnan(found.first_s)


def test_nobody_is_no_crowd() -> None:
    with pytest.raises(InvalidParams, match="Nobody visits"):
        crowd(services_with(ScriptedModel(hashed_script(len(LETTERS) + 1))), 0, 4)
