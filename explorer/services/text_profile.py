"""A text's profile as plain data: what the page draws and the command prints."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from explorer.analyzers.profile import (
    Histogram,
    entropy_histogram,
    rank_histogram,
    share_histogram,
    sliding_perplexity,
    surprise,
)
from explorer.core.types import Trace

WINDOW = 32
"""Tokens over which perplexity slides."""


def text_profile(trace: Trace, window: int = WINDOW) -> dict[str, Any]:
    """Histograms, sliding perplexity and the zero-shot figure of a trace; nats throughout.

    Args:
        trace: a text, scored or made.
        window: tokens over which perplexity slides.

    Returns:
        JSON-able: `ranks`, `shares`, `entropies` with `edges` (null is infinite) and `counts`;
        `perplexity` with `window` and one value a window; `surprise` by the names of
        `explorer.analyzers.profile.Surprise`, null for a text without tokens.

    Raises:
        ValueError: for a window below 1.
    """
    found = surprise(trace.steps)
    return {
        "tokens": len(trace.steps),
        "ranks": _plain(rank_histogram(trace.steps)),
        "shares": _plain(share_histogram(trace.steps)),
        "entropies": _plain(entropy_histogram(trace.steps)),
        "perplexity": {
            "window": window,
            "values": [round(x, 4) for x in sliding_perplexity(trace.steps, window)],
        },
        "surprise": None if found is None else asdict(found),
    }


def _plain(histogram: Histogram) -> dict[str, object]:
    return {
        "edges": [None if math.isinf(edge) else edge for edge in histogram.edges],
        "counts": list(histogram.counts),
    }
