"""KGW watermark: a green list of tokens, renewed by the token before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from explorer.core.decoder import Processor, StageInfo, StepView
from explorer.core.interop import from_transformers
from explorer.core.params import Params
from explorer.core.watermarks import green_list_processor

if TYPE_CHECKING:
    from torch import Tensor


class Kgw:
    """Adds `bias` to the logits of a green share of the vocabulary, chosen by the last token.

    Whoever knows the key counts green tokens: more than `share` of them betray the text. Unlike
    EXP and ITS it changes the law.

    A permutation of the whole vocabulary a row and step: up to a millisecond each.

    Source: Kirchenbauer et al., "A Watermark for Large Language Models", arXiv:2301.10226;
        the list is transformers' WatermarkLogitsProcessor ("lefthash"), so its detector works.
    Oracle: that class itself and its WatermarkDetector (tests/parity/test_watermarks.py).
    """

    def __init__(self, params: KgwParams) -> None:
        self._params = params
        self._process: Processor | None = None
        self._made_for: Any = None

    def __call__(self, logits: Tensor, view: StepView) -> Tensor:
        """Bias the green tokens."""
        if self._params.bias == 0:
            return logits.clone()
        wanted = (logits.shape[-1], logits.device)
        if self._process is None or self._made_for != wanted:
            vocab, device = wanted
            made = green_list_processor(
                vocab,
                device,
                share=self._params.share,
                bias=self._params.bias,
                key=self._params.key,
            )
            self._process, self._made_for = from_transformers(made), wanted
        return self._process(logits, view)


class KgwParams(Params):
    """Parameters of `kgw`."""

    share: float = Field(
        default=0.25,
        ge=0.01,
        le=0.99,
        description="Share of the vocabulary that is green at each step.",
        json_schema_extra={"slider": [0.05, 0.95, 0.05]},
    )
    bias: float = Field(
        default=2.0,
        ge=0,
        le=100,
        description="Added to the logits of green tokens; 0 switches it off.",
        json_schema_extra={"slider": [0, 10, 0.5]},
    )
    key: int = Field(
        default=15485863,
        ge=1,
        le=2**31 - 1,
        description="The secret.",
        json_schema_extra={"slider": [1, 20_000_000, 1]},
    )


def build(params: KgwParams) -> Processor:
    """The processor of one lane."""
    return Kgw(params)


INFO = StageInfo(
    name="kgw",
    title="KGW green list",
    family="watermarks",
    kind="processor",
    summary="Favours a secret, ever-changing share of the vocabulary: easy to detect, and not "
    "quite free.",
    look_for="Sampling surprisal falls below the model's where the green list agrees, and rank-0 "
    "tokens are passed over where it does not.",
    source="Kirchenbauer et al., A Watermark for Large Language Models, arXiv:2301.10226",
    formula=r"z'_v = z_v + \delta \, [\, v \in \text{green list of the token before} \,]",
    params=KgwParams,
    build=build,
    neutral={"bias": 0.0},
)
