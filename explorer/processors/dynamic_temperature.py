"""Dynamic temperature: cold where the model is sure, hot where it is not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, StageInfo
from explorer.core.distribution import entropy, log_normalise
from explorer.core.params import Params
from explorer.core.recording import recording

if TYPE_CHECKING:
    from torch import Tensor


def dynamic_temperature(
    logits: Float[Tensor, "rows vocab"], low: float, high: float, exponent: float
) -> Float[Tensor, "rows vocab"]:
    """Divide each row by a temperature that grows with its entropy.

    T = low + (high - low) * (H / log n) ** exponent, with n the tokens that are still possible:
    `low` for a row that is certain, `high` for a uniform one.

    Args:
        logits: float32 logits; never modified.
        low: temperature at entropy 0, above 0.
        high: temperature of a uniform law, above 0.
        exponent: above 0; below 1 heats early, above 1 late.

    Returns:
        A new tensor of the same shape.

    Raises:
        ValueError: if a temperature or the exponent is not positive.

    Source: kalomaze, "Dynamic Temperature Sampling", 2023 (koboldcpp, llama.cpp `temp_ext`).
    Oracle: the formula of llama.cpp, row by row (tests/unit/processors/).
    """
    if not (low > 0 and high > 0 and exponent > 0):
        raise ValueError(f"low, high and exponent must be above 0, got {low}, {high}, {exponent}")
    if low == high:
        return logits / low
    possible = (logits > -math.inf).sum(dim=-1)
    if not recording():  # not every device has float64; those that record have it
        possible = possible.cpu()
    widest = possible.double().log().clamp_min(1e-12).float().to(logits.device)
    share = (entropy(log_normalise(logits)) / widest).clamp(0, 1)
    return logits / (low + (high - low) * share**exponent).unsqueeze(-1)


class DynamicTemperatureParams(Params):
    """Parameters of `dynamic_temperature`."""

    low: float = Field(
        default=0.5,
        ge=0.001,
        le=100,
        description="Temperature where the model is certain.",
        json_schema_extra={"slider": [0.05, 2, 0.05]},
    )
    high: float = Field(
        default=1.5,
        ge=0.001,
        le=100,
        description="Temperature where every token is equally likely.",
        json_schema_extra={"slider": [0.05, 4, 0.05]},
    )
    exponent: float = Field(
        default=1.0,
        ge=0.01,
        le=10,
        description="Shape between the two: below 1 heats at little doubt, above 1 only at much.",
        json_schema_extra={"slider": [0.1, 4, 0.1]},
    )


def build(params: DynamicTemperatureParams) -> Processor:
    """The processor of one lane."""
    return lambda logits, view: dynamic_temperature(
        logits, params.low, params.high, params.exponent
    )


INFO = StageInfo(
    name="dynamic_temperature",
    title="dynamic temperature",
    family="temperature",
    kind="processor",
    summary="A temperature that follows the entropy: low where the model is sure, high where not.",
    look_for="Names and word endings stay fixed while openings of sentences vary: compare the "
    "sampling entropy with the model's, token by token.",
    source="kalomaze, Dynamic Temperature Sampling, 2023; llama.cpp temp_ext",
    formula=r"T = \text{low} + (\text{high} - \text{low}) "
    r"\left( \frac{H(p)}{\log n} \right)^{\text{exponent}}",
    params=DynamicTemperatureParams,
    build=build,
    neutral={"low": 1.0, "high": 1.0},
    keeps_argmax=True,
    on_device=True,
)
