"""Top-H: as many tokens as a share of the law's entropy allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.deferred import torch
from explorer.core.distribution import entropy, log_normalise
from explorer.core.params import Params
from explorer.core.recording import recording

if TYPE_CHECKING:
    from torch import Tensor

Rule = Literal["paper", "code"]

_CODE_TOKENS = 100
_TRIES = (512, 2048)  # the whole sort is made only where the budget reaches further


def top_h(
    logits: Float[Tensor, "rows vocab"], h: float, rule: Rule = "paper"
) -> Float[Tensor, "rows vocab"]:
    """Keep the likeliest tokens while their entropy stays within h times the law's.

    Paper and code differ, and the numbers do too:
    "paper" bounds the entropy of the *kept law, renormalised*, by h times H(p) over the whole
    vocabulary;
    "code" (transformers) adds up the terms -p log p of the 100 likeliest tokens, normalised
    among these 100 and *not* again after the cut, and compares with h times the entropy of the
    100. It never keeps more than 100 tokens.
    Both always keep the likeliest, and what ties with the last one kept. Under "paper" a law,
    its entropy and the likeliest hundreds: some 4 ms for 8 rows of 49,152 on one thread.

    Args:
        logits: float32 logits; never modified.
        h: in (0, 1]; 1 keeps all under "paper".
        rule: which of the two.

    Returns:
        A new tensor of the same shape, -inf where a token was cut.

    Raises:
        ValueError: if `h` is outside (0, 1].

    Source: Baghaei Potraghloo et al., "Top-H Decoding: Adapting the Creativity and Coherence
        with Bounded Entropy in Text Generation", arXiv:2509.02510.
    Oracle: transformers.TopHLogitsWarper for "code" (tests/parity/test_processors.py), the
        definition with lists for "paper" (tests/unit/processors/).
    """
    if not 0 < h <= 1:
        raise ValueError(f"h must lie in (0, 1], got {h}")
    if rule == "code":
        return _by_code(logits, h)
    if h == 1:
        return logits.clone()
    logprobs = log_normalise(logits)
    budget = h * entropy(logprobs).unsqueeze(-1)
    vocab = logits.shape[-1]
    total = logits.logsumexp(dim=-1, keepdim=True)
    for count in () if recording() else _TRIES:
        best = logits.topk(min(count, vocab), dim=-1).values
        within = _prefix_entropy(best - total) <= budget
        if count >= vocab or not bool(within[:, -1].any()):
            break
    else:
        best = logits.sort(dim=-1, descending=True).values
        within = _prefix_entropy(best - total) <= budget
    # Tokens up to the first that breaks the budget; the likeliest whatever it costs.
    kept = within.long().cumprod(dim=-1).bool()
    kept[:, 0] = True
    return _only(logits, best, kept)


def _prefix_entropy(sorted_logprobs: Tensor) -> Tensor:
    """[rows, n] entropy of the renormalised law of the first 1 … n tokens, nats."""
    probs = sorted_logprobs.exp()
    mass = probs.cumsum(dim=-1)
    terms = torch.where(probs > 0, probs * sorted_logprobs, 0.0)
    return mass.log() - terms.cumsum(dim=-1) / mass


def _by_code(logits: Tensor, h: float) -> Tensor:
    best = logits.topk(min(_CODE_TOKENS, logits.shape[-1]), dim=-1).values
    logprobs = log_normalise(best)
    terms = torch.where(logprobs > -math.inf, -logprobs.exp() * logprobs, 0.0)
    within = terms.cumsum(dim=-1) <= h * terms.sum(dim=-1, keepdim=True)
    kept = within.long().cumprod(dim=-1).bool()
    kept[:, 0] = True
    return _only(logits, best, kept)


def _only(logits: Tensor, best: Tensor, kept: Tensor) -> Tensor:
    """Cut what lies below the last kept of the `best` logits, [rows, n], likeliest first."""
    last = best.gather(-1, kept.sum(dim=-1, keepdim=True) - 1)
    return logits.masked_fill(logits < last, -math.inf)


class TopHParams(Params):
    """Parameters of `top_h`."""

    h: float = Field(
        default=0.4,
        gt=0,
        le=1,
        description="Share of the law's entropy that the kept tokens may have.",
        json_schema_extra={"slider": [0.05, 1, 0.05]},
    )
    rule: Rule = Field(
        default="paper",
        description="paper: entropy of the kept law, renormalised; code: transformers' sum of "
        "terms over the 100 likeliest.",
    )


def build(params: TopHParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: top_h(logits, params.h, params.rule)


INFO = StageInfo(
    name="top_h",
    title="top-H",
    family="truncation",
    kind="processor",
    summary="Bounds the randomness of the choice to a share of the model's own uncertainty.",
    look_for="Sampling entropy is at most h times the model's entropy on every token: the two "
    "curves never cross.",
    source="Baghaei Potraghloo et al., Top-H Decoding, arXiv:2509.02510",
    formula=r"\text{keep the likeliest tokens, as many as have } H(q) \le h \cdot H(p)",
    params=TopHParams,
    build=build,
    neutral={"h": 1.0, "rule": "paper"},
    keeps_argmax=True,
    on_device=True,
)
