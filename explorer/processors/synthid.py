"""SynthID: a tournament among tokens, judged by secret coin flips."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.deferred import torch
from explorer.core.params import Params
from explorer.core.watermarks import synthid_processor

if TYPE_CHECKING:
    from torch import Tensor

KEYS = (654, 400, 836, 123, 340, 443, 597, 160, 57, 29, 590, 639, 13, 715, 468, 990, 966, 226,
        324, 585, 118, 504, 421, 521, 129, 669, 732, 225, 90, 960)  # fmt: skip


class Synthid:
    """Doubles, layer by layer, the odds of tokens whose secret coin came up heads.

    The coins are a hash of the last `ngram` - 1 tokens, the token and the layer's key. A
    context that the continuation has had before is left unmarked, as in transformers, whose
    memory is 1,024 contexts long and here is the whole continuation.

    Every token needs a hash and `layers` coins: some hundred milliseconds for 8 rows of 49,152,
    which is the method's price.

    Source: Dathathri et al., "Scalable watermarking for identifying large language model
        outputs", Nature 634, 2024; hashes and tournament are transformers'
        SynthIDTextWatermarkLogitsProcessor.
    Oracle: that class itself, step by step (tests/parity/test_watermarks.py).
    """

    def __init__(self, params: SynthidParams) -> None:
        self._params = params
        self._made: Any = None
        self._device: torch.device | None = None

    def __call__(self, logits: Tensor, view: StepView) -> Tensor:
        """Play the tournament."""
        if self._params.layers == 0:
            return logits.clone()
        if self._made is None or self._device != logits.device:
            self._made = synthid_processor(
                logits.device, ngram=self._params.ngram, keys=keys_of(self._params)
            )
            self._device = logits.device
        changed = logits.clone()
        for row, history in enumerate(view.histories):
            continuation = history[view.prompt_length :]
            contexts = [self._context(continuation[:i]) for i in range(len(continuation) + 1)]
            if contexts[-1] not in contexts[:-1]:
                changed[row] = self._mark(logits[row : row + 1], contexts[-1])[0]
        return changed

    def _context(self, continuation: Any) -> tuple[int, ...]:
        """The last tokens generated, with zeros where there are not enough."""
        width = self._params.ngram - 1
        return tuple([0] * width + list(continuation))[-width:]

    def _mark(self, logits: Tensor, context: tuple[int, ...]) -> Tensor:
        vocab = logits.shape[-1]
        every = torch.arange(vocab, device=logits.device).unsqueeze(0)
        keys, _ = self._made._compute_keys(torch.tensor([context], device=logits.device), every)
        marked: Tensor = self._made.update_scores(logits, self._made.sample_g_values(keys))
        return torch.where(logits.isfinite(), marked, logits)


class SynthidParams(Params):
    """Parameters of `synthid`."""

    layers: int = Field(
        default=10,
        ge=0,
        le=len(KEYS),
        description="Rounds of the tournament; 0 switches it off, 30 is the authors' choice.",
        json_schema_extra={"slider": [0, 30, 1]},
    )
    ngram: int = Field(
        default=5,
        ge=2,
        le=20,
        description="Tokens hashed together, the new one included.",
        json_schema_extra={"slider": [2, 10, 1]},
    )
    key: int = Field(
        default=0,
        ge=0,
        le=2**31,
        description="The secret: added to the published keys.",
        json_schema_extra={"slider": [0, 100, 1]},
    )


def keys_of(params: SynthidParams) -> list[int]:
    """The keys of the tournament's rounds."""
    return [key + params.key for key in KEYS[: params.layers]]


def build(params: SynthidParams) -> Processor:
    """The processor of one lane."""
    return Synthid(params)


INFO = StageInfo(
    name="synthid",
    title="SynthID",
    family="watermarks",
    kind="processor",
    summary="A tournament of tokens with secret judges: nearly free where the text is uncertain.",
    look_for="The sampling law turns ragged: neighbours of equal p have very different q, though "
    "on average over keys nothing moves.",
    source="Dathathri et al., Scalable watermarking (SynthID), Nature 634, 2024",
    formula=r"q_i(v) = q_{i-1}(v) \, \Big( 1 + g_i(v) - \sum_w q_{i-1}(w) \, g_i(w) \Big), "
    r"\quad g_i \in \{0, 1\} \text{ from the key}",
    params=SynthidParams,
    build=build,
    neutral={"layers": 0},
)
