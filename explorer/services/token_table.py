"""One row a token: what tables of every format have in common."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from explorer.core.types import TokenStep, Trace

COLUMNS = (
    "trace",
    "decoder",
    "seed",
    "index",
    "token_id",
    "piece",
    "surprisal_nats",
    "entropy_nats",
    "varentropy_nats2",
    "rank",
    "sampling_surprisal_nats",
    "sampling_entropy_nats",
    "support_size",
    "stop_reason",
)


def token_rows(traces: Iterable[Trace]) -> Iterator[tuple[object, ...]]:
    """One row a token, in the order of `COLUMNS`."""
    for number, trace in enumerate(traces):
        for step in trace.steps:
            yield token_row(number, trace, step)


def token_row(number: int, trace: Trace, step: TokenStep) -> tuple[object, ...]:
    """One token in the order of `COLUMNS`; `number` is the trace's place in the file."""
    return (
        number,
        trace.decoder,
        trace.seed,
        step.index,
        step.token_id,
        trace.pieces.get(step.token_id, ""),
        step.surprisal,
        step.entropy,
        step.varentropy,
        step.rank,
        step.sampling_surprisal,
        step.sampling_entropy,
        step.support_size,
        str(trace.stop_reason),
    )
