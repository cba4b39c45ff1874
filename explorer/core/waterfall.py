"""The waterfall of one token: what every stage of its chain did to the law, one after another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jaxtyping import Float

from explorer.core.decoder import Processor, StepView
from explorer.core.deferred import torch
from explorer.core.distribution import entropy, kl, log_normalise, support_size
from explorer.core.errors import NumericalFailure

if TYPE_CHECKING:
    from torch import Tensor

Span = tuple[float, float]
"""Least and most a quantity can be; equal where it is known."""


@dataclass(frozen=True, slots=True)
class StageRow:
    """What one stage did.

    Attributes:
        stage: place of the stage in the chain as it ran.
        tokens_left: tokens still possible after it.
        mass_cut: probability, under the law before it, of the tokens it made impossible.
        entropy_before: of the law it read, nats.
        entropy_after: of the law it left, nats.
        kl: KL(law after it || p), nats; infinite where it allows what p rules out.
        cut_runner_up: it made the runner-up impossible.
        missing: what it would need and is not there, in words; "" where the numbers stand.
    """

    stage: int
    tokens_left: Span = (0, 0)
    mass_cut: Span = (0, 0)
    entropy_before: Span = (0, 0)
    entropy_after: Span = (0, 0)
    kl: Span = (0, 0)
    cut_runner_up: bool = False
    missing: str = ""


@dataclass(frozen=True, slots=True)
class StagePart:
    """A stage to be run.

    Attributes:
        stage: its place in the chain as it ran.
        process: the processor, or None where it cannot be run.
        missing: why it cannot.
    """

    stage: int
    process: Processor | None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Waterfall:
    """The rows of one token, and the law at the end.

    Attributes:
        rows: one a stage, in the order they were run.
        runner_up: the likeliest token under p other than the one taken; None in a vocabulary of
            one.
        law: [vocab] log-probabilities after the last stage; None where a stage could not be run.
    """

    rows: tuple[StageRow, ...]
    runner_up: int | None
    law: Tensor | None


def runner_up(logprobs: Float[Tensor, " vocab"], chosen: int) -> int | None:
    """The likeliest token other than `chosen`; None if there is none.

    >>> runner_up(torch.tensor([0.5, 0.3, 0.2]).log(), 0)
    1
    >>> runner_up(torch.tensor([0.5, 0.3, 0.2]).log(), 2)
    0
    """
    best = logprobs.topk(min(2, logprobs.shape[-1])).indices.tolist()
    return next((token_id for token_id in best if token_id != chosen), None)


def waterfall(
    view: StepView, parts: Sequence[StagePart], chosen: int, *, scores: Tensor | None = None
) -> Waterfall:
    """Run the stages one by one and measure the law between them.

    Args:
        view: the step of one row, with its real history.
        parts: the stages, in the order to try.
        chosen: the token that was taken.
        scores: [1, vocab] what the first stage reads; by default the raw logits. Beams pass
            log-probabilities.

    Returns:
        A row a stage. From a stage that cannot be run on, or that leaves NaN or no possible
        token, no row has numbers: later stages would read what is not known.
    """
    p = view.logprobs[0]
    second = runner_up(p, chosen)
    current = view.logits if scores is None else scores
    before: Tensor | None = p
    rows: list[StageRow] = []
    for part in parts:
        if before is None:
            rows.append(StageRow(part.stage, missing="what the stage before it left"))
            continue
        if part.process is None:
            rows.append(StageRow(part.stage, missing=part.missing))
            before = None
            continue
        current, after = _applied(part.process, current, view)
        if after is None:
            rows.append(StageRow(part.stage, missing="a possible token: it left none"))
        else:
            rows.append(_row(part.stage, p, before, after, second))
        before = after
    return Waterfall(tuple(rows), second, before)


def _applied(process: Processor, current: Tensor, view: StepView) -> tuple[Tensor, Tensor | None]:
    """The new logits and their law [vocab]; no law where nothing possible is left."""
    try:
        current = process(current, view)
    except NumericalFailure:
        return current, None
    law = log_normalise(current)[0]
    return current, None if bool(law[:1].isnan()) else law


def _row(stage: int, p: Tensor, before: Tensor, after: Tensor, second: int | None) -> StageRow:
    was, left = before > -math.inf, after > -math.inf
    gone = was & ~left
    # In float64 and as a sum of what went: 1 minus what stayed would lose small shares.
    cut = float(before[gone].cpu().double().exp().sum())
    tokens = float(support_size(after))
    h_before, h_after = float(entropy(before)), float(entropy(after))
    distance = max(0.0, float(kl(after, p)))
    return StageRow(
        stage,
        tokens_left=(tokens, tokens),
        mass_cut=(cut, cut),
        entropy_before=(h_before, h_before),
        entropy_after=(h_after, h_after),
        kl=(distance, distance),
        cut_runner_up=second is not None and bool(gone[second]),
    )


def make_view(
    logits: Float[Tensor, " vocab"],
    history: Sequence[int],
    prompt_length: int,
    uniform: float,
) -> StepView:
    """A view of one row from its logits and history."""
    row = logits.float().unsqueeze(0)
    return StepView(
        logits=row,
        logprobs=torch.log_softmax(row, dim=-1),
        histories=(list(history),),
        prompt_length=prompt_length,
        uniforms=(uniform,),
    )
