"""Tables in plain text, with the unit in every header."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.core.types import Trace


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns aligned by width; the first to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def render(row: Sequence[str]) -> str:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        return "  ".join(cells).rstrip()

    return "\n".join([render(header), render(["-" * w for w in widths]), *map(render, rows)])


def metric_table(traces: Sequence[Trace]) -> str:
    """One row a lane: tokens, stop reason, the metrics, loops, speed. Bits on screen."""
    from explorer.analyzers import ALL
    from explorer.core.units import to_bits

    header = ["decoder", "tokens", "stop"]
    header += [f"{info.title} (bits)" if info.unit == "nats" else info.title for info in ALL]
    header += ["loop onset", "period", "copies", "tokens/s"]
    rows = []
    for trace in traces:
        row = [trace.decoder, str(len(trace.steps)), str(trace.stop_reason)]
        for info in ALL:
            value = info.run(trace.steps)
            in_bits = value is not None and info.unit == "nats"
            row.append(_number(to_bits(value) if in_bits and value is not None else value))
        loop = trace.loops[-1] if trace.loops else None
        row += [str(loop.onset), str(loop.period), f"{loop.copies:.1f}"] if loop else ["-"] * 3
        row.append(f"{trace.timing.get('tokens_per_s', 0):.1f}")
        rows.append(row)
    return table(header, rows)


def token_table(trace: Trace) -> str:
    """One row a token: piece, surprisal, entropy, rank, probability."""
    import math

    from explorer.core.units import to_bits

    header = ["token", "surprisal (bits)", "entropy (bits)", "rank", "p"]
    rows = [
        [
            repr(trace.pieces.get(step.token_id, "")),
            f"{to_bits(step.surprisal):.2f}",
            f"{to_bits(step.entropy):.2f}",
            str(step.rank),
            f"{math.exp(-step.surprisal):.1%}",
        ]
        for step in trace.steps
    ]
    return table(header, rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
