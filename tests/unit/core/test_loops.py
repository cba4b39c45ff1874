from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.core.loops import LoopDetector, LoopThresholds, find_loops
from explorer.core.types import Loop


def de_bruijn(letters: int, order: int) -> list[int]:
    """A cyclic sequence in which every word of that order stands exactly once."""
    sequence: list[int] = []
    word = [0] * letters * order

    def extend(t: int, p: int) -> None:
        if t > order:
            if order % p == 0:
                sequence.extend(word[1 : p + 1])
            return
        word[t] = word[t - p]
        extend(t + 1, p)
        for letter in range(word[t - p] + 1, letters):
            word[t] = letter
            extend(t + 1, t)

    extend(1, 1)
    return sequence


def test_no_loop_in_a_de_bruijn_sequence() -> None:
    assert find_loops(de_bruijn(4, 5)) == ()
    assert find_loops(range(5000)) == ()


@given(
    period=st.integers(1, 128),
    noise=st.integers(0, 60),
    extra=st.integers(0, 40),
    shift=st.integers(0, 1000),
)
@settings(deadline=None, max_examples=60)
def test_a_planted_loop_is_found_with_onset_period_and_copies(period, noise, extra, shift) -> None:
    prefix = [10_000 + i for i in range(noise)]
    unit = [shift + i for i in range(period)]
    length = max(3 * period, 48) + extra
    planted = [unit[i % period] for i in range(length)]
    (loop,) = find_loops(prefix + planted)
    assert loop == Loop(onset=noise, period=period, copies=length / period)


def test_thresholds_are_exact() -> None:
    assert find_loops([1] * 47) == ()
    assert find_loops([1] * 48) == (Loop(0, 1, 48.0),)
    unit = list(range(20))
    assert find_loops(unit * 2 + unit[:-1]) == ()
    assert find_loops(unit * 3) == (Loop(0, 20, 3.0),)
    loose = LoopThresholds(max_period=4, min_copies=2, min_tokens=6)
    assert find_loops([1, 2, 3, 1, 2, 3], loose) == (Loop(0, 3, 2.0),)
    assert find_loops(list(range(5)) * 9, loose) == ()


def test_a_period_longer_than_the_longest_looked_for_is_no_loop() -> None:
    assert find_loops(list(range(129)) * 4) == ()
    assert find_loops(list(range(128)) * 4) == (Loop(0, 128, 4.0),)


def test_a_loop_that_is_left_and_another_are_two() -> None:
    loops = find_loops([1, 2, 3, 4] * 12 + [99, 98, 97] + [7] * 50)
    assert loops == (Loop(0, 4, 12.0), Loop(51, 1, 50.0))


def test_online_equals_offline_at_every_prefix() -> None:
    tokens = [9, 8] + [1, 2, 3] * 20 + [5]
    detector = LoopDetector()
    for i, token_id in enumerate(tokens):
        current = detector.push(token_id)
        if 49 <= i < 62:
            assert current == Loop(2, 3, (i - 1) / 3)
    assert detector.current is None
    assert detector.loops == find_loops(tokens)


def test_a_copy_goes_its_own_way() -> None:
    detector = LoopDetector()
    for _ in range(47):
        detector.push(1)
    twin = detector.copy()
    assert detector.push(1) is not None
    assert twin.push(2) is None
    assert twin.loops == ()


def test_ten_times_the_tokens_cost_about_ten_times_the_work() -> None:
    """O(window) a token, not O(length): a ratio within one run, with room for noise."""

    def cost(count: int) -> float:
        tokens = [i * i % 977 for i in range(count)]
        started = time.process_time()
        find_loops(tokens)
        return time.process_time() - started

    cost(500)
    assert cost(20_000) / cost(2_000) < 40


@pytest.mark.parametrize("bad", [(0, 3, 48), (128, 1, 48), (128, 3, 1), (128, 3, 2**63)])
def test_thresholds_that_mean_nothing_are_refused(bad) -> None:
    with pytest.raises(ValueError, match="loop thresholds"):
        LoopThresholds(*bad)


def test_a_loop_with_a_shorter_one_inside_is_listed_once() -> None:
    unit = [1] * 50 + [2]
    assert find_loops(unit * 4) == (
        Loop(0, 1, 50.0),
        Loop(51, 1, 50.0),
        Loop(102, 1, 50.0),
        Loop(0, 51, 4.0),
    )


def stretches(tokens: list[int], t: LoopThresholds) -> set[tuple[int, int, int]]:
    """(onset, period, end) of every longest periodic stretch that counts, by trying them all."""
    found = set()
    for period in range(1, t.max_period + 1):
        matches = [i >= period and tokens[i] == tokens[i - period] for i in range(len(tokens))]
        for onset in range(len(tokens)):
            end = onset + period
            while end < len(tokens) and matches[end]:
                end += 1
            before = onset + period - 1
            from_the_left = onset == 0 or before >= len(tokens) or not matches[before]
            enough = end - onset >= max(t.min_copies * period, t.min_tokens)
            if from_the_left and enough and end <= len(tokens):
                found.add((onset, period, end))
    return found


@st.composite
def nested(draw) -> list[int]:
    """Runs of one letter, the whole repeated, with something before and after it."""
    runs = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 6)), min_size=1, max_size=3))
    unit = [letter for letter, length in runs for _ in range(length)]
    around = st.lists(st.integers(0, 2), max_size=8)
    return [*draw(around), *(unit * draw(st.integers(1, 5))), *draw(around)]


@given(nested(), st.integers(4, 6), st.integers(4, 9))
@settings(deadline=None, max_examples=200)
def test_every_loop_is_a_longest_stretch_and_listed_once(tokens, halves, least) -> None:
    thresholds = LoopThresholds(max_period=12, min_copies=halves / 2, min_tokens=least)
    detector = LoopDetector(thresholds)
    for i, token_id in enumerate(tokens):  # in a loop exactly where some stretch counts
        ends = {end for _, _, end in stretches(tokens[: i + 1], thresholds)}
        assert (detector.push(token_id) is not None) == (i + 1 in ends)
    listed = [(x.onset, x.period, x.onset + round(x.copies * x.period)) for x in detector.loops]
    assert len(set(listed)) == len({(onset, period) for onset, period, _ in listed}) == len(listed)
    assert set(listed) <= stretches(tokens, thresholds)
    assert detector.loops == find_loops(tokens, thresholds)
