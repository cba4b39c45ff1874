"""The laws and choices of some traces that share a prompt, by a few forwards for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.core import engine
from explorer.core.errors import ExplorerError
from explorer.core.forcing import Windows, forced_laws, windowed_laws
from explorer.core.handle import ModelHandle
from explorer.core.types import TokenStep, Trace
from explorer.decoders.spec import Chain, parse
from explorer.services.prompts import make_prompt
from explorer.services.scoring import is_scored, windows_of
from explorer.services.verify.choices import Choices
from explorer.services.verify.findings import Failed, Findings, Mismatch, judged
from explorer.services.verify.laws import Laws
from explorer.services.verify.record import check_places
from explorer.services.verify.rerun import check_rerun
from explorer.services.verify.tolerance import Tolerance, tolerance
from explorer.services.verify.views import view_at

if TYPE_CHECKING:
    from torch import Tensor

GROUP = 8
"""Rows that share a forward."""


@dataclass(slots=True)
class _Row:
    """One row of tokens under way: a trace's own, or another one of a search.

    `choices` replays its decoder from `first` on; None where nothing is replayed.
    """

    trace: Trace
    found: Findings
    steps: tuple[TokenStep, ...]
    allowed: Tolerance
    name: str = ""
    choices: Choices | None = None
    first: int = 0
    windows: Windows | None = None


def prove_group(
    traces: Sequence[tuple[Trace, Findings]],
    model: ModelHandle,
    second: Callable[[str], ModelHandle],
    scale: float = 1.0,
) -> None:
    """Compare laws and choices of traces with one prompt; what is found goes into the findings.

    Args:
        traces: known to be of this model.
        model: it.
        second: gives a model that a lane compares with, by its name.
        scale: multiplies the tolerances.
    """
    together: list[_Row] = []
    alone: list[tuple[_Row, engine.Context | None]] = []
    again: list[tuple[_Row, Chain, engine.Context | None]] = []
    for trace, found in traces:
        row = _Row(trace, found, trace.steps, tolerance(trace.model, model.info, scale))
        if row.steps:
            together += _others(row)
            _plan(row, model, second, together, alone, again)
    for start in range(0, len(together), GROUP):
        _prove(together[start : start + GROUP], model, None)
    for row, context in alone:
        _prove([row], model, context)
    for row, chain, context2 in again:
        if row.found.agrees:
            with judged(row.found):
                check_rerun(row.trace, chain, model, context2, row.allowed.nats, row.found)
    for trace, found in traces:
        if trace.steps and found.agrees:
            found.checked.append("every figure of the model's law")


def _plan(
    row: _Row,
    model: ModelHandle,
    second: Callable[[str], ModelHandle],
    together: list[_Row],
    alone: list[tuple[_Row, engine.Context | None]],
    again: list[tuple[_Row, Chain, engine.Context | None]],
) -> None:
    """Decide how a trace's choices are proven, and queue it there."""
    trace, found = row.trace, row.found
    if is_scored(trace.decoder):
        row.first, row.windows = len(trace.steps), windows_of(trace.decoder)
        if row.windows is None:
            together.append(row)
        else:
            alone.append((row, None))
        return
    chain = parse(trace.decoder)
    row.first = trace.given
    try:
        context = _context(chain, trace, model, second)
    except ExplorerError as error:
        found.lacks(f"its choices: they need a second context. {error}")
        together.append(row)
        return
    if chain.build().width > 1 or chain.reads_layers:
        together.append(row)
        again.append((row, chain, context))
        return
    is_point = chain.chooser.info.name == "latent_point"
    row.choices = Choices(chain.build(), row.allowed.nats, dict(trace.pieces), is_point=is_point)
    if context is None:
        together.append(row)
    else:
        alone.append((row, context))
    found.checked.append("every choice: support, noise, sampling law")


def _others(row: _Row) -> list[_Row]:
    """The rows of a search besides the one the trace shows."""
    found = []
    for i, hypothesis in enumerate(row.trace.hypotheses):
        if hypothesis.steps and hypothesis.steps != row.steps:
            found.append(
                _Row(
                    row.trace,
                    row.found,
                    hypothesis.steps,
                    row.allowed,
                    f"hypotheses.{i}.",
                    first=row.trace.given,
                )
            )
    return found


def _context(
    chain: Chain, trace: Trace, model: ModelHandle, second: Callable[[str], ModelHandle]
) -> engine.Context | None:
    wanted = chain.second
    if wanted is None:
        return None
    other = second(wanted.model) if wanted.model else model
    prompt = trace.prompt
    if wanted.prompt is not None:
        prompt = make_prompt(other, wanted.prompt, chat=prompt.template == "chat")
    return engine.Context("second", other, prompt.ids)


def _prove(rows: list[_Row], model: ModelHandle, context: engine.Context | None) -> None:
    """Run the model over rows, and compare chunk by chunk."""
    rows = [row for row in rows if row.found.agrees]
    if not rows:
        return
    prompt = rows[0].trace.prompt.ids
    ids = [[step.token_id for step in row.steps] for row in rows]
    seconds = _second_laws(context, ids)
    for row in rows:
        if row.name:
            with judged(row.found, row.name):
                check_places(row.steps[row.first :])
    windows = rows[0].windows
    laws = (
        forced_laws(model, prompt, ids)
        if windows is None
        else windowed_laws(model, prompt, ids[0], windows)
    )
    for first, logits in laws:
        others = None if seconds is None else next(seconds)
        for r, row in enumerate(rows):
            steps = row.steps[first : first + logits.shape[1]]
            if steps and row.found.agrees:
                with judged(row.found, row.name):
                    _compare(
                        row,
                        steps,
                        logits[r, : len(steps)],
                        None if others is None else others[0],
                        model,
                    )


def _second_laws(
    context: engine.Context | None, ids: Sequence[Sequence[int]]
) -> Iterator[Tensor] | None:
    if context is None:
        return None
    return (logits for _, logits in forced_laws(context.model, context.prompt_ids, ids))


def _compare(
    row: _Row,
    steps: Sequence[TokenStep],
    logits: Tensor,
    second: Tensor | None,
    model: ModelHandle,
) -> None:
    laws = Laws(logits, steps, row.allowed, dict(row.trace.pieces))
    for i, step in enumerate(steps):
        laws.check(i, row.found)
        if step.index < row.first:
            check_given(step, row.trace)
        elif row.choices is not None:
            other = None if second is None else second[i : i + 1]
            view = view_at(
                row.trace,
                step.index,
                laws.logits[i : i + 1],
                laws.logprobs[i : i + 1],
                other,
                model,
            )
            row.choices.check(view, step, row.found)


def check_given(step: TokenStep, trace: Trace) -> None:
    """See that a token nobody drew has the model's law for its sampling law.

    Raises:
        Failed: if another is stated.
    """
    shown = trace.pieces.get(step.token_id, "")
    pairs = [
        ("sampling_surprisal", step.sampling_surprisal, step.surprisal),
        ("sampling_entropy", step.sampling_entropy, step.entropy),
        *(("top_sampling_logprobs", c.sampling_logprob, c.logprob) for c in step.top),
    ]
    for name, said, wanted in pairs:
        if said != wanted and not abs(said - wanted) <= 1e-5:
            raise Failed(
                Mismatch(f"tokens.{name}", f"{said:.6f}", f"{wanted:.6f}", step.index, shown)
            )
    if step.extra or step.notes:
        raise Failed(
            Mismatch("tokens.notes", "something", "nothing: the token was given", step.index, shown)
        )
