"""Diverse beam search: groups of beams that pay for saying what another group just said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from explorer.core.decoder import Decoder, Idle, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.deferred import torch
from explorer.core.distribution import one_hot
from explorer.core.params import Params
from explorer.decoders.beam import Beam, Extension

if TYPE_CHECKING:
    from torch import Tensor


class DiverseBeam(Decoder):
    """Beam searches side by side; each pays `diversity` per use of a token by earlier groups.

    Groups choose one after the other at each step. From the log-probabilities of a group's rows
    the penalty times the number of living rows of the groups before it that took the token now
    is subtracted, and stays in their sums (Hamming diversity). All groups compare their finished
    rows by the same score.

    Source: Vijayakumar et al., "Diverse Beam Search", arXiv:1610.02424.
    Oracle: a slow search over lists of sequences (tests/parity/test_diverse_beam.py).
    """

    def __init__(self, params: DiverseBeamParams, processors: Sequence[Processor] = ()) -> None:
        self.width = params.groups * params.group_width
        self._diversity = params.diversity
        self._processors = tuple(processors)
        self._groups = [
            Beam(params.group_width, params.length_penalty) for _ in range(params.groups)
        ]
        self._sizes = [1] * params.groups  # living rows of each group
        self._done = [False] * params.groups

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law = sampling_law(self._processors, view, scores=view.logprobs)
        if len(law) == 1 < len(self._groups) and len(view.histories[0]) == view.prompt_length:
            starts = [0] * len(self._groups)  # all groups grow from the one row of the prompt
        else:
            starts = [sum(self._sizes[:i]) for i in range(len(self._groups))]
        said = torch.zeros(law.shape[-1], device=law.device)
        parts: list[tuple[int, Extension]] = []
        for i, (group, start) in enumerate(zip(self._groups, starts, strict=True)):
            if self._done[i] or not self._sizes[i]:
                self._sizes[i] = 0
                continue
            rows = law[start : start + self._sizes[i]] - self._diversity * said
            extension = group.extend(rows, view)
            for child in extension.living:
                said[child.token_id] += 1
            self._done[i] = extension.done
            self._sizes[i] = 0 if extension.done else len(extension.living)
            parts.append((start, extension))
        return _join(parts, law, done=not any(self._sizes))


def _join(parts: Sequence[tuple[int, Extension]], law: Tensor, *, done: bool) -> Move:
    """One move of all groups; rows of a group that is done end with it."""
    living = [
        (start + c.row, c.token_id, c.total / e.scale)
        for start, e in parts
        if not e.done
        for c in e.living
    ]
    over = [
        (start + c.row, c.token_id, c.total / e.scale)
        for start, e in parts
        for c in [*(e.living if e.done else []), *e.ended]
    ]
    chosen = living + over
    tokens = torch.tensor([token_id for _, token_id, _ in chosen], device=law.device)
    rows = torch.tensor([row for row, _, _ in chosen], device=law.device)
    return Move(
        parents=tuple(row for row, _, _ in chosen),
        token_ids=tuple(token_id for _, token_id, _ in chosen),
        logprobs=one_hot(law[rows], tokens),
        scores=tuple(score for _, _, score in chosen),
        ended=frozenset(range(len(living), len(chosen))),
        done=done,
    )


class DiverseBeamParams(Params):
    """Parameters of `diverse_beam`."""

    groups: int = Field(
        default=3,
        ge=1,
        le=8,
        description="Groups that must differ from each other.",
        json_schema_extra={"slider": [1, 8, 1]},
    )
    group_width: int = Field(
        default=2,
        ge=1,
        le=8,
        description="Prefixes each group keeps; 1 makes every group a greedy walk.",
        json_schema_extra={"slider": [1, 8, 1]},
    )
    diversity: float = Field(
        default=0.5,
        ge=0,
        le=100,
        description="Nats a token costs for each earlier group's row that takes it at this step; "
        "0 makes all groups alike.",
        json_schema_extra={"slider": [0, 5, 0.1]},
    )
    length_penalty: float = Field(
        default=1.0,
        ge=-5,
        le=5,
        description="Scores are divided by length to this power.",
        json_schema_extra={"slider": [-1, 2, 0.1]},
    )


def build(params: DiverseBeamParams, processors: Sequence[Processor]) -> DiverseBeam:
    """The decoder of one lane."""
    return DiverseBeam(params, processors)


INFO = StageInfo(
    name="diverse_beam",
    title="diverse beam search",
    family="search",
    kind="chooser",
    summary="Several beams that are charged for repeating each other, step by step.",
    look_for="In the tree the groups part at the first token; without the penalty they would be "
    "one and the same.",
    source="Vijayakumar et al., Diverse Beam Search, arXiv:1610.02424",
    formula=r"s_g(x) = \sum_t \log p(x_t \mid x_{<t}) "
    r"- \lambda \cdot \#\{ \text{rows of groups before } g \text{ that took } x_t \}",
    params=DiverseBeamParams,
    build=build,
    idle=(Idle(("diversity",), "groups", "there is no other group to differ from.", when=(1,)),),
)
