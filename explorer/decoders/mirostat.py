"""Mirostat: truncation steered so that the text is as surprising as asked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from pydantic import Field

from explorer.core.decoder import Decoder, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.deferred import torch
from explorer.core.distribution import inverse_cdf, log_normalise
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor

_BITS = math.log(2)
_ESTIMATED_FROM = 100


def zipf_exponent(sorted_logprobs: Sequence[float]) -> float:
    """Exponent s of p ~ rank^-s, by least squares over neighbouring ranks; 0 if unknown.

    Args:
        sorted_logprobs: log p of the likeliest tokens, likeliest first, nats.
    """
    pairs = list(pairwise(sorted_logprobs))
    steps = [
        (math.log((i + 2) / (i + 1)), a - b) for i, (a, b) in enumerate(pairs) if b > -math.inf
    ]
    squares = sum(t * t for t, _ in steps)
    return sum(t * b for t, b in steps) / squares if squares else 0.0


def tokens_for(exponent: float, vocab: int, surprise_bits: float) -> int:
    """How many of the likeliest tokens of a Zipf law have an expected surprise of so many bits."""
    excess = exponent - 1
    if exponent <= 0:
        return vocab
    share = math.log(vocab) if abs(excess) < 1e-9 else (1 - vocab**-excess) / excess
    if share <= 0:
        return vocab
    log_count = (surprise_bits * _BITS - math.log(share)) / exponent
    return max(1, min(vocab, round(math.exp(min(log_count, math.log(vocab)))) + 1))


class Mirostat(Decoder):
    """Steers a cut so that the surprise of the text stays near a target.

    mu, in bits, begins at 2 tau and moves against the error of each token drawn:
    mu -= eta * (surprise - tau).

    Source: Basu et al., "Mirostat: A Neural Text Decoding Algorithm that Directly Controls
        Perplexity", arXiv:2007.14966; the authors' code for the estimate and the count.
    Oracle: the authors' formulas written with lists (tests/unit/decoders/test_choosers.py).
    """

    def __init__(self, tau: float, eta: float, processors: Sequence[Processor] = ()) -> None:
        self._tau, self._eta = tau, eta
        self._processors = tuple(processors)
        self.mu = 2 * tau

    def _steer(self, logprob: float) -> None:
        self.mu -= self._eta * (-logprob / _BITS - self._tau)


class MirostatOne(Mirostat):
    """Version 1: the k likeliest tokens.

    Each step fits a Zipf law to the 100 likeliest tokens and takes the k whose expected surprise
    is mu. The surprise of the token is that under the law before the cut. llama.cpp differs in
    two points: it measures the surprise after the cut, and keeps one token less.
    """

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law = sampling_law(self._processors, view)
        best = law[0].topk(min(_ESTIMATED_FROM, law.shape[-1]))
        exponent = zipf_exponent(best.values.tolist())
        count = tokens_for(exponent, law.shape[-1], self.mu)
        floor = law[0].topk(count).values[-1]
        cut = log_normalise(law.masked_fill(law < floor, -math.inf))
        token_id = inverse_cdf(cut[0], view.uniforms[0])
        note = {"mu_bits": round(self.mu, 6), "k": count, "zipf_exponent": round(exponent, 6)}
        self._steer(float(law[0, token_id]))
        return Move((0,), (token_id,), cut, notes=(note,))


class MirostatTwo(Mirostat):
    """Version 2: the tokens at most mu bits surprising; the surprise is that after the cut."""

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law = sampling_law(self._processors, view)
        keep: Tensor = law >= -self.mu * _BITS
        keep[0, law[0].argmax()] = True
        cut = log_normalise(torch.where(keep, law, -math.inf))
        token_id = inverse_cdf(cut[0], view.uniforms[0])
        note = {"mu_bits": round(self.mu, 6)}
        self._steer(float(cut[0, token_id]))
        return Move((0,), (token_id,), cut, notes=(note,))


class MirostatParams(Params):
    """Parameters of `mirostat`."""

    tau: float = Field(
        default=3.0,
        gt=0,
        le=30,
        description="Surprise to aim at, in bits a token.",
        json_schema_extra={"slider": [0.5, 10, 0.1]},
    )
    eta: float = Field(
        default=0.1,
        ge=0,
        le=10,
        description="How fast the cut follows the error; 0 never moves it.",
        json_schema_extra={"slider": [0, 1, 0.01]},
    )
    version: int = Field(
        default=2,
        ge=1,
        le=2,
        description="1 estimates a Zipf law and a top-k; 2 cuts by surprise directly.",
        json_schema_extra={"slider": [1, 2, 1]},
    )


def build(params: MirostatParams, processors: Sequence[Processor]) -> Mirostat:
    """The decoder of one lane."""
    kind = MirostatOne if params.version == 1 else MirostatTwo
    return kind(params.tau, params.eta, processors)


INFO = StageInfo(
    name="mirostat",
    title="mirostat",
    family="choosers",
    kind="chooser",
    summary="Steers the cut, token by token, so that the surprise of the text stays at a target.",
    look_for="Mean surprisal of the lane comes to lie at tau whatever the prompt; mu climbs where "
    "the text is dull and falls after a wild token.",
    source="Basu et al., Mirostat, arXiv:2007.14966",
    formula=r"q(v) \propto p(v) \, [\, -\log_2 p(v) \le \mu \,], \quad "
    r"\mu \leftarrow \mu - \eta \, (-\log_2 q(x) - \tau)",
    params=MirostatParams,
    build=build,
    draws=True,
)
