"""Greedy decoding: always the likeliest token."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.core.decoder import Decoder, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.distribution import one_hot
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


class Greedy(Decoder):
    """Takes the argmax of the processed law; ties go to the lowest id.

    Source: folklore; the zero-temperature limit of sampling.
    Oracle: transformers `generate(do_sample=False)` (tests/parity/test_generate.py).
    """

    def __init__(self, processors: Sequence[Processor] = ()) -> None:
        self._processors = tuple(processors)

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law = sampling_law(self._processors, view)
        choice = law.argmax(dim=-1)
        return Move((0,), (int(choice[0]),), one_hot(law, choice))

    def advance_recorded(self, view: StepView, u: Tensor) -> tuple[Tensor, Tensor]:
        """The same, as tensors."""
        law = sampling_law(self._processors, view)
        choice = law.argmax(dim=-1)
        # A law of NaN would look like any other once it is one-hot.
        return choice, one_hot(law, choice).masked_fill_(law[:, :1].isnan(), math.nan)


class GreedyParams(Params):
    """`greedy` has no parameters."""


def build(params: GreedyParams, processors: Sequence[Processor]) -> Greedy:
    """The decoder of one lane."""
    return Greedy(processors)


INFO = StageInfo(
    name="greedy",
    title="greedy",
    family="choosers",
    kind="chooser",
    summary="Always takes the likeliest token: no chance, temperature zero.",
    look_for="Low surprisal throughout, and sooner or later a loop.",
    source="The zero-temperature limit of sampling; folklore",
    formula=r"x = \arg\max_v \, p(v)",
    params=GreedyParams,
    build=build,
    on_device=True,
)
