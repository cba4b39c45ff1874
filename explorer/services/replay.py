"""Traces as the page shows them, with no model: the wire's lines made from what a file holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

from explorer.core.errors import ExplorerError
from explorer.core.types import TokenStep, Trace
from explorer.decoders.spec import parse
from explorer.render import wire
from explorer.services.scoring import is_scored
from explorer.services.wire_run import MAX_TREE_STEPS, lane_metrics

MAX_LANES = 8
"""Lanes that one page shows side by side; more traces of a run make another page."""


class RecordedPieces:
    """What traces say of their tokens, in place of a tokenizer.

    Args:
        traces: of one tokenizer.
    """

    def __init__(self, traces: Sequence[Trace]) -> None:
        self._bytes = {i: text.encode() for t in traces for i, text in t.pieces.items()}
        self._bytes |= {i: data for t in traces for i, data in t.partial.items()}
        self._special = {i for t in traces for i in t.special}

    def token_bytes(self, token_id: int) -> bytes:
        """Exact bytes where the traces hold them; the id in brackets where they do not."""
        return self._bytes.get(token_id, f"[{token_id}]".encode())

    def is_special(self, token_id: int) -> bool:
        """True for what the traces call a control mark."""
        return token_id in self._special


@dataclass(frozen=True, slots=True)
class Replay:
    """Some traces of one run, as a page shows them.

    Attributes:
        traces: at most `MAX_LANES`, one a lane.
        ndjson: the lines of a finished run (docs/wire.md).
        max_new_tokens: how many each lane might have had, as far as the file says.
    """

    traces: tuple[Trace, ...]
    ndjson: str
    max_new_tokens: int


def replays(traces: Iterable[Trace]) -> Iterator[Replay]:
    """Runs of a file, each as one page shows it; neighbours of one prompt, model and seed."""
    for _, group in groupby(traces, key=_run_key):
        while lanes := tuple(islice(group, MAX_LANES)):
            yield replay(lanes)


def _run_key(trace: Trace) -> tuple[object, ...]:
    return (trace.model, trace.tokenizer_digest, trace.prompt, trace.seed, trace.noise.coupled)


def replay(traces: Sequence[Trace], names: Sequence[str] = ()) -> Replay:
    """Traces of one run as the lines a page reads.

    Args:
        traces: at least one; all of one prompt, model and seed, or the header is that of the
            first.
        names: what to say behind a lane's title, "" for nothing; () for no lane.
    """
    first = traces[0]
    most = max(t.terms.max_new_tokens if t.terms else len(t.steps) for t in traces)
    writer = wire.WireWriter(RecordedPieces(traces))
    header = wire.RunHeader(
        run=_run_id(first),
        model=first.model,
        prompt=first.prompt,
        seed=first.seed,
        coupled=first.noise.coupled,
        top=max((len(s.top) for t in traces for s in t.steps), default=0),
        max_new_tokens=most,
        lanes=tuple(map(_lane_header, traces, [*names, *[""] * len(traces)])),
    )
    parts = [writer.header(header)]
    for lane, trace in enumerate(traces):
        parts += [writer.tokens(lane, trace.steps)]
        parts += [wire.loops_line(lane, trace.loops)] if trace.loops else []
        if trace.hypotheses:
            parts.append(writer.tree(lane, _tree(trace)))
        rate = trace.timing.get("tokens_per_s") or None
        row = lane_metrics(trace.steps, trace.loops, trace.stop_reason, rate)
        parts += [wire.metrics_line(lane, row), wire.end_line(lane, trace.stop_reason)]
    elapsed = max(_seconds(trace) for trace in traces)
    parts.append(wire.done_line(first.seed, elapsed))
    return Replay(tuple(traces), "".join(parts), most)


def _seconds(trace: Trace) -> float:
    """How long a trace took; a rate (tokens_per_s) is no time."""
    return sum(v for k, v in trace.timing.items() if k.endswith("_s") and "_per_" not in k)


def _run_id(trace: Trace) -> str:
    key = f"{trace.model.digest}{trace.prompt.ids}{trace.seed}{trace.token_ids}"
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def _lane_header(trace: Trace, name: str) -> wire.LaneHeader:
    header = _plain_header(trace)
    return replace(header, title=f"{header.title} · {name}") if name else header


def _plain_header(trace: Trace) -> wire.LaneHeader:
    if is_scored(trace.decoder):
        return wire.LaneHeader(trace.decoder, "given text", "", ())
    rows = max(1, len(trace.hypotheses))
    try:
        chain = parse(trace.decoder)
    except ExplorerError:  # a stage of another version: its tokens can be shown all the same
        return wire.LaneHeader(trace.decoder, trace.decoder, "", (), rows)
    return wire.LaneHeader(
        trace.decoder, chain.title, chain.sources, chain.muted, max(rows, chain.build().width)
    )


def _tree(trace: Trace) -> wire.TreeNews:
    """The rows that a trace keeps of a search: the complete ones."""
    steps: dict[tuple[int, int], TokenStep] = {}
    for hypothesis in trace.hypotheses:
        steps.update({(s.index, s.row): s for s in hypothesis.steps})
    made = [steps[place] for place in sorted(steps)]
    leaves = tuple((h.steps[-1], h.finished) for h in trace.hypotheses if h.steps)
    is_cut = len(made) > MAX_TREE_STEPS
    best = trace.steps[-1] if trace.steps else None
    return wire.TreeNews(tuple(made[:MAX_TREE_STEPS]), (), leaves, best, is_cut, is_judged=True)
