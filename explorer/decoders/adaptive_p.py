"""Adaptive-p: tokens near a target probability, held there on average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Decoder, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.deferred import torch
from explorer.core.distribution import inverse_cdf, log_normalise
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor

_WIDTH, _PEAK, _SHARPNESS = 0.3, 5.0, 10.0  # constants of llama.cpp, not meant to be set


def towards(logprobs: Float[Tensor, "*rows vocab"], target: float) -> Float[Tensor, "*rows vocab"]:
    """Logits that peak at the probability `target`: near it quadratic, far from it linear.

    Tokens of probability zero stay impossible.
    """
    distance = (logprobs.exp() - target).abs() / _WIDTH
    bent = _PEAK - _SHARPNESS * distance.square() / (1 + distance)
    return torch.where(logprobs.isfinite(), bent, logprobs)


class AdaptiveP(Decoder):
    """Draws tokens whose probability is near a target, and corrects for what was drawn before.

    The target of a step is 2 * target - mean, with the mean probability of the tokens drawn so
    far weighted by decay to the power of their age; it begins as if the target had been met.
    Cuts of the tail belong before it (min-p), or unlikely tokens keep a share each.

    Source: MrJackSpade, "Adaptive-P", llama.cpp pull request 17927, 2026.
    Oracle: llama.cpp's transform and update, written with lists
        (tests/unit/decoders/test_choosers.py).
    """

    def __init__(self, target: float, decay: float, processors: Sequence[Processor] = ()) -> None:
        self._target, self._decay = target, decay
        self._processors = tuple(processors)
        self._sum, self._weight = target / (1 - decay), 1 / (1 - decay)

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law = sampling_law(self._processors, view)
        aim = min(1.0, max(0.0, 2 * self._target - self._sum / self._weight))
        bent = log_normalise(towards(law, aim))
        token_id = inverse_cdf(bent[0], view.uniforms[0])
        self._sum = float(law[0, token_id].exp()) + self._decay * self._sum
        self._weight = 1 + self._decay * self._weight
        return Move((0,), (token_id,), bent, notes=({"aim": round(aim, 6)},))


class AdaptivePParams(Params):
    """Parameters of `adaptive_p`."""

    target: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Probability the drawn tokens should have, on average.",
        json_schema_extra={"slider": [0, 1, 0.05]},
    )
    decay: float = Field(
        default=0.9,
        ge=0,
        le=0.99,
        description="How long a drawn token is remembered: 0.9 is some ten tokens.",
        json_schema_extra={"slider": [0, 0.99, 0.01]},
    )


def build(params: AdaptivePParams, processors: Sequence[Processor]) -> AdaptiveP:
    """The decoder of one lane."""
    return AdaptiveP(params.target, params.decay, processors)


INFO = StageInfo(
    name="adaptive_p",
    title="adaptive-p",
    family="temperature",
    kind="chooser",
    summary="Prefers tokens near a target probability and steers so that it is met on average.",
    look_for="After a certain token the aim drops, after a wild one it rises: the probabilities "
    "taken swing around the target.",
    source="MrJackSpade, Adaptive-P, llama.cpp pull request 17927, 2026",
    formula=r"z'_v = 5 - 10 \, \frac{d_v^2}{1 + d_v}, \quad "
    r"d_v = \frac{|p(v) - t|}{0.3}, \quad "
    r"t = 2 \cdot \text{target} - \overline{p(x)}",
    params=AdaptivePParams,
    build=build,
    draws=True,
)
