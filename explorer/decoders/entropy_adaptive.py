"""Entropy-adaptive: four moods, by entropy and varentropy."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field

from explorer.core.decoder import Decoder, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.distribution import (
    entropy_and_varentropy,
    inverse_cdf,
    log_normalise,
    one_hot,
)
from explorer.core.params import Params

_MIN_P = 0.05  # the floor of the boldest mood: hot and unbounded is noise


class EntropyAdaptive(Decoder):
    """Chooses how to choose by the entropy H and the varentropy V of the law.

    Below both thresholds the model knows: argmax. High H, low V, many tokens alike: temperature
    up. Low H, high V, few tokens and a choice between them: temperature up, less. Both high:
    temperature up most, with a min-p floor of 0.05. The heat is 1 + `heat` times 1, 1/2 and 3/2.

    This is the quadrant rule of entropix without its special tokens (it inserts a question where
    H is high and V low), its branches and its attention terms; thresholds are in nats here.

    Source: xjdr and doomslide, "entropix", 2024 (no paper).
    Oracle: a worked example in each quadrant (tests/unit/decoders/test_choosers.py).
    """

    def __init__(self, params: EntropyAdaptiveParams, processors: Sequence[Processor] = ()) -> None:
        self._params = params
        self._processors = tuple(processors)

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law = sampling_law(self._processors, view)
        mean, variance = (float(x[0]) for x in entropy_and_varentropy(law))
        mood, heat = self._mood(mean, variance)
        if mood == "sure":
            choice = law.argmax(dim=-1)
            return Move((0,), (int(choice[0]),), one_hot(law, choice), notes=({"mood": mood},))
        scaled = law / (1 + heat * self._params.heat)
        if mood == "lost":
            floor = scaled.amax(dim=-1, keepdim=True) + math.log(_MIN_P)
            scaled = scaled.masked_fill(scaled < floor, -math.inf)
        drawn = log_normalise(scaled)
        token_id = inverse_cdf(drawn[0], view.uniforms[0])
        return Move((0,), (token_id,), drawn, notes=({"mood": mood},))

    def _mood(self, mean: float, variance: float) -> tuple[str, float]:
        """The quadrant, and its share of the heat."""
        wide, split = mean >= self._params.entropy, variance >= self._params.varentropy
        if not wide:
            return ("split", 0.5) if split else ("sure", 0.0)
        return ("lost", 1.5) if split else ("open", 1.0)


class EntropyAdaptiveParams(Params):
    """Parameters of `entropy_adaptive`."""

    entropy: float = Field(
        default=1.5,
        ge=0,
        le=20,
        description="Entropy, in nats, from which the law counts as wide.",
        json_schema_extra={"slider": [0, 6, 0.1]},
    )
    varentropy: float = Field(
        default=2.0,
        ge=0,
        le=200,
        description="Varentropy, in nats squared, from which it counts as split.",
        json_schema_extra={"slider": [0, 12, 0.25]},
    )
    heat: float = Field(
        default=0.3,
        ge=0,
        le=10,
        description="How much hotter than 1 the temperature gets where the law is wide.",
        json_schema_extra={"slider": [0, 2, 0.1]},
    )


def build(params: EntropyAdaptiveParams, processors: Sequence[Processor]) -> EntropyAdaptive:
    """The decoder of one lane."""
    return EntropyAdaptive(params, processors)


INFO = StageInfo(
    name="entropy_adaptive",
    title="entropy-adaptive",
    family="choosers",
    kind="chooser",
    summary="Greedy where the model is sure, warm where it is not, by entropy and varentropy.",
    look_for="The note of each token names its mood: sure, split, open or lost; few are lost.",
    source="xjdr and doomslide, entropix, 2024",
    formula=r"q \propto p^{1 / (1 + c \cdot \text{heat})}, \quad "
    r"c \in \{ 0, \tfrac{1}{2}, 1, \tfrac{3}{2} \} "
    r"\text{ by entropy and varentropy of } p",
    params=EntropyAdaptiveParams,
    build=build,
    draws=True,
)
