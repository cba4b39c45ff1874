"""Where a model looks: attention computed in the form that shows its weights, for a few tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from explorer.core.deferred import torch
from explorer.core.errors import NotCapable

if TYPE_CHECKING:
    from torch import Tensor


@contextmanager
def eager(model: Any) -> Iterator[None]:
    """The form of attention that shows its weights, meanwhile; whoever enters holds the lock.

    Raises:
        NotCapable: for a model that has no such form.
    """
    usual = model.config._attn_implementation
    try:
        try:
            model.set_attn_implementation("eager")
        except ValueError as error:
            raise blind() from error
        if model.config._attn_implementation != "eager":  # some only warn
            raise blind()
        yield
    finally:
        model.set_attn_implementation(usual)


def stacked(weights: Sequence[Tensor | None] | None, length: int) -> Tensor:
    """The layers' weights, [1, heads, n, keys] each, as one float32 [layers, heads, n, length].

    Layers that see a window only keep the latest keys: 0 stands before them. Layers without
    attention give none and are left out, so numbers count those that have it.

    Raises:
        NotCapable: where there is none, or layers differ in their number of heads.
    """
    found = [layer[0].float().cpu() for layer in weights or () if layer is not None]
    if not found or len({len(layer) for layer in found}) != 1:
        raise blind()
    return torch.stack(
        [torch.nn.functional.pad(layer, (length - layer.shape[-1], 0)) for layer in found]
    )


def blind() -> NotCapable:
    """The refusal of a model that shows no attention."""
    return NotCapable(
        "This model does not show its attention.",
        "Choose a transformer, such as a Llama or a GPT-2, and run the prompt again.",
    )
