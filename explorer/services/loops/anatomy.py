"""A loop of a trace taken apart: copies, their figures, how it could be left, as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from explorer.analyzers.loop_copies import Stretch, copy_table, stretches
from explorer.analyzers.loop_exits import caught_from, exits, leaving
from explorer.core.loops import LoopThresholds
from explorer.core.types import Trace

_DIGITS = 7
MOST_CELLS = 30_000
"""Of the table of copies, gaps included: those of near-loops need not fill it."""
MOST_ROWS = 400
LAST_ROWS = 20
"""Of more copies the first are shown and these last ones: what lies between them is most alike."""


def loops_of(trace: Trace) -> tuple[Stretch, ...]:
    """All loops of a trace, exact and near ones, by onset; what counts is as the run had it."""
    pieces = [trace.pieces.get(i, "") for i in trace.token_ids]
    return stretches(trace.token_ids, pieces, trace.loops, thresholds_of(trace))


def thresholds_of(trace: Trace) -> LoopThresholds:
    """What counted as a loop in the run; as usual where the trace does not say."""
    terms = trace.terms
    if terms is None:
        return LoopThresholds()
    try:
        return LoopThresholds(terms.loop_max_period, terms.loop_min_copies, terms.loop_min_tokens)
    except ValueError:  # a file may say what it likes
        return LoopThresholds()


def longest(found: Sequence[Stretch]) -> int:
    """The number of the loop with most tokens, the later of two; 0 where there is none."""
    return max(range(len(found)), key=lambda i: (found[i].end - found[i].onset, i), default=0)


def outline(stretch: Stretch) -> dict[str, Any]:
    """A loop in a list of loops."""
    return {
        "kind": stretch.kind,
        "onset": stretch.onset,
        "end": stretch.end,
        "period": round(stretch.period, 2),
        "copies": stretch.whole,
        "incomplete": stretch.whole < len(stretch.starts),
    }


def anatomy(trace: Trace, stretch: Stretch) -> dict[str, Any]:
    """One loop as docs/wire.md has it ("Loops", anatomy); nats, null for infinite."""
    ids = trace.token_ids
    table = copy_table(ids, stretch)
    shown = _shown(len(table.rows), len(table.unit))
    caught = caught_from(trace.steps, stretch)
    left = leaving(trace.steps, stretch)
    return {
        **outline(stretch),
        "tokens": [_token(trace, i) for i in range(stretch.onset, stretch.end)],
        "before": _before(trace, stretch.onset),
        "unit": list(table.unit),
        "rows": [list(table.rows[k]) for k in shown],
        "hidden": len(table.rows) - len(shown),
        "figures": [_copy(trace, k, *stretch.spans[k]) for k in shown],
        "caught": None if caught is None else [caught, stretch.starts[caught]],
        "leaves": None
        if left is None
        else {
            "index": left.index,
            "piece": _piece(trace, left.said),
            "mass": _number(left.mass),
            "expected": _piece(trace, left.expected),
            "expected_mass": _number(left.expected_mass),
        },
        "decoder": trace.decoder,
    }


def _shown(copies: int, columns: int) -> list[int]:
    """Which copies have a row."""
    most = max(2 * LAST_ROWS, min(MOST_ROWS, MOST_CELLS // max(1, columns)))
    if copies <= most:
        return list(range(copies))
    return [*range(most - LAST_ROWS), *range(copies - LAST_ROWS, copies)]


def _copy(trace: Trace, number: int, first: int, end: int) -> dict[str, Any]:
    found = exits(trace.steps, first, end)
    return {
        "copy": number,
        "first": first,
        "tokens": found.tokens,
        "through": _number(found.through),
        "mean": _number(found.mean),
        "widest": found.widest,
        "widest_mass": _number(found.widest_mass),
        "narrowest": found.narrowest,
        "narrowest_mass": _number(found.narrowest_mass),
        "other": None if found.other is None else _piece(trace, found.other),
        "other_mass": _number(found.other_mass),
        "margin": _number(found.margin),
        "argmax": found.argmax,
    }


def _token(trace: Trace, index: int) -> list[Any]:
    step = trace.steps[index]
    return [
        step.token_id,
        _piece(trace, step.token_id),
        _number(step.surprisal),
        _number(step.entropy),
        step.rank,
    ]


def _before(trace: Trace, onset: int) -> dict[str, Any] | None:
    """The token before the loop, of the continuation; null where the loop begins with it."""
    if onset == 0:
        return None
    return {"index": onset - 1, "token": _token(trace, onset - 1)}


def _piece(trace: Trace, token_id: int) -> str:
    return trace.pieces.get(token_id, f"⟨{token_id}⟩")


def _number(value: float | None) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.{_DIGITS}g}")
