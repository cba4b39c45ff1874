"""P(IK): a linear probe that reads off a question whether its answer is known.

Source: Kadavath et al., "Language Models (Mostly) Know What They Know", arXiv:2207.05221, section 5
(a value head on the last token of the question, trained on how often sampled answers are right).
Oracle: golden numbers of the targets, and a law whose weights are known
(tests/labs/test_lab_self_knowledge.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.core.deferred import torch

if TYPE_CHECKING:
    from torch import Tensor

PENALTIES = (0.01, 0.1, 1.0, 10.0)
"""Of the squared weights, a question; the one that foretells left-out questions best is taken."""
_FOLDS = 5
_STEPS = 60


@dataclass(frozen=True, slots=True)
class Probe:
    """A fitted probe.

    Attributes:
        mean: [width], taken off.
        scale: [width], divided by.
        weights: [width].
        bias: scalar.
        penalty: which was taken.
    """

    mean: Tensor
    scale: Tensor
    weights: Tensor
    bias: Tensor
    penalty: float

    def chances(self, states: Tensor) -> list[float]:
        """P(IK) of each row of [n, width]."""
        scores = (states - self.mean) / self.scale @ self.weights + self.bias
        return [float(x) for x in scores.sigmoid()]


def cross_entropy(chance: float, outcomes: Sequence[int]) -> float:
    """Mean surprisal, nats, of outcomes (0 or 1) under one chance; as with their mean as target.

    >>> round(cross_entropy(0.7, [1] * 18 + [0] * 12), 6)
    0.695594
    """
    target = torch.tensor(sum(outcomes) / len(outcomes), dtype=torch.float64)
    score = torch.logit(torch.tensor(chance, dtype=torch.float64))
    return float(_surprisal(score, target))


def fit(states: Tensor, rates: Sequence[float]) -> Probe:
    """A probe by regularised logistic regression on shares.

    Args:
        states: float32 [n, width]; at least two rows.
        rates: [n], 0 to 1: how often the answer to each question was right.
    """
    target = torch.tensor(rates)
    folds = torch.arange(len(target)) % _FOLDS
    losses = []
    for penalty in PENALTIES:
        total = 0.0
        for fold in range(min(_FOLDS, len(target))):
            out = folds == fold
            probe = _fitted(states[~out], target[~out], penalty)
            chances = torch.tensor(probe.chances(states[out])).clamp(1e-6, 1 - 1e-6)
            total += float(_surprisal(chances.logit(), target[out]))
        losses.append(total)
    return _fitted(states, target, PENALTIES[losses.index(min(losses))])


def _surprisal(logits: Tensor, rates: Tensor) -> Tensor:
    """Mean nats of what came true, given chances as logits."""
    return torch.nn.functional.binary_cross_entropy_with_logits(logits, rates)


def _fitted(states: Tensor, target: Tensor, penalty: float) -> Probe:
    mean, scale = states.mean(0), states.std(0, correction=0).clamp_min(1e-6)
    inputs = (states - mean) / scale
    weights = torch.zeros(states.shape[1], requires_grad=True)
    bias = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimiser.zero_grad()
        found = _surprisal(inputs @ weights + bias, target)
        found = found + penalty * weights.square().mean()
        torch.autograd.backward(found)
        return found

    optimiser.step(loss)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    return Probe(mean, scale, weights.detach(), bias.detach(), penalty)
