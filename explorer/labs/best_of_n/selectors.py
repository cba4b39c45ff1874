"""Rules that choose one of N answers.

Source: Kang et al., "Scalable Best-of-N Selection for Large Language Models via Self-Certainty",
    arXiv:2502.18581; Wang et al., "Self-Consistency Improves Chain of Thought Reasoning in
    Language Models", arXiv:2203.11171.
Oracle: the authors' self-certainty and votes (golden numbers, tests/golden/ and
    tests/labs/test_lab_best_of_n.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.core.distribution import log_normalise
from explorer.decoders.best_of_n import borda_votes

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer.

    Attributes:
        answer: None where the text has none.
        mean_log_p: of its tokens, nats.
        certainty: mean of KL(uniform || law) over its tokens, nats.
    """

    answer: str | None
    mean_log_p: float
    certainty: float


def self_certainty(logits: Tensor) -> Tensor:
    """KL(uniform || law) of each law, nats: 0 for the uniform one.

    Args:
        logits: [..., vocab].

    >>> import torch
    >>> round(float(self_certainty(torch.tensor([0.97, 0.01, 0.01, 0.01]).log())), 4)
    2.0752
    """
    laws = log_normalise(logits.reshape(-1, logits.shape[-1]))
    return (-laws.mean(-1) - math.log(logits.shape[-1])).reshape(logits.shape[:-1])


def first(samples: Sequence[Sample], power: float) -> str | None:  # one form for all
    """The first answer, whatever it is."""
    return samples[0].answer


def perplexity(samples: Sequence[Sample], power: float) -> str | None:  # as above
    """The answer of the likeliest text a token."""
    return max(samples, key=lambda s: s.mean_log_p).answer


def certainty(samples: Sequence[Sample], power: float) -> str | None:  # as above
    """The answer of the most certain text."""
    return max(samples, key=lambda s: s.certainty).answer


def consistency(samples: Sequence[Sample], power: float) -> str | None:  # as above
    """The answer that most texts have; of equals, the first."""
    counts = Counter(s.answer for s in samples if s.answer is not None)
    return max(counts, key=lambda answer: counts[answer]) if counts else None


def borda(samples: Sequence[Sample], power: float) -> str | None:
    """The answer with most votes; the r-th most certain of N casts (N - r + 1) ** power."""
    votes = borda_votes([s.answer for s in samples], [s.certainty for s in samples], power)
    return max(votes, key=lambda answer: votes[answer]) if votes else None


Selector = Callable[[Sequence[Sample], float], str | None]
SELECTORS: dict[str, Selector] = {
    "first answer": first,
    "perplexity": perplexity,
    "self-certainty": certainty,
    "self-consistency": consistency,
    "Borda by self-certainty": borda,
}
