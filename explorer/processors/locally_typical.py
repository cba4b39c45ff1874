"""Locally typical sampling: tokens about as surprising as the model expects."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.deferred import torch
from explorer.core.distribution import entropy, log_normalise
from explorer.core.params import Params
from explorer.core.recording import recording

if TYPE_CHECKING:
    from torch import Tensor

_FIRST_TRY = 512  # as in nucleus: the full sort is made only where this does not reach the mass


def locally_typical(
    logits: Float[Tensor, "*rows vocab"], mass: float, min_keep: int = 1
) -> Float[Tensor, "*rows vocab"]:
    """Keep the tokens whose surprisal is closest to the entropy.

    Tokens are ranked by |surprisal - entropy|; the shortest prefix whose probability reaches
    `mass` survives, with every token that ties with its last. The likeliest token may be
    dropped: that is the method, not a bug. A law, its entropy, a distance a token and the
    nearest hundreds of them: some 5 ms for 8 rows of 49,152 on one thread, more where
    the whole vocabulary must be ranked.

    Args:
        logits: float32 logits; never modified.
        mass: probability to keep, in (0, 1]; 1 keeps all.
        min_keep: fewest tokens to keep, at least 1.

    Returns:
        A new tensor of the same shape, at least one finite entry a row.

    Raises:
        ValueError: if `mass` is outside (0, 1] or `min_keep` is below 1.

    Source: Meister et al., "Locally Typical Sampling", arXiv:2202.00666.
    Oracle: transformers.TypicalLogitsWarper (tests/parity/test_processors.py) and the authors'
        own class (golden numbers in tests/golden/).

    >>> flat = torch.tensor([0.4, 0.2, 0.2, 0.2]).log()
    >>> locally_typical(flat, mass=0.5).isfinite().tolist()
    [False, True, True, True]
    """
    if not 0 < mass <= 1:
        raise ValueError(f"mass must lie in (0, 1], got {mass}")
    if min_keep < 1:
        raise ValueError(f"min_keep must be at least 1, got {min_keep}")
    if mass == 1:
        return logits.clone()
    logprobs, probs = log_normalise(logits), torch.softmax(logits, dim=-1)
    # A token of probability zero is infinitely far from typical: it sorts last.
    distance = (-logprobs - entropy(logprobs).unsqueeze(-1)).abs()
    vocab = logits.shape[-1]
    count = vocab if recording() else min(max(_FIRST_TRY, min_keep), vocab)
    nearest = distance.topk(count, dim=-1, largest=False)
    reached = probs.gather(-1, nearest.indices).cumsum(dim=-1)
    ranked = nearest.values
    if count < vocab and bool((reached[..., -1] < mass).any()):
        ranked, order = distance.sort(dim=-1)
        reached = probs.gather(-1, order).cumsum(dim=-1)
    last = (reached < mass).sum(dim=-1, keepdim=True).clamp(min_keep - 1, ranked.shape[-1] - 1)
    return logits.masked_fill(distance > ranked.gather(-1, last), -math.inf)


class LocallyTypicalParams(Params):
    """Parameters of `locally_typical`."""

    mass: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="Probability to keep, most typical tokens first; 1 switches it off.",
        json_schema_extra={"slider": [0.05, 1, 0.01]},
    )


def build(params: LocallyTypicalParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: locally_typical(logits, params.mass)


INFO = StageInfo(
    name="locally_typical",
    title="locally typical",
    family="truncation",
    kind="processor",
    summary="Keeps the tokens whose surprisal is closest to the entropy: neither dull nor wild.",
    look_for="At mass 0.2 the likeliest token is often cut: ranks above 0 where other methods "
    "take rank 0.",
    source="Meister et al., Locally Typical Sampling, arXiv:2202.00666",
    formula=r"\text{keep the tokens of smallest } \left| -\log p(v) - H(p) \right| "
    r"\text{ until } \sum p(v) \ge \text{mass}",
    params=LocallyTypicalParams,
    build=build,
    neutral={"mass": 1.0},
    on_device=True,
)
