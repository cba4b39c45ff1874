"""The watermark classes of transformers, imported when they are needed: that takes seconds."""

from __future__ import annotations

from typing import Any

from explorer.core.deferred import torch


def green_list_processor(
    vocab: int, device: torch.device, *, share: float, bias: float, key: int
) -> Any:
    """`WatermarkLogitsProcessor` with the left hash over one token."""
    from transformers import WatermarkLogitsProcessor

    return WatermarkLogitsProcessor(
        vocab_size=vocab,
        device=str(device),
        greenlist_ratio=share,
        bias=bias,
        hashing_key=key,
        seeding_scheme="lefthash",
        context_width=1,
    )


def synthid_processor(device: torch.device, *, ngram: int, keys: list[int]) -> Any:
    """`SynthIDTextWatermarkLogitsProcessor` with its published table."""
    from transformers import SynthIDTextWatermarkLogitsProcessor

    return SynthIDTextWatermarkLogitsProcessor(
        ngram_len=ngram,
        keys=keys,
        sampling_table_size=2**16,
        sampling_table_seed=0,
        context_history_size=1024,
        device=device,
    )
