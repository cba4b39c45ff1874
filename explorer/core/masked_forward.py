"""A forward in which tokens see what they are told to, and stand where they are told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from explorer.core.deferred import torch
from explorer.core.errors import InvalidParams
from explorer.core.fair_lock import FairLock

if TYPE_CHECKING:
    from torch import Tensor


def masked_logits(
    model: Any,
    lock: FairLock,
    token_ids: Sequence[int],
    positions: Sequence[int],
    allowed: Tensor,
) -> Tensor:
    """float32 [n, vocab] logits after each token; see `ModelHandle.read_masked`.

    Raises:
        InvalidParams: for positions or a mask of another shape, or a token that sees nothing.
    """
    n = len(token_ids)
    if len(positions) != n or tuple(allowed.shape) != (n, n):
        raise InvalidParams(
            f"{n} tokens came with {len(positions)} positions and a mask of"
            f" {tuple(allowed.shape)}.",
            "Give one position a token, and a row and a column each.",
        )
    if not bool(allowed.diagonal().all()):
        raise InvalidParams("A token does not see itself.", "Allow the diagonal of the mask.")
    # The mask is added to scores: 0 where a token is seen, the lowest number where it is not.
    mask = torch.zeros(1, 1, n, n, dtype=model.dtype, device=model.device)
    mask.masked_fill_(~allowed.to(model.device), torch.finfo(model.dtype).min)
    with lock, torch.inference_mode():
        answer = model(
            input_ids=torch.tensor([list(token_ids)], device=model.device),
            position_ids=torch.tensor([list(positions)], device=model.device),
            attention_mask=mask,
            use_cache=False,
        )
    logits: Tensor = answer.logits[0].float()
    return logits
