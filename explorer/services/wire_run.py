"""The wire lines of one run: what every lane has gained since the last call."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from explorer.analyzers import measure
from explorer.core.recorder import LaneRecord
from explorer.core.types import Loop, StopReason, TokenStep, Trace
from explorer.render import wire
from explorer.services.generation import Run

MAX_TREE_STEPS = 6_000
"""Steps of all rows of a lane that the page is told of: some 250 kB a lane."""

Metrics = dict[str, float | int | str | None]


@dataclass(slots=True)
class _Sent:
    """What the page has of one lane."""

    steps: list[TokenStep] = field(default_factory=list)
    loops: int = 0
    ended: bool = False
    tree: int = 0


class WireRun:
    """Follows a run's recorder and writes what is new.

    Args:
        run: the run to follow, at any point of its life.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._writer = wire.WireWriter(run.model.tokenizer)
        self._lanes = [_Sent() for _ in run.chains]
        self._widths = widths(run)
        self.rewrote = False
        """True once a lane took tokens back: the lines so far hold some that are gone."""

    def header(self) -> str:
        """The first line."""
        run = self._run
        return self._writer.header(
            wire.RunHeader(
                run=uuid.uuid4().hex[:12],
                model=run.model.info,
                prompt=run.prompt,
                seed=run.options.seed,
                coupled=run.options.coupled,
                top=run.options.top,
                max_new_tokens=run.options.max_new_tokens,
                lanes=tuple(
                    wire.LaneHeader(c.canonical, c.title, c.sources, c.muted, rows)
                    for c, rows in zip(run.chains, self._widths, strict=True)
                ),
            )
        )

    def news(self, *, metrics: bool) -> str:
        """Lines for what every lane has gained since the last call."""
        lanes = enumerate(self._run.recorder.lanes)
        return "".join(self._lane(i, x, metrics) for i, x in lanes if not self._lanes[i].ended)

    def last(self, elapsed_s: float) -> str:
        """The closing lines; a lane that has not stopped counts as cancelled."""
        for record in self._run.recorder.lanes:
            record.reason = record.reason or StopReason.CANCELLED
        return self.news(metrics=True) + wire.done_line(self._run.options.seed, elapsed_s)

    def _lane(self, lane: int, record: LaneRecord, metrics: bool) -> str:
        parts, sent, steps = [], self._lanes[lane], record.steps
        kept = _shared(sent.steps, steps)
        if kept < len(sent.steps):
            del sent.steps[kept:]
            self.rewrote = True
            parts.append(wire.cut_line(lane, kept))
        parts.append(self._writer.tokens(lane, steps[kept:]))
        sent.steps += steps[kept:]
        parts.append(self._loops(lane, record))
        if self._widths[lane] > 1:
            news = tree_news(self._run, lane, sent.tree)
            sent.tree += len(news.steps)
            if news.steps or record.reason is not None:
                parts.append(self._writer.tree(lane, news))
        if metrics or record.reason is not None:
            rate = self._run.recorder.rate(lane)
            row = lane_metrics(record.steps, record.loops, record.reason, rate)
            parts.append(wire.metrics_line(lane, row))
        if record.reason is not None:
            parts.append(wire.end_line(lane, record.reason))
            sent.ended = True
        return "".join(parts)

    def _loops(self, lane: int, record: LaneRecord) -> str:
        # A growing loop is sent again at each whole copy and at the end, not at every token.
        mark = sum(1 + int(loop.copies) for loop in record.loops)
        if mark == self._lanes[lane].loops and (not mark or record.reason is None):
            return ""
        self._lanes[lane].loops = mark
        return wire.loops_line(lane, record.loops)


def widths(run: Run) -> tuple[int, ...]:
    """Most rows each lane of a run holds at once."""
    return tuple(chain.build().width for chain in run.chains)


def tree_news(run: Run, lane: int, known: int) -> wire.TreeNews:
    """What the rows of a lane have gained, within `MAX_TREE_STEPS`.

    Args:
        run: whose lane it is.
        lane: which.
        known: how many of its steps were told before.
    """
    record, eos_ids = run.recorder.lanes[lane], run.recorder.facts.eos_ids
    steps = tuple(run.recorder.grown(lane, known, MAX_TREE_STEPS))
    is_cut = known + len(steps) >= MAX_TREE_STEPS
    last = steps[-1].index if steps else -1
    # Rows that are not told of cannot be said to be alive.
    alive = () if is_cut and record.steps and record.steps[-1].index > last else record.alive
    leaves = tuple((leaf, leaf.token_id in eos_ids) for leaf in record.leaves)
    best = record.steps[-1] if record.steps else None
    return wire.TreeNews(steps, alive, leaves, best, is_cut, record.reason is not None)


def _shared(sent: Sequence[TokenStep], steps: Sequence[TokenStep]) -> int:
    """How many first steps are the same objects.

    Two rows of a search never share a step behind one they do not share, so a look at the last
    one is enough where nothing was taken back.
    """
    if not sent or (len(steps) >= len(sent) and steps[len(sent) - 1] is sent[-1]):
        return len(sent)
    for place, (one, other) in enumerate(zip(sent, steps, strict=False)):
        if one is not other:
            return place
    return min(len(sent), len(steps))


def closed_lines(run: Run, header: str, traces: Sequence[Trace], closing: str) -> str:
    """A run's traces as lines without any that was taken back, at any point of its life.

    Args:
        run: whose traces they are.
        header: its header line.
        traces: what it has made.
        closing: the lines that end it.
    """
    writer = wire.WireWriter(run.model.tokenizer)
    parts, many = [header], widths(run)
    for lane, trace in enumerate(traces):
        parts.append(writer.tokens(lane, trace.steps))
        if trace.loops:
            parts.append(wire.loops_line(lane, trace.loops))
        if many[lane] > 1:
            parts.append(writer.tree(lane, tree_news(run, lane, 0)))
        rate = trace.timing.get("tokens_per_s") or None
        row = lane_metrics(trace.steps, trace.loops, trace.stop_reason, rate)
        parts += [wire.metrics_line(lane, row), wire.end_line(lane, trace.stop_reason)]
    return "".join([*parts, closing])


def lane_metrics(
    steps: Sequence[TokenStep],
    loops: Sequence[Loop],
    reason: StopReason | None,
    rate: float | None,
) -> Metrics:
    """A lane's row of the metric table; information quantities in nats, `rate` tokens a second."""
    loop = loops[-1] if loops else None
    return {
        "tokens": len(steps),
        "stop_reason": str(reason) if reason else None,
        **measure(steps),
        "loop_onset": loop.onset if loop else None,
        "loop_period": loop.period if loop else None,
        "loop_copies": round(loop.copies, 2) if loop else None,
        "tokens_per_s": round(rate, 1) if rate else None,
    }
