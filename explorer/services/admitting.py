"""What a truncation must allow to admit a token: alone on a law, or where it stands in a chain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from jaxtyping import Float

from explorer.core.decoder import Processor, StepView
from explorer.core.deferred import torch
from explorer.core.distribution import entropy, log_normalise
from explorer.core.errors import NumericalFailure
from explorer.decoders.spec import Chain

if TYPE_CHECKING:
    from torch import Tensor

PARAMS = {
    "top_k": "k",
    "nucleus": "p",
    "min_p": "p",
    "epsilon": "epsilon",
    "eta": "epsilon",
    "top_a": "a",
    "locally_typical": "mass",
    "top_n_sigma": "n",
}
"""Truncations whose border has a formula, and their parameter."""
AT_MOST = frozenset({"min_p", "epsilon", "eta", "top_a"})
"""Those that cut more where their parameter is larger."""


@dataclass(frozen=True, slots=True)
class Needed:
    """What each truncation, alone on a law, must allow to admit one token.

    Attributes:
        top_k: smallest k.
        nucleus: p must be larger than this: the probability of all likelier tokens.
        min_p: largest p.
        epsilon: largest epsilon.
        eta: largest epsilon.
        top_a: largest a.
        locally_typical: mass must be larger than this: the probability of all more typical tokens.
        top_n_sigma: smallest n.
    """

    top_k: int
    nucleus: float
    min_p: float
    epsilon: float
    eta: float
    top_a: float
    locally_typical: float
    top_n_sigma: float

    def as_data(self) -> dict[str, float]:
        """By name; each as the stage's parameter."""
        return {name: round(getattr(self, name), 9) for name in PARAMS}


def hardest(needed: Sequence[Needed]) -> Needed:
    """What admits every one of some tokens.

    Raises:
        ValueError: where there is none.
    """
    return Needed(
        **{
            name: (min if name in AT_MOST else max)(getattr(n, name) for n in needed)
            for name in PARAMS
        }
    )


def what_admits(logits: Float[Tensor, " vocab"], token_id: int) -> Needed:
    """What each truncation must allow to admit a token under raw logits.

    Oracle: the truncations themselves, a hair to either side (tests/unit/services/test_could.py).
    """
    logprobs = log_normalise(logits)
    probs, own = logprobs.double().exp(), float(logprobs[token_id])
    mean = entropy(logprobs)
    distance = (-logprobs - mean).abs()
    nearer = distance < distance[token_id]
    likelier = logits > logits[token_id]  # ties of logits stay ties
    best = float(logprobs.max())
    finite = logits[logits > -math.inf].double()
    sigma = float(finite.std(correction=0))
    gap = float(logits.max()) - float(logits[token_id])
    return Needed(
        top_k=int(likelier.sum()) + 1,
        nucleus=float(probs[likelier].sum()),
        min_p=math.exp(own - best),
        epsilon=math.exp(own),
        # Kept where p >= epsilon, or where p >= sqrt(epsilon) exp(-H).
        eta=max(math.exp(own), math.exp(min(0.0, 2 * (own + float(mean))))),
        top_a=math.exp(own - 2 * best),
        locally_typical=float(probs[nearer].sum()),
        top_n_sigma=gap / sigma if sigma > 0 else 0.0,
    )


@dataclass(slots=True)
class StageNeeded:
    """What one truncation of a chain must allow, on the laws that reach it there.

    Attributes:
        stage: its place in the chain.
        name: which.
        values: for each token, the border of its parameter; None where a stage before it has cut
            the token.
    """

    stage: int
    name: str
    values: list[float | None] = field(default_factory=list)

    @property
    def hardest(self) -> float | None:
        """What admits every token that reaches it; None where none does."""
        there = [value for value in self.values if value is not None]
        if not there:
            return None
        return min(there) if self.name in AT_MOST else max(there)

    def as_data(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "stage": self.stage,
            "name": self.name,
            "param": PARAMS[self.name],
            "at_most": self.name in AT_MOST,
            "hardest": None if self.hardest is None else round(self.hardest, 9),
            "values": [None if x is None else round(x, 9) for x in self.values],
        }


class ChainNeeds:
    """Asks the truncations of a chain, token by token.

    Args:
        chain: the chain.
    """

    def __init__(self, chain: Chain) -> None:
        places = [i for i, s in enumerate(chain.processors) if s.info.name in PARAMS]
        self.found = [StageNeeded(i, chain.processors[i].info.name) for i in places]
        # What stands behind the last of them changes no border.
        before = chain.processors[: places[-1]] if places else ()
        self._processors = [cast(Processor, s.info.build(s.params)) for s in before]

    def ask(self, view: StepView, token_id: int) -> None:
        """Note what the token at this step would have needed; `view` is of one row."""
        if not self.found:
            return
        waiting = iter(self.found)
        wanted = next(waiting, None)
        current: Tensor | None = view.logits
        for place in range(len(self._processors) + 1):
            if wanted is not None and wanted.stage == place:
                wanted.values.append(_border(current, token_id, wanted.name))
                wanted = next(waiting, None)
            if place < len(self._processors):
                current = _after(self._processors[place], current, view)


def _border(logits: Tensor | None, token_id: int, name: str) -> float | None:
    if logits is None or not bool(torch.isfinite(logits[0, token_id])):
        return None
    return float(getattr(what_admits(logits[0], token_id), name))


def _after(process: Processor, logits: Tensor | None, view: StepView) -> Tensor | None:
    if logits is None:
        return None
    try:
        return process(logits, view)
    except NumericalFailure:
        return None
