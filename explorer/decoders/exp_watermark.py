"""EXP watermark: the token is the winner of a race that a secret key decides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from pydantic import Field

from explorer.core.decoder import Decoder, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.deferred import torch
from explorer.core.noise import derived
from explorer.core.params import Params

if TYPE_CHECKING:
    from torch import Tensor

_TINY = 2.0**-53


def key_row(key: int, position: int, vocab: int) -> NDArray[np.float64]:
    """The key's uniforms in (0, 1) for one position, [vocab]: Philox, the same everywhere."""
    stream = np.random.Generator(np.random.Philox(key=key, counter=[0, 0, position, 0]))
    return stream.random(vocab).clip(_TINY, 1 - _TINY)


def exp_pick(logprobs: Float[Tensor, " vocab"], uniforms: Float[Tensor, " vocab"]) -> int:
    """argmax of u_v ** (1 / p_v), as log(u_v) / p_v: over random u, v wins with probability p_v.

    The power itself underflows; so does the quotient where p_v does, which then loses.
    """
    logprobs = logprobs.cpu()
    race = uniforms.log() / logprobs.double().exp()
    return int(torch.where(logprobs.isfinite(), race, -torch.inf).argmax())


class ExpWatermark(Decoder):
    """Leaves no trace in the law of one text, and a strong one for whoever has the key.

    The key is a sequence of `length` positions, each with one uniform a token; a text begins at
    a position drawn from its own noise and walks round. A token wins its race with exactly its
    probability, so over keys the text has the law it would have had (after the processors).

    Source: Kuditipudi et al., "Robust Distortion-free Watermarks for Language Models",
        arXiv:2307.15593 (EXP). The authors draw the key from a Mersenne twister; here it is
        Philox, so their detector needs this key.
    Oracle: the authors' picks (golden numbers, tests/golden/); chi-square over keys.
    """

    def __init__(self, key: int, length: int, processors: Sequence[Processor] = ()) -> None:
        self._key, self._length = key, length
        self._processors = tuple(processors)
        self._shift: int | None = None

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law = sampling_law(self._processors, view)
        if self._shift is None:
            self._shift = int(derived(view.uniforms[0], "watermark shift") * self._length)
        step = len(view.histories[0]) - view.prompt_length
        position = (self._shift + step) % self._length
        uniforms = key_row(self._key, position, law.shape[-1])
        token_id = exp_pick(law[0], torch.from_numpy(uniforms))
        note = {"key_position": position, "key_value": round(float(uniforms[token_id]), 6)}
        return Move((0,), (token_id,), law, notes=(note,))


class ExpWatermarkParams(Params):
    """Parameters of `exp_watermark`."""

    key: int = Field(
        default=42,
        ge=0,
        le=2**32,
        description="The secret.",
        json_schema_extra={"slider": [0, 100, 1]},
    )
    length: int = Field(
        default=256,
        ge=1,
        le=100_000,
        description="Positions of the key; a text longer than that repeats it.",
        json_schema_extra={"slider": [16, 1024, 16]},
    )


def build(params: ExpWatermarkParams, processors: Sequence[Processor]) -> ExpWatermark:
    """The decoder of one lane."""
    return ExpWatermark(params.key, params.length, processors)


INFO = StageInfo(
    name="exp_watermark",
    title="EXP watermark",
    family="watermarks",
    kind="chooser",
    summary="Picks by a secret key in a way that cannot be told from chance without it.",
    look_for="The key's values of the chosen tokens crowd near 1; surprisal and rank look like "
    "those of pure sampling.",
    source="Kuditipudi et al., Robust Distortion-free Watermarks, arXiv:2307.15593",
    formula=r"x_t = \arg\max_v \; u_{t,v}^{1 / p(v)}, \quad u \text{ from the key}",
    params=ExpWatermarkParams,
    build=build,
    draws=True,
)
