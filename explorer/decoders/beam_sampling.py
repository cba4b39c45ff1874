"""Beam sampling: beam search whose children are drawn instead of ranked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.deferred import torch
from explorer.core.noise import derived_uniforms
from explorer.decoders.beam import Beam, BeamParams

if TYPE_CHECKING:
    from torch import Tensor


class BeamSampling(Beam):
    """Draws the children of all rows together, without replacement, by their whole scores.

    A child is drawn with probability proportional to exp(its sum of log q); those drawn are then
    sorted and treated as in beam search. Drawing without replacement is taking the largest of
    scores plus Gumbel noise.

    Source: transformers' `do_sample=True, num_beams=n`; Vieira, "Gumbel-max trick and weighted
        reservoir sampling", 2014, for the draw.
    Oracle: sums of log q of the returned rows (tests/parity/test_generate.py); inclusion
        probabilities by enumeration (tests/unit/decoders/test_search.py).
    """

    def candidates(self, totals: Tensor, keep: int, view: StepView) -> list[tuple[int, float]]:
        """(place, total) of the children to choose from: drawn, then sorted."""
        uniforms = torch.from_numpy(derived_uniforms(view.uniforms[0], "beams", len(totals)))
        gumbel = -(-uniforms.log()).log()
        drawn = (totals.cpu().double() + gumbel).topk(keep).indices.to(totals.device)
        values = totals[drawn]
        order = values.argsort(descending=True, stable=True)
        return list(zip(drawn[order].tolist(), values[order].tolist(), strict=True))


class BeamSamplingParams(BeamParams):
    """Parameters of `beam_sampling`."""


def build(params: BeamSamplingParams, processors: Sequence[Processor]) -> BeamSampling:
    """The decoder of one lane."""
    return BeamSampling(params.width, params.length_penalty, processors)


INFO = StageInfo(
    name="beam_sampling",
    title="beam sampling",
    family="search",
    kind="chooser",
    summary="A beam whose prefixes are drawn by their probability instead of being the best.",
    look_for="Likelier texts than pure sampling gives and more varied ones than beam search: "
    "change the seed.",
    source="transformers, do_sample with num_beams; Vieira, Gumbel-max trick and weighted "
    "reservoir sampling, 2014",
    formula=r"\text{draw } w \text{ children with probability } \propto e^{s(x)} "
    r"\text{ without replacement}, "
    r"\quad \text{return } \arg\max_x \, s(x) / |x|^{\lambda}",
    params=BeamSamplingParams,
    build=build,
    draws=True,
)
