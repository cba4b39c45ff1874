"""Classifier-free guidance: away from what a negative prompt would say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtyping import Float
from pydantic import Field

from explorer.core.decoder import Processor, Second, StageInfo, StepView
from explorer.core.deferred import torch
from explorer.core.params import Params
from explorer.processors.contexts import need_second

if TYPE_CHECKING:
    from torch import Tensor


def classifier_free_guidance(
    logits: Float[Tensor, "*rows vocab"], negative: Float[Tensor, "*rows vocab"], scale: float
) -> Float[Tensor, "*rows vocab"]:
    """log p_negative + scale * (log p - log p_negative), up to one number a row.

    Args:
        logits: float32 logits after the prompt; never modified.
        negative: logits after the negative prompt and the same continuation.
        scale: 1 changes nothing, above 1 leans away from the negative prompt, 0 follows it.

    Returns:
        A new tensor of the same shape; impossible tokens stay impossible.

    Source: Sanchez et al., "Stay on Topic with Classifier-Free Guidance", arXiv:2306.17806.
    Oracle: transformers.UnbatchedClassifierFreeGuidanceLogitsProcessor
        (tests/parity/test_contexts.py).
    """
    if scale == 1:
        return logits.clone()
    # Normalising would add one number to a whole row: the law is the same without.
    guided = torch.lerp(negative, logits, scale)
    return guided.where(guided.isfinite(), logits - 1e4)


class ClassifierFreeGuidanceParams(Params):
    """Parameters of `classifier_free_guidance`."""

    scale: float = Field(
        default=1.5,
        ge=0,
        le=20,
        description="Strength: 1 switches it off, above 1 leans away from the negative prompt.",
        json_schema_extra={"slider": [0, 5, 0.1]},
    )
    negative: str = Field(
        default="",
        max_length=4000,
        description="The negative prompt; empty is the model's begin mark alone, which makes the "
        "text cling to the prompt.",
    )


def build(params: ClassifierFreeGuidanceParams) -> Processor:
    """The processor of one lane."""

    def process(logits: Tensor, view: StepView) -> Tensor:
        return classifier_free_guidance(logits, need_second(view), params.scale)

    return process


INFO = StageInfo(
    name="classifier_free_guidance",
    title="classifier-free guidance",
    family="contexts",
    kind="processor",
    summary="Pushes the text towards its prompt by what the model would say without it.",
    look_for="Words of the prompt grow likelier; far above 1 the text repeats its topic without "
    "end.",
    source="Sanchez et al., Stay on Topic with Classifier-Free Guidance, arXiv:2306.17806",
    formula=r"z' = z_{\text{neg}} + s \, (z - z_{\text{neg}})",
    params=ClassifierFreeGuidanceParams,
    build=build,
    neutral={"scale": 1.0},
    second=lambda params: Second(prompt=params.negative),
)
