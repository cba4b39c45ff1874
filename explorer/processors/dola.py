"""DoLa: the last layer against an earlier one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.deferred import torch
from explorer.core.distribution import log_normalise
from explorer.core.handle import Layers
from explorer.core.params import Params
from explorer.processors.contexts import plausible

if TYPE_CHECKING:
    from torch import Tensor

Bucket = Literal["low", "high"]


def candidate_layers(count: int, bucket: Bucket) -> list[int]:
    """Every second layer of the lower or the upper half (20 layers at most) of a model.

    The embedding (0) is left out: with tied embeddings its law is the input token itself.

    >>> candidate_layers(12, "low"), candidate_layers(12, "high")
    ([2, 4], [6, 8, 10])
    """
    if bucket == "low":
        return list(range(2, min(count // 2, 20), 2)) or [1]
    return list(range(max(count // 2, count - 20), count, 2))


def divergence(p: Float[Tensor, "rows vocab"], q: Float[Tensor, "rows vocab"]) -> Tensor:
    """[rows] Jensen-Shannon divergence as the authors take it: from the mean to each law, nats.

    0.5 KL(m || p) + 0.5 KL(m || q) of log-probabilities, m = (p + q) / 2; the usual one has the
    arguments the other way round.
    """
    mean = 0.5 * (p.exp() + q.exp())
    log_mean = mean.clamp_min(1e-38).log()
    halves = [mean * (log_mean - law.clamp_min(-1e4)) for law in (p, q)]
    return 0.5 * (halves[0].sum(dim=-1) + halves[1].sum(dim=-1))


def dola(
    logits: Float[Tensor, "rows vocab"],
    early: Sequence[Float[Tensor, "rows vocab"]],
    alpha: float,
) -> Float[Tensor, "rows vocab"]:
    """log p_last - log p_early among the plausible tokens; early is the layer that differs most.

    Each row takes its own layer (transformers' code averages over the batch). Plausible is what
    the last layer finds at least alpha times as likely as its best token.

    Args:
        logits: float32 logits of the last layer; never modified.
        early: logits of the candidate layers.
        alpha: plausibility, in [0, 1].

    Returns:
        A new tensor of the same shape, -inf where a token is not plausible.

    One matrix product with the output layer a candidate, and one pass over the vocabulary each:
    some ten times the price of other processors.

    Source: Chuang et al., "DoLa: Decoding by Contrasting Layers Improves Factuality in Large
        Language Models", arXiv:2309.03883; the output layer reads early states without the last
        norm, as in the authors' code.
    Oracle: a slow reference after the authors' code (tests/parity/test_dola.py).
    """
    last = log_normalise(logits)
    others = [log_normalise(e) for e in early]
    distances = torch.stack([divergence(last, other) for other in others])
    chosen = distances.argmax(dim=0)
    base = torch.stack(others)[chosen, torch.arange(len(logits), device=logits.device)]
    return torch.where(plausible(last, alpha), last - base, -math.inf)


class DolaParams(Params):
    """Parameters of `dola`."""

    layers: Bucket = Field(
        default="high",
        description="Which half of the layers is compared: high for facts, low for reasoning.",
    )
    alpha: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of the top probability a token must reach to be compared.",
        json_schema_extra={"slider": [0, 1, 0.05]},
    )


def early_logits(layers: Layers, bucket: Bucket) -> list[Tensor]:
    """The candidate layers' logits."""
    return [layers.logits(i) for i in candidate_layers(len(layers.states), bucket)]


def build(params: DolaParams) -> Processor:
    """The processor of one lane."""

    def process(logits: Tensor, view: StepView) -> Tensor:
        if view.layers is None:
            raise ValueError("dola needs hidden states in its view")
        return dola(logits, early_logits(view.layers, params.layers), params.alpha)

    return process


INFO = StageInfo(
    name="dola",
    title="DoLa",
    family="contexts",
    kind="processor",
    summary="Prefers what the last layers added to what the earlier ones already said.",
    look_for="On names and dates the early layers know little and the contrast is large; on "
    "commas it is nothing. Pair it with repetition penalty 1.2, as the authors do.",
    source="Chuang et al., DoLa, arXiv:2309.03883",
    formula=r"z'_v = \log p_L(v) - \log p_M(v) \text{ for } p_L(v) \ge \alpha \max p_L, "
    r"\quad M = \arg\max_j \, \text{JSD}(p_L, p_j)",
    params=DolaParams,
    build=build,
    layers=True,
)
