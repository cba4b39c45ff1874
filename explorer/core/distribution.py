"""Laws over a vocabulary: pure functions of log-probabilities, in nats, in float32.

Shapes: `rows` sequences by `vocab` tokens. A token with probability zero has log-probability
-inf and counts nothing in every sum (0 log 0 = 0).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from jaxtyping import Float, Int

from explorer.core.deferred import torch

if TYPE_CHECKING:
    from torch import Tensor

# float32 probabilities vanish below e^-104: any finite floor under that keeps 0 * log 0 at 0
# without changing a single term that counts.
_LOG_FLOOR = -1.0e4


def log_normalise(logits: Float[Tensor, "*rows vocab"]) -> Float[Tensor, "*rows vocab"]:
    """Log-softmax in float32; -inf logits stay -inf."""
    return torch.log_softmax(logits.float(), dim=-1)


def entropy(logprobs: Float[Tensor, "*rows vocab"]) -> Float[Tensor, "*rows"]:
    """H(p) = -sum p log p, nats.

    >>> round(float(entropy(torch.full((4,), 0.25).log())), 6) == round(math.log(4), 6)
    True
    """
    if logprobs.device.type != "cpu":
        return -(logprobs.exp() * logprobs.clamp_min(_LOG_FLOOR)).sum(dim=-1)
    rows = logprobs.reshape(-1, logprobs.shape[-1])
    means = [-torch.dot(part.exp(), part.clamp_min(_LOG_FLOOR)) for part in _parts(rows)]
    return torch.stack(means).reshape(logprobs.shape[:-1])


def entropy_and_varentropy(
    logprobs: Float[Tensor, "rows vocab"],
) -> tuple[Float[Tensor, " rows"], Float[Tensor, " rows"]]:
    """H(p) in nats and the variance of the surprisal under p in nats squared, in one pass."""
    if logprobs.device.type != "cpu":
        return _moments(logprobs)
    means, squares = [], []
    for part in _parts(logprobs):
        probs, floored = part.exp(), part.clamp_min(_LOG_FLOOR)
        means.append(-torch.dot(probs, floored))
        squares.append(torch.dot(probs, floored.square_()))
    mean = torch.stack(means)
    return mean, (torch.stack(squares) - mean.square()).clamp_min(0.0)


def _moments(logprobs: Tensor) -> tuple[Tensor, Tensor]:
    """Entropy and varentropy of all rows at once: a GPU is slowest at many small operations."""
    probs, floored = logprobs.exp(), logprobs.clamp_min(_LOG_FLOOR)
    mean = -(probs * floored).sum(dim=-1)
    return mean, ((probs * floored.square()).sum(dim=-1) - mean.square()).clamp_min(0.0)


def _parts(logprobs: Float[Tensor, "rows vocab"]) -> Iterable[Float[Tensor, " vocab"]]:
    """Laws one at a time.

    A block of eight laws is larger than a CPU's caches and its temporaries than what an
    allocator keeps: row by row the same sums take a fifth of the time.
    """
    return logprobs.unbind(0)


def rank(
    logprobs: Float[Tensor, "rows vocab"], token_ids: Int[Tensor, " rows"]
) -> Int[Tensor, " rows"]:
    """Number of tokens strictly likelier than the given one in each row; 0 for the argmax."""
    own = logprobs.gather(-1, token_ids.unsqueeze(-1))
    return (logprobs > own).sum(dim=-1)


def support_size(logprobs: Float[Tensor, "rows vocab"]) -> Int[Tensor, " rows"]:
    """Number of tokens that are possible at all."""
    return (logprobs > -math.inf).sum(dim=-1)


def inverse_cdf_rows(
    logprobs: Float[Tensor, "rows vocab"], u: Float[Tensor, " rows"]
) -> Int[Tensor, " rows"]:
    """`inverse_cdf` of each row at its own `u`, without a look at any number: ids [rows].

    Rows that are no law give an id within the vocabulary, whichever: it is for the caller to see
    that they are none.

    Args:
        logprobs: one law a row.
        u: float64, in [0, 1).
    """
    cumulative = logprobs.double().exp().cumsum(dim=-1)
    drawn = torch.searchsorted(cumulative, (u * cumulative[:, -1]).unsqueeze(-1), right=True)
    possible = logprobs > -math.inf
    places = torch.arange(logprobs.shape[-1], device=logprobs.device)
    last = torch.where(possible, places, 0).amax(dim=-1, keepdim=True)
    drawn = drawn.clamp_max(logprobs.shape[-1] - 1)
    return torch.where(possible.gather(-1, drawn), drawn, last).squeeze(-1)


def kl(p: Float[Tensor, "*rows vocab"], q: Float[Tensor, "*rows vocab"]) -> Float[Tensor, "*rows"]:
    """KL(p || q) in nats of two laws given as log-probabilities; inf where q cuts what p allows.

    >>> float(kl(torch.tensor([1.0, 0.0]).log(), torch.tensor([0.5, 0.5]).log()))
    0.6931471824645996
    """
    terms = p.exp() * (p.clamp_min(_LOG_FLOOR) - q)
    return torch.where(p > -math.inf, terms, torch.zeros_like(terms)).sum(dim=-1)


def one_hot(
    logprobs: Float[Tensor, "rows vocab"], token_ids: Int[Tensor, " rows"]
) -> Float[Tensor, "rows vocab"]:
    """The law of a choice that left nothing to chance: log 1 on the token, -inf elsewhere."""
    law = torch.full_like(logprobs, -math.inf)
    return law.scatter_(-1, token_ids.unsqueeze(-1), 0.0)


def inverse_cdf(logprobs: Float[Tensor, " vocab"], u: float) -> int:
    """The token whose interval of the cumulative law, in vocabulary order, holds `u`.

    Intervals are half-open, [c-, c): a token of probability zero has an empty one and is never
    returned. Sums run in float64, relative to the total, so that rounding can neither leave a
    gap at the end nor shift a law by more than one part in 2^53; on the CPU, since Apple's GPUs
    have no float64.

    Args:
        logprobs: one law; need not be exactly normalised.
        u: in [0, 1).

    Returns:
        A token id inside the support.

    Raises:
        ValueError: if `u` is outside [0, 1) or no token is possible.

    >>> law = torch.tensor([0.5, 0.0, 0.25, 0.25]).log()
    >>> [inverse_cdf(law, u) for u in (0.0, 0.49, 0.51, 0.76, 0.999)]
    [0, 0, 2, 3, 3]
    """
    if not 0.0 <= u < 1.0:
        raise ValueError(f"u must lie in [0, 1), got {u}")
    logprobs = logprobs.cpu()
    cumulative = logprobs.double().exp().cumsum(dim=-1)
    total = float(cumulative[-1])
    if not total > 0.0:
        raise ValueError("no token is possible: every probability is zero")
    index = int(torch.searchsorted(cumulative, u * total, right=True))
    if index < logprobs.shape[-1] and float(logprobs[index]) > -math.inf:
        return index
    # u * total rounded up to the total itself: the last possible token.
    return int((logprobs > -math.inf).nonzero()[-1])
