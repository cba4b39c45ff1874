"""Beam search: the few likeliest continuations, kept side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from explorer.core.decoder import Decoder, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.deferred import torch
from explorer.core.distribution import one_hot
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Child:
    """A row and the token that would follow it, with the sum of log q of the whole."""

    row: int
    token_id: int
    total: float


@dataclass(frozen=True, slots=True)
class Extension:
    """The children a search goes on with, each list best first.

    Attributes:
        living: those that go on.
        ended: those that are complete.
        scale: what totals are divided by to give scores.
        done: no living row can still win.
    """

    living: list[Child]
    ended: list[Child]
    scale: float
    done: bool


def move_of(extension: Extension, law: Tensor) -> Move:
    """The move of a search: the living first, then those that end."""
    chosen = [*extension.living, *extension.ended]
    tokens = torch.tensor([child.token_id for child in chosen], device=law.device)
    parents = torch.tensor([child.row for child in chosen], device=law.device)
    return Move(
        parents=tuple(child.row for child in chosen),
        token_ids=tuple(child.token_id for child in chosen),
        logprobs=one_hot(law[parents], tokens),
        scores=tuple(child.total / extension.scale for child in chosen),
        done=extension.done,
    )


class Beam(Decoder):
    """Keeps the `width` likeliest prefixes; finished ones compete by score over length.

    Each step takes the best children over all rows. A child that ends the sequence is finished
    if it is among the best `width`; the search is over when `width` rows have finished and no
    living one, at its present length, scores better than the worst of them.

    A row's score is its sum of log q over (generated tokens) ** length_penalty. After a chain of
    processors q is normalised again, as transformers does with renormalize_logits=True.

    Source: Lowerre, "The Harpy Speech Recognition System", 1976; length normalisation as in
        Wu et al., arXiv:1609.08144.
    Oracle: transformers `generate(num_beams=...)`, early_stopping=False
        (tests/parity/test_generate.py).
    """

    def __init__(
        self, width: int, length_penalty: float, processors: Sequence[Processor] = ()
    ) -> None:
        self.width = width
        self._length_penalty = length_penalty
        self._processors = tuple(processors)
        self._sums: list[float] = [0.0]  # of the living rows, in the view's order
        self._finished: list[float] = []  # best scores of complete rows, at most `width`

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law = sampling_law(self._processors, view, scores=view.logprobs)
        return move_of(self.extend(law, view), law)

    def extend(self, law: Tensor, view: StepView) -> Extension:
        """Children of the rows whose laws [rows, vocab] these are; they become the living."""
        sums = torch.tensor(self._sums, dtype=torch.float32, device=law.device)
        totals = (law + sums.unsqueeze(-1)).flatten()
        # Enough children that `width` of them go on even if every best one ends.
        keep = min(max(2, 1 + len(view.eos_ids)) * self.width, len(totals))
        vocab = law.shape[-1]
        children = [
            Child(flat // vocab, flat % vocab, total)
            for flat, total in self.candidates(totals, keep, view)
            if total > -float("inf")
        ]
        living, ended = self._sort_out(children, view)
        length = len(view.histories[0]) - view.prompt_length + 1
        scale = float(length) ** self._length_penalty
        self._sums = [child.total for child in living]
        self._finished += [child.total / scale for child in ended]
        self._finished = sorted(self._finished, reverse=True)[: self.width]
        return Extension(living, ended, scale, self._is_done(scale))

    def candidates(self, totals: Tensor, keep: int, view: StepView) -> list[tuple[int, float]]:
        """(place, total) of the children to choose from, best first; here the best of all."""
        best = totals.topk(keep)
        return list(zip(best.indices.tolist(), best.values.tolist(), strict=True))

    def _sort_out(self, children: list[Child], view: StepView) -> tuple[list[Child], list[Child]]:
        """Children that live on and children that end, each best first."""
        ended = [child for child in children[: self.width] if child.token_id in view.eos_ids]
        if view.steps_left == 1:  # nobody lives on: the best `width` are the result
            living = [c for c in children[: self.width] if c.token_id not in view.eos_ids]
        else:
            living = [c for c in children if c.token_id not in view.eos_ids][: self.width]
        return living, ended

    def _is_done(self, scale: float) -> bool:
        if len(self._finished) < self.width or not self._sums:
            return False
        return self._sums[0] / scale <= self._finished[-1]


class BeamParams(Params):
    """Parameters of `beam`."""

    width: int = Field(
        default=4,
        ge=1,
        le=64,
        description="How many prefixes are kept; 1 is greedy.",
        json_schema_extra={"slider": [1, 16, 1]},
    )
    length_penalty: float = Field(
        default=1.0,
        ge=-5,
        le=5,
        description="Scores are divided by length to this power: 0 prefers short rows, 1 compares "
        "means, above 1 prefers long ones.",
        json_schema_extra={"slider": [-1, 2, 0.1]},
    )


def build(params: BeamParams, processors: Sequence[Processor]) -> Beam:
    """The decoder of one lane."""
    return Beam(params.width, params.length_penalty, processors)


INFO = StageInfo(
    name="beam",
    title="beam search",
    family="search",
    kind="chooser",
    summary="Keeps several prefixes and returns the likeliest whole: a search, not a draw.",
    look_for="The text on screen may change its past: another prefix took the lead. On open-ended "
    "prompts it loops sooner than greedy.",
    source="Lowerre, The Harpy Speech Recognition System, 1976; Wu et al., arXiv:1609.08144",
    formula=r"\text{keep the } w \text{ rows of largest } s(x) = \sum_t \log p(x_t \mid x_{<t}), "
    r"\quad \text{return } \arg\max_x \, s(x) / |x|^{\lambda}",
    params=BeamParams,
    build=build,
)
