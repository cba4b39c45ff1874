"""Stochastic beam search: k samples of whole texts, no two alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from explorer.core.decoder import (
    Decoder,
    Leaf,
    Move,
    Processor,
    StageInfo,
    StepView,
    Verdict,
    sampling_law,
)
from explorer.core.deferred import torch
from explorer.core.distribution import one_hot
from explorer.core.noise import derived_uniforms
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


def conditioned_gumbels(log_totals: Tensor, gumbel: Tensor, highest: float) -> Tensor:
    """Gumbels with locations `log_totals`, conditioned on their maximum being `highest`.

    The stable form of -log(exp(-highest) - exp(-max) + exp(-g)), with g = location + noise.

    Args:
        log_totals: [vocab] locations, -inf where a child is impossible.
        gumbel: [vocab] standard Gumbel noise.
        highest: the parent's own perturbed score.

    Source: Kool et al., arXiv:1903.06059, appendix B.3.
    """
    shifted = log_totals + gumbel
    # log(1 - exp(shifted - max)) is -inf at the maximum, which then comes out as `highest`.
    rest = torch.log1p(-(shifted - shifted.max()).exp())
    v = highest - shifted + rest
    kept = highest - v.clamp_min(0) - torch.log1p((-v.abs()).exp())
    return torch.where(log_totals > -math.inf, kept, -math.inf)


@dataclass(frozen=True, slots=True)
class _Row:
    """A row in the running: log-probability, perturbed score, and where its last token is."""

    log_q: float
    perturbed: float
    place: tuple[int, int] = (-1, 0)


class StochasticBeam(Decoder):
    """Gumbel-top-k over the tree of all texts: k samples without replacement.

    Every text has a Gumbel variable located at its log-probability; the k largest are an
    ordered sample without replacement from the law q of whole texts. A prefix has the largest
    of its texts', so they are found top-down: each child's is drawn given its parent's. A row's
    score here is that perturbed score; its log-probability is in the notes.

    A complete row stays in the running and can still be displaced.

    Source: Kool, van Hoof, Welling, "Stochastic Beams and Where to Find Them",
        arXiv:1903.06059.
    Oracle: inclusion and order probabilities by enumeration
        (tests/unit/decoders/test_search.py).
    """

    def __init__(self, width: int, processors: Sequence[Processor] = ()) -> None:
        self.width = width
        self._processors = tuple(processors)
        self._living = [_Row(0.0, 0.0)]
        self._finished: list[_Row] = []

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law = sampling_law(self._processors, view).cpu().double()
        step = len(view.histories[0]) - view.prompt_length
        children = self._children(law, view)
        # The best of living children and complete rows together.
        floor = sorted((r.perturbed for r in self._finished), reverse=True)
        ranked = sorted([*(c[2].perturbed for c in children), *floor], reverse=True)
        least = ranked[min(self.width, len(ranked)) - 1]
        self._finished = [row for row in self._finished if row.perturbed >= least]
        chosen = [child for child in children if child[2].perturbed >= least]
        chosen = chosen[: self.width - len(self._finished)]
        going = [child for child in chosen if child[1] not in view.eos_ids]
        ended = [child for child in chosen if child[1] in view.eos_ids]
        chosen = going + ended
        rows = [_Row(row.log_q, row.perturbed, (step, i)) for i, (_, _, row) in enumerate(chosen)]
        self._living, self._latest = rows[: len(going)], rows
        self._finished += rows[len(going) :]
        parents = [parent for parent, _, _ in chosen]
        tokens = torch.tensor([token_id for _, token_id, _ in chosen], dtype=torch.long)
        return Move(
            parents=tuple(parents),
            token_ids=tuple(tokens.tolist()),
            logprobs=one_hot(view.logprobs[parents], tokens.to(view.logprobs.device)),
            scores=tuple(row.perturbed for row in rows),
            done=not going,
            notes=tuple({"log_probability": round(row.log_q, 6)} for row in rows),
        )

    def _children(self, law: Tensor, view: StepView) -> list[tuple[int, int, _Row]]:
        """(parent, token, row) of the best children of all living rows, best first."""
        found: list[tuple[int, int, _Row]] = []
        for parent, row in enumerate(self._living):
            label = f"gumbel {parent}"
            uniforms = derived_uniforms(view.uniforms[0], label, law.shape[-1])
            gumbel = -(-torch.from_numpy(uniforms).log()).log()
            log_q = law[parent] + row.log_q
            begun = row.place != (-1, 0)
            perturbed = (
                conditioned_gumbels(log_q, gumbel, row.perturbed) if begun else log_q + gumbel
            )
            best = perturbed.topk(min(self.width, len(perturbed)))
            found += [
                (parent, token_id, _Row(float(log_q[token_id]), value))
                for token_id, value in zip(best.indices.tolist(), best.values.tolist(), strict=True)
                if value > -math.inf
            ]
        return sorted(found, key=lambda child: -child[2].perturbed)

    def conclude(self, leaves: Sequence[Leaf]) -> Sequence[Verdict | None]:
        """Rows that were displaced after they ended are no part of the sample."""
        running = {row.place: row for row in [*self._finished, *self._living]}
        return [
            Verdict(running[leaf.place].perturbed) if leaf.place in running else None
            for leaf in leaves
        ]


class StochasticBeamParams(Params):
    """Parameters of `stochastic_beam`."""

    width: int = Field(
        default=4,
        ge=1,
        le=64,
        description="How many different texts are sampled.",
        json_schema_extra={"slider": [1, 16, 1]},
    )


def build(params: StochasticBeamParams, processors: Sequence[Processor]) -> StochasticBeam:
    """The decoder of one lane."""
    return StochasticBeam(params.width, processors)


INFO = StageInfo(
    name="stochastic_beam",
    title="stochastic beam search",
    family="search",
    kind="chooser",
    summary="Samples several whole texts at once, each by its probability and no two the same.",
    look_for="The first row is an ordinary sample; the others are what sampling again would give "
    "if repeats were not allowed.",
    source="Kool, van Hoof, Welling, Stochastic Beams and Where to Find Them, arXiv:1903.06059",
    formula=r"\text{keep the } w \text{ largest } G_x \sim \text{Gumbel}(\log p(x)), "
    r"\quad \max_{x' \in \text{children of } x} G_{x'} = G_x",
    params=StochasticBeamParams,
    build=build,
    draws=True,
)
