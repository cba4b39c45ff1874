"""Momentum decoding: the depths of many candidates cost one pass over the context."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from hypothesis import given
from hypothesis import strategies as st

from explorer.core.circular_depth import MAX_DEPTH, circular_depth, circular_depths
from explorer.core.decoder import StepView
from explorer.decoders.momentum import Momentum


def by_definition(context: Sequence[int], candidate: int) -> int:
    """Longest suffix of context + candidate, at most MAX_DEPTH, that stands in the context."""
    whole = [*context, candidate]
    for depth in range(MAX_DEPTH, 0, -1):
        suffix = whole[-depth:]
        if len(suffix) == depth and any(
            list(context[i : i + depth]) == suffix for i in range(len(context) - depth + 1)
        ):
            return depth
    return 0


@given(st.lists(st.integers(0, 2), max_size=30))
def test_depths_are_those_of_the_definition(context: list[int]) -> None:
    candidates = [0, 1, 2, 3]
    expected = [by_definition(context, candidate) for candidate in candidates]
    assert circular_depths(context, candidates) == expected
    assert [circular_depth(context, candidate) for candidate in candidates] == expected


class Counted(list[int]):
    """A context that counts how often it is read."""

    reads = 0

    def __getitem__(self, place):
        self.reads += 1
        return super().__getitem__(place)

    def __iter__(self):
        for token_id in super().__iter__():
            self.reads += 1
            yield token_id


def test_a_thousand_candidates_cost_one_pass_not_a_thousand() -> None:
    context = Counted(range(2_000))
    logits = torch.zeros(1, 3_000)
    logits[0, 5] = 1.0
    view = StepView(logits, logits.log_softmax(-1), (context,), 0, (0.0,))
    Momentum(1000, 0.2, "paper").advance(view)
    assert context.reads < 20 * len(context)
