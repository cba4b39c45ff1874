"""Nucleus (top-p): the smallest set of tokens that holds probability p."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.deferred import torch
from explorer.core.params import Params
from explorer.core.recording import recording

if TYPE_CHECKING:
    from torch import Tensor

# Sorting a whole vocabulary costs more than anything else here; most nuclei lie within the
# likeliest hundreds, nearly all within the thousands, and where one does not the sort is made.
# torch finds up to a 64th of a vocabulary by a heap, in a third of the time of any more.
_TRIES = (512, 2048)


def nucleus(logits: Float[Tensor, "*rows vocab"], p: float) -> Float[Tensor, "*rows vocab"]:
    """Keep the likeliest tokens until their probability reaches `p`.

    The token that crosses the threshold stays, so at least one always does. Some 3 ms for 8
    rows of 49,152 on one thread, most of it to find the likeliest hundreds; where the nucleus is
    larger the vocabulary is sorted, tens of ms.

    Args:
        logits: float32 logits; never modified.
        p: probability to keep, in (0, 1]; 1 keeps all.

    Returns:
        A new tensor of the same shape, -inf where a token was cut.

    Raises:
        ValueError: if `p` is outside (0, 1].

    Source: Holtzman et al., "The Curious Case of Neural Text Degeneration", arXiv:1904.09751.
    Oracle: transformers.TopPLogitsWarper (tests/parity/test_processors.py).
    """
    if not 0 < p <= 1:
        raise ValueError(f"p must lie in (0, 1], got {p}")
    if p == 1:
        return logits.clone()
    vocab = logits.shape[-1]
    probs = torch.softmax(logits, dim=-1)
    for count in () if recording() else _TRIES:
        values, indices = probs.topk(min(count, vocab), dim=-1)
        reached = values.cumsum(dim=-1)
        if not bool((reached[..., -1] < p).any()):
            break
    else:
        values, indices = probs.sort(dim=-1, descending=True, stable=True)
        reached = values.cumsum(dim=-1)
    inside = (reached - values) < p
    inside[..., 0] = True
    keep = torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, indices, inside)
    return logits.masked_fill(~keep, -math.inf)


class NucleusParams(Params):
    """Parameters of `nucleus`."""

    p: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="Probability that the kept tokens hold together; 1 switches it off.",
        json_schema_extra={"slider": [0.05, 1, 0.01]},
    )


def build(params: NucleusParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: nucleus(logits, params.p)


INFO = StageInfo(
    name="nucleus",
    title="nucleus",
    family="truncation",
    kind="processor",
    summary="Top-p: samples from the smallest set of tokens whose probabilities sum to p.",
    look_for="Support size breathes with the entropy: a few tokens where the model is sure, "
    "thousands where it is not.",
    source="Holtzman et al., The Curious Case of Neural Text Degeneration, arXiv:1904.09751",
    formula=r"\text{keep the fewest likeliest tokens } V \text{ with } \sum_{v \in V} p(v) \ge p",
    params=NucleusParams,
    build=build,
    neutral={"p": 1.0},
    keeps_argmax=True,
    on_device=True,
)
