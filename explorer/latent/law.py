"""The law of one token as whole numbers, so that boxes can be cut without rounding."""

from __future__ import annotations

import bisect
import math

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidParams, NumericalFailure

TOTAL_BITS = 48
"""Frequencies of a quantised law sum to 2^48."""


class Law:
    """Tokens in a fixed order, each with a positive whole frequency.

    Args:
        ids: token ids, each once, in the order in which they cut an interval.
        cumulative: 0, then the summed frequencies up to each token; rising.

    Attributes:
        ids: int64 [tokens].
        cumulative: [tokens + 1], whole numbers of any size.
        total: the sum of all frequencies.
    """

    __slots__ = ("cumulative", "ids", "total")

    def __init__(self, ids: NDArray[np.int64], cumulative: list[int] | NDArray[np.int64]) -> None:
        self.ids, self.cumulative, self.total = ids, cumulative, int(cumulative[-1])

    def __len__(self) -> int:
        return len(self.ids)

    def share(self, token_id: int) -> tuple[int, int]:
        """The frequencies below a token's and its own; (0, 0) for an impossible one."""
        places = np.flatnonzero(self.ids == token_id)
        if not len(places):
            return 0, 0
        return self.at(int(places[0]))

    def at(self, place: int) -> tuple[int, int]:
        """The frequencies below those of the token at a place of the order, and its own."""
        below = int(self.cumulative[place])
        return below, int(self.cumulative[place + 1]) - below

    def find(self, number: int) -> int:
        """The place whose interval [below, below + own) holds a whole number.

        The last interval holds everything from the total on.

        >>> law = law_of({5: 2, 7: 3})
        >>> [law.find(number) for number in (0, 1, 2, 4, 5)]
        [0, 0, 1, 1, 1]
        """
        return min(bisect.bisect_right(self.cumulative, number) - 1, len(self.ids) - 1)

    def probability(self, token_id: int) -> float:
        """The share of one token, rounded to a float."""
        return self.share(token_id)[1] / self.total


def law_of(frequencies: dict[int, int]) -> Law:
    """A law from frequencies by token id, in the order given; zeros are left out.

    Raises:
        NumericalFailure: if no frequency is positive, or one is negative.
    """
    positive = {token_id: n for token_id, n in frequencies.items() if n}
    if not positive or min(positive.values()) < 0:
        raise NumericalFailure(
            "A law has no possible token, or one with a negative frequency.",
            "Frequencies are whole numbers from 0 up, at least one above 0.",
        )
    cumulative = [0]
    for number in positive.values():
        cumulative.append(cumulative[-1] + number)
    return Law(np.fromiter(positive, np.int64, len(positive)), cumulative)


def quantised(logits: NDArray[np.floating], total_bits: int = TOTAL_BITS) -> Law:
    """A law of logits as whole frequencies that sum to 2^total_bits.

    A possible token (logit above -inf) gets 1 + floor(p (2^bits - m)), m of them being
    possible; the likeliest one also gets what is left, at most m. So every frequency is at
    least p (2^bits - m), and KL(p || quantised) is at most `kl_bound(m, bits)`: with 48 bits
    2e-10 nats a token for 49,152 tokens. A single token of probability p is off by one part in
    p 2^bits at most, which shows for the rarest only.

    Softmax runs in float64, in one order, so that the same logits give the same law.

    Args:
        logits: [vocab], one law; need not be normalised.
        total_bits: 1 to 52, so that float64 holds the frequencies.

    Raises:
        NumericalFailure: for NaN, +inf, or no possible token.
        InvalidParams: if the frequencies could not all be 1.
    """
    if np.isnan(logits).any() or np.isposinf(logits).any():
        raise NumericalFailure(
            "A law holds NaN or an infinite logit.", "Choose another model, or another prompt."
        )
    ids = np.flatnonzero(logits > -np.inf)
    if not len(ids):
        raise NumericalFailure("A law has no possible token.", "Choose another model or prompt.")
    if not 1 <= total_bits <= 52 or len(ids) > 2**total_bits:
        raise InvalidParams(
            f"{total_bits} bits cannot hold the frequencies of {len(ids)} tokens.",
            f"Use {len(ids).bit_length()} to 52 bits.",
        )
    weights = logits[ids].astype(np.float64)
    weights = np.exp(weights - weights.max())
    free = 2**total_bits - len(ids)
    frequencies = 1 + np.floor(weights / weights.sum() * free).astype(np.int64)
    # Rounding of the sum could exceed `free` by less than it takes from the likeliest.
    frequencies[weights.argmax()] += 2**total_bits - frequencies.sum()
    cumulative = np.zeros(len(ids) + 1, np.int64)
    np.cumsum(frequencies, out=cumulative[1:])
    return Law(ids, cumulative)


def kl_bound(possible: int, total_bits: int = TOTAL_BITS) -> float:
    """At most how many nats a token quantisation costs.

    >>> kl_bound(49_152) < 2e-10
    True
    """
    return -math.log1p(-possible / 2**total_bits)
