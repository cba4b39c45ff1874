"""Files that a command was asked for, and what it says of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.core.types import Trace


def saved(out: Path, traces: Sequence[Trace], write: Callable[[], None]) -> bool:
    """Write a file and say so in one line on stderr, so that stdout stays empty for pipes.

    Args:
        out: the file.
        traces: what it will hold.
        write: writes it.

    Returns:
        False where it cannot be written; the line says why, and the caller shows what was made.
    """
    from explorer.render.palette import format_count

    try:
        write()
    except OSError as error:
        reason = error.strerror or str(error)
        print(
            f"explorer: '{out}' cannot be written: {reason}. What was made is shown instead.",
            file=sys.stderr,
        )
        return False
    tokens = sum(len(trace.steps) for trace in traces)
    made = f"{format_count(len(traces), 'trace')}, {format_count(tokens, 'token')}"
    print(f"wrote {made}, to {out}", file=sys.stderr)
    return True
