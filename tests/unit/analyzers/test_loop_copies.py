"""Copies of a loop under each other, and what they say about leaving it."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.analyzers.loop_copies import Stretch, aligned, copy_table, stretches, with_new
from explorer.analyzers.loop_exits import caught_from, exits, leaving
from explorer.core.loops import find_loops
from explorer.core.types import Candidate, Loop, TokenStep


def step(index: int, token: int, p: float = 0.9, others=((900, 0.05),), rank: int = 0) -> TokenStep:
    kept = sorted([(token, p), *others], key=lambda pair: -pair[1])
    top = tuple(Candidate(t, math.log(q), math.log(q)) for t, q in kept)
    s = -math.log(p) if p else math.inf
    return TokenStep(0, 0, 0, index, token, s, 0.5, 0.0, rank, s, 0.5, 9, top)


@given(
    period=st.integers(1, 128),
    onset=st.integers(0, 60),
    copies=st.integers(3, 30),
    rest=st.integers(0, 127),
    after=st.integers(0, 5),
)
@settings(deadline=None, max_examples=100)
def test_a_planted_loop_comes_back_copy_by_copy(period, onset, copies, rest, after) -> None:
    copies += 48 // period
    unit = list(range(period))
    noise = [10_000 + i for i in range(onset)]
    ids = [*noise, *unit * copies, *unit[: rest % period], *[20_000 + i for i in range(after)]]
    (found,) = stretches(ids, [f" w{i}" for i in ids], find_loops(ids))
    assert (found.kind, found.onset, found.whole) == ("exact", onset, copies)
    assert found.period == period
    table = copy_table(ids, found)
    assert [i for row in table.rows for i in row if i is not None] == list(
        range(onset, len(ids) - after)
    )
    for row in table.rows[:copies]:
        assert [ids[i] for i in row] == unit
    assert len(table.rows) == copies + (rest % period > 0)


@given(st.integers(0, 10**6), st.integers(20, 90), st.integers(4, 40))
@settings(deadline=None, max_examples=60)
def test_copies_with_edits_keep_every_token_and_stand_under_the_unit(seed, period, copies) -> None:
    rng = random.Random(seed)
    unit = list(range(period))
    ids: list[int] = [9_000] * 3
    starts = []
    for number in range(copies):
        own = list(unit)
        place = rng.randrange(1, period - 1)
        kind = rng.choice(["change", "add", "drop", "none"])
        if kind == "change":
            own[place] = 5_000 + number
        elif kind == "add":
            own.insert(place, 5_000 + number)
        elif kind == "drop":
            del own[place]
        starts.append(len(ids))
        ids += own
    stretch = Stretch("edited", tuple(starts), len(ids), copies)
    table = copy_table(ids, stretch)
    assert [i for row in table.rows for i in row if i is not None] == list(range(3, len(ids)))
    assert {len(row) for row in table.rows} == {len(table.unit)}
    # a token of the unit is in one column, whatever was added or dropped before it
    columns = {}
    known = {ids[i] for i in table.unit if i is not None}
    for row in table.rows:
        for column, i in enumerate(row):
            if i is not None and ids[i] in known:
                columns.setdefault(ids[i], set()).add(column)
    assert all(len(places) == 1 for places in columns.values())


def test_an_edited_loop_is_found_with_where_its_copies_begin() -> None:
    unit = list(range(40))
    changed = [*unit[:20], 777, *unit[21:]]
    ids = [500, 501, *unit, *changed, *unit, *changed, *unit[:7]]
    (found,) = stretches(ids, ["x"] * len(ids), ())
    assert (found.kind, found.starts, found.whole) == ("edited", (2, 42, 82, 122, 162), 4)
    assert copy_table(ids, found).rows[-1][:8] == (*range(162, 169), None)


def test_lists_and_paraphrases_say_where_their_copies_begin() -> None:
    pieces = [p for n in range(8, 20) for p in ("Step", " ", *str(n), ":", " go", ".")]
    ids = [sum(map(ord, p)) for p in pieces]
    found = stretches(ids, pieces, ())[0]
    assert found.kind == "counting"
    assert [pieces[i] for i in found.starts] == ["Step"] * 12
    line = "the old man walked down to the {} and looked at the water for a while ."
    places = ("sea", "lake", "pond", "river", "brook")
    pieces = [f" {word}" for place in places for word in line.format(place).split()]
    ids = [sum(map(ord, p)) for p in pieces]
    (found,) = stretches(ids, pieces, ())
    assert found.starts == tuple(range(0, 85, 17))


def test_what_is_no_loop_is_left_out_whatever_a_file_says() -> None:
    ids = [1, 2, 3] * 20
    pieces = [str(i) for i in ids]
    for loop in (Loop(0, 2, 10), Loop(-3, 3, 10), Loop(0, 3, 90), Loop(0, 0, 3), Loop(50, 3, 0.1)):
        assert stretches(ids, pieces, [loop]) == ()
    assert stretches([], [], ()) == ()
    assert stretches([5], ["a"], ()) == ()


def test_a_near_loop_within_another_is_not_told_twice() -> None:
    big, small = Stretch("exact", (0, 50), 100, 2), Stretch("edited", (20, 40), 60, 2)
    beyond = Stretch("edited", (90, 120), 150, 2)
    assert with_new([big], [small, beyond]) == [big, beyond]


@pytest.mark.parametrize(
    ("unit", "copy", "places"),
    [
        ([1, 2, 3], [1, 2, 3], (0, 1, 2)),
        ([1, 2, 3], [1, 3], (0, 2)),
        ([1, 2], [7, 8, 9], (0, 1, None)),
        ([1], [1], (0,)),
    ],
)
def test_alignment(unit, copy, places) -> None:
    if places[-1] is None:  # ties may fall either way: one is added
        assert sum(p is None for p in aligned(unit, copy)) == 1
    else:
        assert aligned(unit, copy) == places


def test_the_exits_of_a_copy_are_those_of_its_law() -> None:
    steps = [step(0, 1, 0.5, [(2, 0.4), (3, 0.1)]), step(1, 2, 0.8, [(9, 0.15)])]
    found = exits(steps, 0, 2)
    assert found.widest == 0
    assert found.widest_mass == pytest.approx(0.5)
    assert (found.other, found.other_mass) == (2, pytest.approx(0.4))
    assert found.narrowest_mass == pytest.approx(0.2)
    assert math.exp(-found.through) == pytest.approx(0.4)
    assert math.exp(-found.mean) == pytest.approx(math.sqrt(0.4))
    assert found.margin == pytest.approx(math.log(0.5 / 0.4))
    assert found.argmax == 2


def test_a_token_that_another_beats_has_a_margin_below_zero() -> None:
    assert exits([step(0, 1, 0.2, [(2, 0.6)], rank=1)], 0, 1).margin == pytest.approx(
        math.log(0.2 / 0.6)
    )
    assert exits([step(0, 1, 0.2, [])], 0, 1).margin is None
    impossible = exits(
        [step(0, 1, 0.5), TokenStep(0, 0, 0, 1, 5, math.inf, 0, 0, 3, 0, 0, 1, ())], 0, 2
    )
    assert impossible.through == math.inf
    assert impossible.widest_mass == 1


def test_greedy_is_caught_from_the_first_copy_all_of_whose_followers_are_likeliest() -> None:
    ids = [9, *[1, 2, 3] * 5, 1]
    stretch = Stretch("exact", (1, 4, 7, 10, 13, 16), 17, 5)
    ranks = {5: 1, 8: 4}
    steps = [step(i, t, rank=ranks.get(i, 0)) for i, t in enumerate(ids)]
    assert caught_from(steps, stretch) == 3
    steps[16] = step(16, 1, rank=2)
    assert caught_from(steps, stretch) is None
    calm = [step(i, t) for i, t in enumerate(ids)]
    assert caught_from(calm, stretch) == 0
    assert caught_from([*calm, step(17, 99)], stretch) is None


def test_how_a_loop_was_left() -> None:
    ids = [1, 2, 3] * 4 + [1, 7]
    steps = [step(i, t) for i, t in enumerate(ids)]
    steps[13] = step(13, 7, 0.1, [(2, 0.8)], rank=1)
    stretch = Stretch("exact", (0, 3, 6, 9, 12), 13, 4)
    found = leaving(steps, stretch)
    assert found is not None
    assert (found.index, found.said, found.expected) == (13, 7, 2)
    assert (found.mass, found.expected_mass) == (pytest.approx(0.1), pytest.approx(0.8))
    assert leaving(steps[:13], stretch) is None
    whole = Stretch("exact", (0, 3, 6, 9), 12, 4)
    assert leaving([*steps[:12], step(12, 8)], whole).expected == 1


def test_hundreds_of_long_copies_are_aligned_in_little_time() -> None:
    unit = list(range(128))
    ids, starts = [], []
    for number in range(150):
        starts.append(len(ids))
        ids += [*unit[:40], 1_000 + number, *unit[40 + number % 3 :]]
    table = copy_table(ids, Stretch("edited", tuple(starts), len(ids), 150))
    assert len(table.rows) == 150
