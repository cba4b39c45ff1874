"""Verdicts on continuations that begin in a loop: one planted text for each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.analyzers.leaving import Stretch, Verdict, find_exit, judge, periodic, returns

UNIT = list(range(10, 20))
NEW = list(range(100, 160))


def on(count: int, done: int = 0) -> list[int]:
    return list(periodic(UNIT, done, count))


def test_who_says_the_loop_stays_wherever_it_begins() -> None:
    for done in (10, 13, 37):
        found = judge(UNIT, done, on(64, done))
        assert (found.verdict, found.exit, found.loops) == (Verdict.STAYS, None, ())
    assert judge(UNIT, 30, []).verdict is Verdict.STAYS


def test_the_first_other_token_is_the_exit() -> None:
    found = judge(UNIT, 30, [*on(7), *NEW])
    assert (found.verdict, found.exit) == (Verdict.ESCAPED, 7)
    assert judge(UNIT, 33, on(40)).exit == 0  # the loop's tokens, but out of step


def test_an_end_mark_in_place_of_the_loop_ends_it_and_one_after_other_tokens_does_not() -> None:
    assert judge(UNIT, 30, [*on(4), 0], ended=True).verdict is Verdict.ENDED
    assert judge(UNIT, 30, [0], ended=True).exit == 0
    assert judge(UNIT, 30, [*on(4), *NEW[:5], 0], ended=True).verdict is Verdict.ESCAPED
    # an end mark inside of the unit is the loop's own token
    assert judge([5, 6, 0], 9, [5, 6, 0], ended=True).verdict is Verdict.STAYS


def test_two_copies_of_the_same_unit_are_a_return_also_out_of_step() -> None:
    for shift in range(10):
        back = on(20, shift)
        found = judge(UNIT, 30, [*on(3), *NEW[:4], *back])
        assert (found.verdict, found.exit) == (Verdict.CAME_BACK, 3), shift
        assert found.loops == (Stretch(7, 27, same=True),)
        found = judge(UNIT, 30, [*on(3), *NEW[:4], *back[:-1]])
        assert found.verdict is Verdict.ESCAPED, shift


def test_a_return_that_was_left_again_is_still_one() -> None:
    found = judge(UNIT, 30, [*NEW[:4], *on(25), *NEW[10:40]])
    assert found.verdict is Verdict.CAME_BACK
    assert found.loops == (Stretch(4, 29, same=True),)


def test_another_unit_makes_another_loop_once_it_is_long_enough() -> None:
    found = judge(UNIT, 30, [NEW[0], *NEW[20:36] * 2])
    assert found.verdict is Verdict.OTHER_LOOP
    assert found.loops == (Stretch(1, 33, same=False),)
    # 30 tokens are fewer than two thirds of 48
    assert judge(UNIT, 30, [NEW[0], *NEW[20:35] * 2]).verdict is Verdict.ESCAPED
    both = judge(UNIT, 30, [NEW[0], *NEW[20:36] * 2, *NEW[50:55], *on(30)])
    assert both.verdict is Verdict.CAME_BACK
    assert [x.same for x in both.loops] == [False, True]


def test_units_of_one_and_two_tokens_need_eight_tokens() -> None:
    assert judge([7], 50, [1, 7, 7]).verdict is Verdict.ESCAPED
    assert judge([7], 50, [1, *[7] * 8]).verdict is Verdict.CAME_BACK
    assert judge([7, 8], 50, [1, *[7, 8] * 3]).verdict is Verdict.ESCAPED
    assert judge([7, 8], 50, [1, *[8, 7] * 4]).verdict is Verdict.CAME_BACK


@given(
    unit=st.lists(st.integers(0, 3), min_size=1, max_size=6),
    done=st.integers(1, 30),
    ids=st.lists(st.integers(0, 3), max_size=60),
    ended=st.booleans(),
)
def test_verdicts_say_what_their_definitions_say(unit, done, ids, ended) -> None:
    found = judge(unit, done, ids, ended=ended)
    expected = periodic(unit, done, len(ids))
    assert (found.exit is None) == (tuple(ids) == expected)
    assert (found.verdict is Verdict.STAYS) == (found.exit is None)
    if found.exit is not None:
        assert tuple(ids[: found.exit]) == expected[: found.exit]
        assert ids[found.exit] != expected[found.exit]
    for x in found.loops:
        assert found.exit is not None
        assert found.exit <= x.first < x.end <= len(ids)
    if found.verdict is Verdict.ESCAPED:
        assert not found.loops


@given(
    unit=st.lists(st.integers(0, 4), min_size=1, max_size=7),
    ids=st.lists(st.integers(0, 4), max_size=50),
)
def test_returns_are_those_of_a_search_that_tries_every_place(unit, ids) -> None:
    period, needed = len(unit), max(2 * len(unit), 8)
    rotations = [[*unit[i:], *unit[:i]] for i in range(period)]

    def holds(first: int, end: int) -> bool:
        span = ids[first:end]
        return any(
            span == (turned * (len(span) // period + 1))[: len(span)] for turned in rotations
        )

    found = {(x.first, x.end) for x in returns(unit, ids)}
    longest = {
        (a, b)
        for a in range(len(ids))
        for b in range(a + needed, len(ids) + 1)
        if holds(a, b) and not (a and holds(a - 1, b)) and not (b < len(ids) and holds(a, b + 1))
    }
    assert found == longest


def test_one_token_and_100_000() -> None:
    assert judge([7], 1, [7]).verdict is Verdict.STAYS
    assert find_exit([7], 1, [8]) == 0
    assert judge([7], 1, [8]).verdict is Verdict.ESCAPED
    assert len(returns(UNIT, on(100_000))) == 1


@pytest.mark.parametrize("done", [1, 5])
def test_the_periodic_continuation_goes_round(done) -> None:
    assert periodic(UNIT, done, 12) == tuple((UNIT * 3)[done : done + 12])
