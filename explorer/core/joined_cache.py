"""Rows of several caches, of different lengths, through one forward.

All that a transformer does token by token (embedding, projections, MLPs, output layer) is done
for the rows of several batches at once; each batch's rows attend to its own cache, as they would
alone. So there is no padding, and no copy of keys and values.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from explorer.core.growing_cache import GrowingLayer

FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gpt_neox", "olmo2", "granite")
"""Kinds of models whose attention is known to take what it is given as it is; each is tested."""
_USUAL = "sdpa"


class JoinedStates(list[Tensor]):
    """Keys, or values, of several caches: [rows, kv_heads, length, head_dim] each."""


class JoinedCache:
    """Stands where a model takes its cache: every layer's update goes to the cache of its rows.

    Args:
        caches: in the order of their rows.
        rows: of each.
    """

    def __init__(self, caches: Sequence[DynamicCache], rows: Sequence[int]) -> None:
        self._caches, self._rows = list(caches), list(rows)

    def update(
        self, keys: Tensor, values: Tensor, layer: int, *_args: object, **_kwargs: object
    ) -> tuple[JoinedStates, JoinedStates]:
        """Append each cache's rows of [rows, kv_heads, 1, head_dim]; all states of each."""
        parts = zip(
            self._caches,
            torch.split(keys, self._rows),
            torch.split(values, self._rows),
            strict=True,
        )
        found = [cache.update(key, value, layer) for cache, key, value in parts]
        return JoinedStates(k for k, _ in found), JoinedStates(v for _, v in found)

    def get_seq_length(self, layer: int = 0) -> int:
        """Tokens of the longest; positions are given, so nothing depends on it."""
        return max(int(cache.get_seq_length(layer)) for cache in self._caches)


def can_join(model: PreTrainedModel, cache: DynamicCache) -> bool:
    """True where rows of several batches of this model can go through one forward."""
    return (
        model.config.model_type in FAMILIES
        and model.config._attn_implementation == _USUAL
        and all(type(layer) is GrowingLayer for layer in cache.layers)
    )


def joined_logits(
    model: PreTrainedModel,
    cache_name: str,
    caches: Sequence[DynamicCache],
    lengths: Sequence[int],
    token_ids: Sequence[Sequence[int]],
) -> list[Tensor]:
    """One token more for every row of every cache; float32 logits [rows, vocab] of each.

    Whoever calls holds the model's lock.

    Args:
        model: one that `can_join` all of them.
        cache_name: under which its forward takes a cache.
        caches: grow by a token.
        lengths: tokens in each before.
        token_ids: for each cache, one a row.
    """
    rows = [len(ids) for ids in token_ids]
    device = model.device
    ids = torch.tensor([[token] for some in token_ids for token in some], device=device)
    positions = torch.tensor(
        [[length] for length, count in zip(lengths, rows, strict=True) for _ in range(count)],
        device=device,
    )
    options: dict[str, Any] = {cache_name: JoinedCache(caches, rows), "use_cache": True}
    # A mask of four dimensions is taken as it is; attention here needs none.
    mask = torch.zeros(1, 1, 1, 1, dtype=model.dtype, device=device)
    with torch.inference_mode():
        answer = model(input_ids=ids, position_ids=positions, attention_mask=mask, **options)
        logits: Tensor = answer.logits[:, -1].float()
    return list(torch.split(logits, rows))


def _attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor | JoinedStates,
    value: Tensor | JoinedStates,
    mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """The usual attention, which takes the states of several caches cache by cache.

    It stands under the usual name for good: a name that a model had only while it steps would be
    seen by whoever copies the model meanwhile, or reads a text with it.
    """
    if not isinstance(key, JoinedStates):
        attended: tuple[Tensor, Tensor | None] = _SDPA(module, query, key, value, mask, **options)
        return attended
    parts = zip(torch.split(query, [len(states) for states in key]), key, value, strict=True)
    return torch.cat([_SDPA(module, q, k, v, None, **options)[0] for q, k, v in parts]), None


_SDPA = ALL_ATTENTION_FUNCTIONS[_USUAL]
ALL_ATTENTION_FUNCTIONS.register(_USUAL, _attention)
