"""Logits processors: pure maps from logits to logits, one file each."""

from explorer.core.decoder import StageInfo
from explorer.processors import (
    epsilon,
    eta,
    locally_typical,
    min_p,
    no_repeat_ngram,
    nucleus,
    repetition_penalty,
    temperature,
    top_k,
)

ALL: tuple[StageInfo, ...] = (
    temperature.INFO,
    top_k.INFO,
    nucleus.INFO,
    min_p.INFO,
    locally_typical.INFO,
    eta.INFO,
    epsilon.INFO,
    repetition_penalty.INFO,
    no_repeat_ngram.INFO,
)
"""Order here is order on the page."""
