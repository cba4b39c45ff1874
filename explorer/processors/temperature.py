"""Temperature: sharpen or flatten a law."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor


def temperature(
    logits: Float[Tensor, "*rows vocab"], temperature: float
) -> Float[Tensor, "*rows vocab"]:
    """Divide the logits by a temperature.

    Args:
        logits: float32 logits; never modified.
        temperature: above 0; below 1 sharpens, above 1 flattens. Zero is spelled `greedy`.

    Returns:
        A new tensor of the same shape.

    Raises:
        ValueError: if `temperature` is not positive.

    Source: Ackley, Hinton, Sejnowski, "A Learning Algorithm for Boltzmann Machines",
        Cognitive Science 9(1), 1985.
    Oracle: transformers.TemperatureLogitsWarper (tests/parity/test_processors.py).
    """
    if not temperature > 0:
        raise ValueError(f"temperature must be above 0, got {temperature}; for 0 use greedy")
    return logits / temperature


class TemperatureParams(Params):
    """Parameters of `temperature`."""

    temperature: float = Field(
        default=0.8,
        ge=0.001,  # below, float32 logits overflow and the law is NaN
        le=100,
        description="Divides the logits: below 1 sharpens, above 1 flattens; 0 is spelled greedy.",
        json_schema_extra={"slider": [0.05, 3, 0.05]},
    )


def build(params: TemperatureParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: temperature(logits, params.temperature)


INFO = StageInfo(
    name="temperature",
    title="temperature",
    family="temperature",
    kind="processor",
    summary="Divides the logits by T before the softmax: cold is safe, hot is wild.",
    look_for="Sampling entropy falls below the model's entropy when T < 1 and rises above when "
    "T > 1; the order of the tokens never changes.",
    source="Ackley, Hinton, Sejnowski, A Learning Algorithm for Boltzmann Machines, 1985",
    formula=r"q \propto p^{1/T}",
    params=TemperatureParams,
    build=build,
    neutral={"temperature": 1.0},
    keeps_argmax=True,
    on_device=True,
)
