"""Product sampling: texts from the product of two laws of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Idle, Processor, StageInfo, StepView, sampling_law
from explorer.core.distribution import log_normalise
from explorer.decoders.power_smc import SmcParams
from explorer.decoders.smc import ParticleDecoder
from explorer.processors.contexts import SecondParams, need_second, second_of

if TYPE_CHECKING:
    from torch import Tensor


class ProductSmc(ParticleDecoder):
    """Particles whose target is p1(text) ** a * p2(text) ** b.

    Each step draws from p1 ** a * p2 ** b, normalised, and weighs the particle by the normaliser:
    a prefix after which the two models agree on nothing loses its weight.

    Source: Skreta et al., "Feynman-Kac Correctors in Diffusion", arXiv:2503.02819, for the
        correction; for language models, Lew et al., arXiv:2306.03081 (SMC steering).
    Oracle: enumeration of two small table models (golden numbers and
        tests/unit/decoders/test_smc.py).
    """

    def __init__(self, params: ProductSmcParams, processors: Sequence[Processor] = ()) -> None:
        super().__init__(params.particles, params.threshold, processors)
        self._first, self._second = params.first_weight, params.second_weight

    def target(self, view: StepView) -> Float[Tensor, "rows vocab"]:
        """a * log p1 + b * log p2; where that leaves no token, the first law."""
        first = sampling_law(self._processors, view)
        both = self._first * first + self._second * log_normalise(need_second(view))
        alone = ~both.isfinite().any(dim=-1, keepdim=True)
        return both.where(~alone, first - 1e3)


class ProductSmcParams(SecondParams, SmcParams):
    """Parameters of `product_smc`."""

    first_weight: float = Field(
        default=1.0,
        ge=0.05,
        le=10,
        description="Exponent of the first law.",
        json_schema_extra={"slider": [0.1, 3, 0.1]},
    )
    second_weight: float = Field(
        default=0.5,
        ge=0.01,
        le=10,
        description="Exponent of the second law.",
        json_schema_extra={"slider": [0.1, 3, 0.1]},
    )


def build(params: ProductSmcParams, processors: Sequence[Processor]) -> ProductSmc:
    """The decoder of one lane."""
    return ProductSmc(params, processors)


INFO = StageInfo(
    name="product_smc",
    title="product sampling (SMC)",
    family="particles",
    kind="chooser",
    summary="Samples texts that two models, or two prompts, both find likely, as whole texts.",
    look_for="Beside product of experts with the same second prompt: fewer beginnings that the "
    "other one cannot end.",
    source="Skreta et al., arXiv:2503.02819; Lew et al., Sequential Monte Carlo Steering, "
    "arXiv:2306.03081",
    formula=r"\pi(x) \propto p_1(x)^{a} \, p_2(x)^{b}, "
    r"\quad w \leftarrow w \cdot \sum_v p_{1,t}(v)^{a} \, p_{2,t}(v)^{b}",
    params=ProductSmcParams,
    build=build,
    second=second_of,
    draws=True,
    idle=(
        Idle(
            ("threshold",), "particles", "one particle has no other to be replaced by.", when=(1,)
        ),
    ),
)
