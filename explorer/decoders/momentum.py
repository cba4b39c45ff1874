"""Momentum decoding: greedy, until a walk on the graph of tokens would close a circle."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from explorer.core.circular_depth import MAX_DEPTH, circular_depths
from explorer.core.decoder import Decoder, Idle, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.deferred import torch
from explorer.core.distribution import one_hot
from explorer.core.params import Params

Resistance = Literal["paper", "first", "linear", "log", "exponential", "constant"]

_TABLES: dict[str, tuple[float, ...]] = {
    "paper": (0.0, 1.0, 3.0, 4.0, 5.0, 5.0),
    "first": (0.0, 1.0, 3.0, 4.0, 5.0, 6.0),
    "linear": (0.0, 1.0, 2.0, 3.0, 4.0, 5.0),
    "log": tuple(math.log(1 + depth, 6) / 0.2 for depth in range(MAX_DEPTH + 1)),
    "exponential": (0.0, *(1.5**depth / 2 for depth in range(1, MAX_DEPTH + 1))),
    "constant": (0.0, *(2.0 for _ in range(MAX_DEPTH))),
}


def resistance(kind: Resistance, depth: int) -> float:
    """f(circular depth): what a return of that depth costs, before it is scaled by alpha."""
    return _TABLES[kind][depth]


class Momentum(Decoder):
    """Keeps the greedy token while it is new; else weighs the k likeliest against their circles.

    If the greedy token never occurred in prompt and continuation it is taken. Otherwise the
    argmax over the k likeliest of p(v) - alpha f(CD(v)), with CD the circular depth.

    Source: Lan et al., "Momentum Decoding: Open-ended Text Generation As Graph Exploration",
        arXiv:2212.02175. The authors' repository changed its resistance table; "paper" is the
        table of the paper's day, and its latest one (a 4-gram block) is an ablation, not this.
    Oracle: the authors' step function and repetition search (golden numbers, tests/golden/).
    """

    def __init__(
        self, k: int, alpha: float, kind: Resistance, processors: Sequence[Processor] = ()
    ) -> None:
        self._k, self._alpha, self._kind = k, alpha, kind
        self._processors = tuple(processors)

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law, history = sampling_law(self._processors, view), view.histories[0]
        top = law[0].topk(min(self._k, law.shape[-1]))
        candidates, probs = top.indices.tolist(), top.values.exp().tolist()
        choice, depth = candidates[0], 0
        if choice in history:
            depths = circular_depths(history, candidates)
            scores = [
                p - self._alpha * resistance(self._kind, d)
                for p, d in zip(probs, depths, strict=True)
            ]
            best = max(range(len(scores)), key=scores.__getitem__)
            choice, depth = candidates[best], depths[best]
        note = {
            "circular_depth": depth,
            "resistance": round(self._alpha * resistance(self._kind, depth), 6),
            "rerouted": choice != candidates[0],
        }
        token = torch.tensor([choice], device=law.device)
        return Move((0,), (choice,), one_hot(law, token), notes=(note,))


class MomentumParams(Params):
    """Parameters of `momentum`."""

    k: int = Field(
        default=5,
        ge=1,
        le=1000,
        description="How many of the likeliest tokens are weighed when the greedy one is old.",
        json_schema_extra={"slider": [1, 30, 1]},
    )
    alpha: float = Field(
        default=0.2,
        ge=0,
        le=10,
        description="Weight of the resistance; 0 is greedy, alpha times resistance of 1 blocks.",
        json_schema_extra={"slider": [0, 1, 0.05]},
    )
    resistance: Resistance = Field(
        default="paper",
        description="How the cost grows with the depth of the circle; paper is 0, 1, 3, 4, 5, 5.",
    )


def build(params: MomentumParams, processors: Sequence[Processor]) -> Momentum:
    """The decoder of one lane."""
    return Momentum(params.k, params.alpha, params.resistance, processors)


INFO = StageInfo(
    name="momentum",
    title="momentum",
    family="choosers",
    kind="chooser",
    summary="Greedy, but a step back onto walked paths pays a resistance that grows with the "
    "circle it would close.",
    look_for="Follows greedy word for word until greedy starts to loop, then leaves at one token.",
    source="Lan et al., Momentum Decoding: Open-ended Text Generation As Graph Exploration, "
    "arXiv:2212.02175",
    formula=r"x = \arg\max_{v \in \text{top } k} \; p(v) - \alpha \, f(\text{circular depth of } v)"
    r" \quad \text{where the likeliest token is not new}",
    params=MomentumParams,
    build=build,
    idle=(
        Idle(("alpha", "resistance"), "k", "one candidate has no other to lose to.", when=(1,)),
        Idle(("resistance",), "alpha", "it is multiplied by alpha=0.", when=(0.0,)),
    ),
)
