"""Latent point: a point of the unit cube, read as the numbers that choose the tokens."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from explorer.core.decoder import Decoder, Idle, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.deferred import torch
from explorer.core.noise import derived
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor

MAX_DIMENSIONS = 64


def parse_point(text: str) -> list[Fraction]:
    """Coordinates in [0, 1], separated by spaces; exact, so 0.1 is a tenth.

    Raises:
        ValueError: naming the coordinate that is none.

    >>> parse_point("0.25 1/3")
    [Fraction(1, 4), Fraction(1, 3)]
    """
    point = []
    for word in text.replace(",", " ").split():
        try:
            coordinate = Fraction(word)
        except (ValueError, ZeroDivisionError):
            raise ValueError(f"'{word}' is no number") from None
        if not 0 <= coordinate <= 1:
            raise ValueError(f"{word} lies outside [0, 1]")
        point.append(coordinate)
    if len(point) > MAX_DIMENSIONS:
        raise ValueError(f"{len(point)} coordinates are more than {MAX_DIMENSIONS}")
    return point


def zoom(logprobs: Tensor, coordinate: Fraction) -> tuple[int, Fraction]:
    """The token whose interval of the cumulative law holds a coordinate, and its place therein.

    Intervals are half-open but for the last, which holds 1. The cumulative law is summed in
    float64; from there on everything is exact.
    """
    cumulative = logprobs.cpu().double().exp().cumsum(dim=-1)
    total = Fraction(float(cumulative[-1]))
    target = coordinate * total
    token_id = int(torch.searchsorted(cumulative, float(target), right=True))
    last = int((logprobs > -torch.inf).nonzero()[-1])
    token_id = min(token_id, last)
    # float(target) was rounded: step over at most a neighbour or two until the interval holds.
    while token_id > 0 and _below(cumulative, token_id) > target:
        token_id -= 1
    while token_id < last and Fraction(float(cumulative[token_id])) <= target:
        token_id += 1
    low, high = _below(cumulative, token_id), Fraction(float(cumulative[token_id]))
    return token_id, min(Fraction(1), (target - low) / (high - low))


def _below(cumulative: Tensor, token_id: int) -> Fraction:
    return Fraction(float(cumulative[token_id - 1])) if token_id else Fraction(0)


class LatentPoint(Decoder):
    """AriEL's decoder: coordinate j mod d chooses token j, and is then zoomed into.

    The cube is cut, one dimension a token, into boxes whose volumes are the probabilities of
    the prefixes; the text is the box that holds the point. A uniform point gives the model's
    law exactly. Without a point, one is drawn from the lane's noise.

    Source: Celotti, Brodeur, Rouat, "AriEL: Volume Coding for Sentence Generation",
        arXiv:2003.13600.
    Oracle: the authors' decoder (golden numbers, tests/golden/); chi-square against the law.
    """

    def __init__(
        self, point: Sequence[Fraction], dimensions: int, processors: Sequence[Processor] = ()
    ) -> None:
        self._point, self._dimensions = list(point), dimensions
        self._processors = tuple(processors)

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law = sampling_law(self._processors, view)
        if not self._point:
            u = view.uniforms[0]
            draws = (derived(u, f"coordinate {k}") for k in range(self._dimensions))
            self._point = [Fraction(draw) for draw in draws]
        dimension = (len(view.histories[0]) - view.prompt_length) % len(self._point)
        before = self._point[dimension]
        token_id, self._point[dimension] = zoom(law[0], before)
        note = {"dimension": dimension, "coordinate": round(float(before), 12)}
        return Move((0,), (token_id,), law, notes=(note,))


class LatentPointParams(Params):
    """Parameters of `latent_point`."""

    point: str = Field(
        default="",
        max_length=4000,
        description="Coordinates in [0, 1], separated by spaces; empty draws a point.",
    )
    dimensions: int = Field(
        default=2,
        ge=1,
        le=MAX_DIMENSIONS,
        description="Dimensions of a drawn point; a given one has as many as it has numbers.",
        json_schema_extra={"slider": [1, 16, 1]},
    )

    @field_validator("point")
    @classmethod
    def _is_a_point(cls, point: str) -> str:
        parse_point(point)
        return point


def build(params: LatentPointParams, processors: Sequence[Processor]) -> LatentPoint:
    """The decoder of one lane."""
    return LatentPoint(parse_point(params.point), params.dimensions, processors)


INFO = StageInfo(
    name="latent_point",
    title="latent point",
    family="latent",
    kind="chooser",
    summary="Reads a point of the unit cube as a text: AriEL decoding.",
    look_for="Move one coordinate a little: the text keeps its beginning and changes from the "
    "first token whose box you left.",
    source="Celotti, Brodeur, Rouat, AriEL: Volume Coding for Sentence Generation, "
    "arXiv:2003.13600",
    formula=r"x_t = \min \{ v : C(v) > c_j \}, "
    r"\quad c_j \leftarrow \frac{c_j - C(x_t - 1)}{p(x_t)}, \quad j = t \bmod d",
    params=LatentPointParams,
    build=build,
    draws=True,
    idle=(Idle(("dimensions",), "point", "the point given has its own.", unless=("",)),),
)
