"""Watermarks that change the law: how many of a text's tokens the key favours.

Source: Kirchenbauer et al., arXiv:2301.10226 (green lists); Dathathri et al., "Scalable
    watermarking for identifying large language model outputs", Nature 634, 2024 (SynthID).
Oracle: transformers' own processors, which planted them (tests/labs/test_lab_watermarks.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from explorer.core.deferred import torch
from explorer.core.watermarks import green_list_processor, synthid_processor
from explorer.labs.watermarks.alignment import green_p
from explorer.processors.kgw import KgwParams
from explorer.processors.synthid import SynthidParams, keys_of


def kgw_p(ids: Sequence[int], before: int, vocab: int, params: KgwParams) -> float:
    """One-sided p-value of the count of green tokens.

    Args:
        ids: the text's tokens.
        before: the token before the first.
        vocab: size of the law that was biased.
        params: as the text was made.
    """
    made = green_list_processor(
        vocab, torch.device("cpu"), share=params.share, bias=params.bias, key=params.key
    )
    past = [before, *ids[:-1]]
    lists = [set(made._get_greenlist_ids(torch.tensor([last])).tolist()) for last in past]
    green = sum(token in allowed for token, allowed in zip(ids, lists, strict=True))
    return green_p(green, len(ids), int(vocab * params.share) / vocab)


def synthid_p(ids: Sequence[int], params: SynthidParams) -> float:
    """One-sided p-value of the ones among the key's bits; a fair coin each without the key.

    Tokens whose n-gram begins before the text have no bit; n-grams that came before are left
    out, as in the published detector.
    """
    made = synthid_processor(torch.device("cpu"), ngram=params.ngram, keys=keys_of(params))
    if len(ids) < params.ngram:
        return 1.0
    row = torch.tensor([list(ids)])
    bits = made.compute_g_values(row)[0]
    kept = made.compute_context_repetition_mask(row)[0].bool()
    ones = int(bits[kept].sum())
    return green_p(ones, int(kept.sum()) * bits.shape[-1], 0.5)
