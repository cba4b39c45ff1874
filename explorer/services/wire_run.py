"""The wire lines of one run: what every lane has gained since the last call."""

from __future__ import annotations

import uuid

from explorer.analyzers import measure
from explorer.core.recorder import LaneRecord
from explorer.core.types import StopReason, TokenStep
from explorer.render import wire
from explorer.services.generation import Run


class WireRun:
    """Follows a run's recorder and writes what is new.

    Args:
        run: the run to follow, at any point of its life.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._writer = wire.WireWriter(run.model.tokenizer)
        self._sent = [0] * len(run.chains)
        self._tips: list[TokenStep | None] = [None] * len(run.chains)
        self._loop_marks = [0] * len(run.chains)
        self._ended: set[int] = set()

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
                    wire.LaneHeader(c.canonical, c.title, c.sources, c.muted) for c in run.chains
                ),
            )
        )

    def news(self, *, metrics: bool) -> str:
        """Lines for what every lane has gained since the last call."""
        lanes = enumerate(self._run.recorder.lanes)
        return "".join(self._lane(i, x, metrics) for i, x in lanes if i not in self._ended)

    def last(self, elapsed_s: float) -> str:
        """The closing lines; a lane that has not stopped counts as cancelled."""
        for record in self._run.recorder.lanes:
            record.reason = record.reason or StopReason.CANCELLED
        return self.news(metrics=True) + wire.done_line(self._run.options.seed, elapsed_s)

    def _lane(self, lane: int, record: LaneRecord, metrics: bool) -> str:
        parts = []
        sent, steps = self._sent[lane], record.steps
        # A path differs from the one sent exactly where its last sent step is another object.
        if sent and steps[sent - 1 : sent] != [self._tips[lane]]:
            sent = min(record.kept, sent)
            parts.append(wire.cut_line(lane, sent))
        parts.append(self._writer.tokens(lane, steps[sent:]))
        self._sent[lane], self._tips[lane] = len(steps), steps[-1] if steps else None
        parts.append(self._loops(lane, record))
        if metrics or record.reason is not None:
            parts.append(wire.metrics_line(lane, lane_metrics(record)))
        if record.reason is not None:
            parts.append(wire.end_line(lane, record.reason))
            self._ended.add(lane)
        return "".join(parts)

    def _loops(self, lane: int, record: LaneRecord) -> str:
        # A growing loop is sent again at each whole copy and at the end, not at every token.
        mark = sum(1 + int(loop.copies) for loop in record.loops)
        if mark == self._loop_marks[lane] and (not mark or record.reason is None):
            return ""
        self._loop_marks[lane] = mark
        return wire.loops_line(lane, record.loops)


def lane_metrics(record: LaneRecord) -> dict[str, float | int | str | None]:
    """A lane's row of the metric table; information quantities in nats."""
    loop = record.loops[-1] if record.loops else None
    rate = len(record.steps) / record.elapsed_s if record.elapsed_s > 0 else None
    return {
        "tokens": len(record.steps),
        "stop_reason": str(record.reason) if record.reason else None,
        **measure(record.steps),
        "loop_onset": loop.onset if loop else None,
        "loop_period": loop.period if loop else None,
        "loop_copies": round(loop.copies, 2) if loop else None,
        "tokens_per_s": round(rate, 1) if rate else None,
    }
