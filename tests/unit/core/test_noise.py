from __future__ import annotations

import pytest

from explorer.core.noise import lane_keys, uniform, uniforms
from explorer.core.types import Noise


def test_the_same_key_gives_the_same_number_for_ever() -> None:
    """A golden value: traces of the past must verify in the future."""
    assert uniform(0, "greedy", 0, 0) == 0.4697509750731891
    assert uniform(2**40, "nucleus:p=0.95", 3, 511) == 0.4664897469191215


def test_every_part_of_the_key_counts() -> None:
    base = uniform(1, "a", 2, 3)
    others = {uniform(0, "a", 2, 3), uniform(1, "b", 2, 3), uniform(1, "a", 0, 3)}
    assert base not in others | {uniform(1, "a", 2, 4)}
    assert uniform(1, "a", 23, 4) != uniform(1, "a", 2, 34)


def test_the_numbers_are_uniform() -> None:
    counts = [0] * 20
    for step in range(20_000):
        counts[int(uniform(5, "lane", 0, step) * 20)] += 1
    chi_square = sum((count - 1000) ** 2 / 1000 for count in counts)
    assert chi_square < 43.8  # 0.999 quantile at 19 degrees of freedom


def test_rows_of_one_lane_differ_and_coupled_lanes_do_not() -> None:
    drawn = uniforms(7, Noise("x"), 4, 0)
    assert len(set(drawn)) == 4
    one, two = lane_keys(("greedy", "ancestral"), coupled=True)
    assert uniforms(7, one, 2, 5) == uniforms(7, two, 2, 5)


@pytest.mark.parametrize("others", [(), ("greedy",), ("greedy", "beam:width=2,length_penalty=1")])
def test_a_key_does_not_depend_on_neighbours(others: tuple[str, ...]) -> None:
    assert lane_keys((*others, "ancestral"), coupled=False)[-1] == Noise("ancestral")
