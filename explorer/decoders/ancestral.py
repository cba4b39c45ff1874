"""Ancestral (pure) sampling: a draw from the law as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.core.decoder import Decoder, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.distribution import inverse_cdf, inverse_cdf_rows
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


class Ancestral(Decoder):
    """Draws from the processed law by inverting its cumulative sum at the uniform it is given.

    Source: the definition of sampling from an autoregressive model, token by token.
    Oracle: the law itself, on a grid of 1,000 values of u (tests/unit/core/test_distribution.py).
    """

    def __init__(self, processors: Sequence[Processor] = ()) -> None:
        self._processors = tuple(processors)

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law = sampling_law(self._processors, view)
        return Move((0,), (inverse_cdf(law[0], view.uniforms[0]),), law)

    def advance_recorded(self, view: StepView, u: Tensor) -> tuple[Tensor, Tensor]:
        """The same, as tensors."""
        law = sampling_law(self._processors, view)
        return inverse_cdf_rows(law, u), law


class AncestralParams(Params):
    """`ancestral` has no parameters."""


def build(params: AncestralParams, processors: Sequence[Processor]) -> Ancestral:
    """The decoder of one lane."""
    return Ancestral(processors)


INFO = StageInfo(
    name="ancestral",
    title="ancestral",
    family="choosers",
    kind="chooser",
    summary="Pure sampling: draws every token from the model's own law, with nothing cut.",
    look_for="Mean surprisal close to mean entropy: as surprising as the model expects.",
    source="The definition of sampling from an autoregressive model",
    formula=r"x \sim p",
    params=AncestralParams,
    build=build,
    draws=True,
    on_device=True,
)
