"""Beam search: the few likeliest continuations, kept side by side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field

from explorer.core.decoder import Decoder, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.distribution import one_hot
from explorer.core.params import Params


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
        rows, vocab = law.shape
        sums = torch.tensor(self._sums, dtype=torch.float32, device=law.device)
        totals = (law + sums.unsqueeze(-1)).flatten()
        # Enough children that `width` of them go on even if every best one ends.
        keep = max(2, 1 + len(view.eos_ids)) * self.width
        best = totals.topk(min(keep, rows * vocab))
        length = len(view.histories[0]) - view.prompt_length + 1
        children = [
            (flat // vocab, flat % vocab, total)
            for flat, total in zip(best.indices.tolist(), best.values.tolist(), strict=True)
            if total > -float("inf")
        ]
        living, ended = self._sort_out(children, view)
        scale = float(length) ** self._length_penalty
        self._sums = [total for _, _, total in living]
        self._finished += [total / scale for _, _, total in ended]
        self._finished = sorted(self._finished, reverse=True)[: self.width]
        chosen = living + ended
        tokens = torch.tensor([token_id for _, token_id, _ in chosen], device=law.device)
        parents = torch.tensor([row for row, _, _ in chosen], device=law.device)
        return Move(
            parents=tuple(row for row, _, _ in chosen),
            token_ids=tuple(token_id for _, token_id, _ in chosen),
            logprobs=one_hot(law[parents], tokens),
            scores=tuple(total / scale for _, _, total in chosen),
            done=self._is_done(scale),
        )

    def _sort_out(
        self, children: list[tuple[int, int, float]], view: StepView
    ) -> tuple[list[tuple[int, int, float]], list[tuple[int, int, float]]]:
        """Children that live on and children that end, each best first."""
        ended = [child for child in children[: self.width] if child[1] in view.eos_ids]
        if view.steps_left == 1:  # nobody lives on: the best `width` are the result
            living = [child for child in children[: self.width] if child[1] not in view.eos_ids]
        else:
            living = [child for child in children if child[1] not in view.eos_ids][: self.width]
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
    params=BeamParams,
    build=build,
)
