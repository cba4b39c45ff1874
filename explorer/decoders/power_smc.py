"""Power sampling: texts from p to the power alpha, as whole texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Idle, Processor, StageInfo, StepView, sampling_law
from explorer.core.params import Params
from explorer.decoders.smc import ParticleDecoder

if TYPE_CHECKING:
    from torch import Tensor


class PowerSmc(ParticleDecoder):
    """Particles whose target is p(text) ** alpha, not the product of tempered steps.

    Temperature 1/alpha at every step is another law: it takes each step's best road without
    asking where it leads. Here every step draws from p ** alpha / Z and weighs the particle by
    Z = sum of p ** alpha over the tokens, which corrects for exactly that.

    Source: Skreta et al., "Feynman-Kac Correctors in Diffusion", arXiv:2503.02819, for the
        correction; its form for autoregressive models is elementary (Del Moral, 2004).
    Oracle: enumeration of a small table model: weights, log-evidence, marginals (golden numbers
        and tests/unit/decoders/test_smc.py).
    """

    def __init__(
        self,
        particles: int,
        alpha: float,
        threshold: float,
        processors: Sequence[Processor] = (),
    ) -> None:
        super().__init__(particles, threshold, processors)
        self._alpha = alpha

    def target(self, view: StepView) -> Float[Tensor, "rows vocab"]:
        """alpha * log p."""
        return self._alpha * sampling_law(self._processors, view)


class SmcParams(Params):
    """Parameters that every particle method has."""

    particles: int = Field(
        default=8,
        ge=1,
        le=64,
        description="Size of the population.",
        json_schema_extra={"slider": [1, 32, 1]},
    )
    threshold: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="Resample where the effective size falls below this share of the particles; "
        "0 never.",
        json_schema_extra={"slider": [0, 1, 0.05]},
    )


class PowerSmcParams(SmcParams):
    """Parameters of `power_smc`."""

    alpha: float = Field(
        default=2.0,
        ge=0.05,
        le=50,
        description="The power: above 1 likelier texts, 1 plain sampling.",
        json_schema_extra={"slider": [0.1, 8, 0.1]},
    )


def build(params: PowerSmcParams, processors: Sequence[Processor]) -> PowerSmc:
    """The decoder of one lane."""
    return PowerSmc(params.particles, params.alpha, params.threshold, processors)


INFO = StageInfo(
    name="power_smc",
    title="power sampling (SMC)",
    family="particles",
    kind="chooser",
    summary="Samples likelier texts as wholes, where a low temperature sharpens step by step.",
    look_for="The weights part where a step was a dead end, and the resampling puts the "
    "survivors in its place: watch the tree.",
    source="Skreta et al., Feynman-Kac Correctors in Diffusion, arXiv:2503.02819; Del Moral, "
    "Feynman-Kac Formulae, 2004",
    formula=r"\pi(x) \propto p(x)^{\alpha}, \quad x_t \sim p_t^{\alpha} / Z_t, "
    r"\quad w \leftarrow w \cdot Z_t, \quad Z_t = \sum_v p_t(v)^{\alpha}",
    params=PowerSmcParams,
    build=build,
    draws=True,
    idle=(
        Idle(
            ("threshold",), "particles", "one particle has no other to be replaced by.", when=(1,)
        ),
    ),
)
