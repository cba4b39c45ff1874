"""How far two runs of one model may differ, by the type its numbers are held in.

A law depends a little on how many rows and positions share a forward, since sums run in another
order. docs/verify.md has the measurements; each tolerance is three to seven times the worst of
them over 192 tokens of SmolLM2-135M and of tiny, because the worst of a longer text is worse.
"""

from __future__ import annotations

from dataclasses import dataclass

from explorer.core.types import ModelInfo

MEASURED = {"float64": 1e-9, "float32": 7.6e-5, "float16": 7.9e-2, "bfloat16": 6.3e-1}
"""Largest |log p - log p'| measured on one machine over any token of a law, nats."""
ALLOWED = {"float64": 1e-6, "float32": 5e-4, "float16": 3e-1, "bfloat16": 2.0}
"""Tolerance of a log-probability, nats."""
UNKNOWN = 2.0
"""The same for a type that was not measured (8-bit weights, for one)."""
OTHER_DEVICE = 4.0
"""Factor where trace and model are on different devices, whose kernels round differently."""
ROUNDING = 2e-6
"""Files hold six decimals."""


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What may differ by how much.

    Attributes:
        nats: a log-probability or an entropy.
        why: where it comes from, in words.
    """

    nats: float
    why: str

    def varentropy(self, value: float) -> float:
        """Of a variance: it changes by up to twice a surprisal's change times the surprisal."""
        return self.nats * (1.0 + value)


def tolerance(made: ModelInfo, run: ModelInfo, scale: float = 1.0) -> Tolerance:
    """The tolerance for a trace made by one holding of a model and checked by another.

    Args:
        made: what the trace says.
        run: the model that is run.
        scale: multiplies it.
    """
    nats = max(ALLOWED.get(info.dtype, UNKNOWN) for info in (made, run))
    types = made.dtype if made.dtype == run.dtype else f"{made.dtype} against {run.dtype}"
    why = f"{types}, any batch size"
    if _kind(made.device) != _kind(run.device):
        nats *= OTHER_DEVICE
        why = f"{types}, {made.device} against {run.device}"
    return Tolerance(nats * scale + ROUNDING, why)


def _kind(device: str) -> str:
    return device.split(":", 1)[0]
