"""ITS watermark: inverse transform sampling in a secret order of the vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from explorer.core.decoder import Decoder, Move, Processor, StageInfo, StepView, sampling_law
from explorer.core.deferred import torch
from explorer.core.distribution import inverse_cdf
from explorer.core.noise import derived
from explorer.decoders.exp_watermark import ExpWatermarkParams

if TYPE_CHECKING:
    from torch import Tensor


def its_pick(
    logprobs: Float[Tensor, " vocab"], order: Int[Tensor, " vocab"], uniform: float
) -> int:
    """The token whose interval of the cumulative law, in a given order, holds the uniform."""
    return int(order[inverse_cdf(logprobs[order.to(logprobs.device)], uniform)])


class ItsWatermark(Decoder):
    """The key is one order of the vocabulary and one uniform a position.

    A text begins at a position drawn from its own noise and walks round. Over keys it has the
    law it would have had (after the processors); whoever has the key finds uniforms and ranks
    in the order go together.

    Source: Kuditipudi et al., "Robust Distortion-free Watermarks for Language Models",
        arXiv:2307.15593 (ITS).
    Oracle: the authors' tokens for a given key (golden numbers, tests/golden/); chi-square over
        keys.
    """

    def __init__(self, key: int, length: int, processors: Sequence[Processor] = ()) -> None:
        stream = np.random.Generator(np.random.Philox(key=key))
        self._uniforms = stream.random(length)
        self._stream, self._processors = stream, tuple(processors)
        self._order: Tensor | None = None
        self._shift: int | None = None

    def advance(self, view: StepView) -> Move:
        """Choose."""
        law = sampling_law(self._processors, view)
        if self._order is None or self._shift is None:
            self._order = torch.from_numpy(self._stream.permutation(law.shape[-1]))
            share = derived(view.uniforms[0], "watermark shift")
            self._shift = int(share * len(self._uniforms))
        step = len(view.histories[0]) - view.prompt_length
        position = (self._shift + step) % len(self._uniforms)
        uniform = float(self._uniforms[position])
        token_id = its_pick(law[0], self._order, uniform)
        note = {"key_position": position, "key_value": round(uniform, 6)}
        return Move((0,), (token_id,), law, notes=(note,))


class ItsWatermarkParams(ExpWatermarkParams):
    """Parameters of `its_watermark`."""


def build(params: ItsWatermarkParams, processors: Sequence[Processor]) -> ItsWatermark:
    """The decoder of one lane."""
    return ItsWatermark(params.key, params.length, processors)


INFO = StageInfo(
    name="its_watermark",
    title="ITS watermark",
    family="watermarks",
    kind="chooser",
    summary="Pure sampling with secret numbers in a secret order: no change to the law.",
    look_for="Two lanes with the same key and seed say the same; to a reader without the key it "
    "is sampling.",
    source="Kuditipudi et al., Robust Distortion-free Watermarks, arXiv:2307.15593",
    formula=r"x_t = \text{the first token in the key's order with } "
    r"\sum_{v \le x_t} p(v) > u_t, \quad u_t \text{ from the key}",
    params=ItsWatermarkParams,
    build=build,
    draws=True,
)
