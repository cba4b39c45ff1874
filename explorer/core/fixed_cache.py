"""A key-value cache whose tensors never move, for steps that are recorded once and replayed.

A recorded step (a CUDA graph) reads and writes the same addresses each time, so the cache is as
long as it will ever be from the beginning, the place of the next token is a number on the device,
and what lies behind it is masked. For the same families of models as `explorer.core.joined_cache`:
their attention takes the mask and the states that it is given as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from explorer.core.deferred import torch

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from explorer.core.growing_cache import GrowingLayer

MULTIPLE = 64
"""Lengths are multiples of it: kernels of attention want masks aligned, and blocks whole."""


class FixedCache:
    """Stands where a model takes its cache; a step writes one place of every row.

    Attributes:
        position: int64 [1], the place of the next token; the tokens in every row.

    Args:
        layers: what was read so far, one row of `length` tokens in each.
        rows: of the new cache; all begin with what was read.
        places: tokens that each row has room for.
    """

    def __init__(self, layers: Sequence[GrowingLayer], rows: int, places: int) -> None:
        self.places = math.ceil(places / MULTIPLE) * MULTIPLE
        self._keys = [self._filled(layer.keys, rows) for layer in layers]
        self._values = [self._filled(layer.values, rows) for layer in layers]
        length = layers[0].get_seq_length()
        self.position = torch.tensor([length], device=self._keys[0].device)

    def _filled(self, states: Tensor | None, rows: int) -> Tensor:
        assert states is not None
        _, heads, length, size = states.shape
        # Not left as it comes: what is masked still counts where it is NaN.
        whole = states.new_zeros(rows, heads, self.places, size)
        whole[:, :, :length] = states
        return whole

    def update(
        self, keys: Tensor, values: Tensor, layer: int, *_args: object, **_kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Write states [rows, kv_heads, 1, head_dim] at `position`; all states of the layer."""
        self._keys[layer].index_copy_(2, self.position, keys)
        self._values[layer].index_copy_(2, self.position, values)
        return self._keys[layer], self._values[layer]

    def get_seq_length(self, layer: int = 0) -> int:
        """Of the tensors; positions are given, so nothing depends on it."""
        return self.places


class FixedKVRows:
    """Rows of a model over a `FixedCache`: a forward that is the same operations every time.

    Attributes:
        lock: of the model; held by whoever calls `forward`, or replays it.
        rows: how many.
        device: where they are.

    Args:
        model: one whose batches can be joined.
        lock: of the model.
        cache_name: under which the model's forward takes a cache.
        cache: to go on with.
        rows: of the cache.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        lock: AbstractContextManager[object],
        cache_name: str,
        cache: FixedCache,
        rows: int,
    ) -> None:
        self.lock, self.rows, self.device = lock, rows, model.device
        self._model, self._cache, self._cache_name = model, cache, cache_name
        self._behind = torch.arange(cache.places, device=model.device)
        self._mask = torch.zeros(1, 1, 1, cache.places, dtype=model.dtype, device=model.device)

    @property
    def position(self) -> Tensor:
        """int64 [1]: tokens in each row."""
        return self._cache.position

    def forward(self, token_ids: Tensor) -> Tensor:
        """One token more for every row, int64 [rows]; float32 logits [rows, vocab] of the next."""
        seen = self._behind <= self._cache.position
        self._mask.copy_(torch.where(seen, 0.0, -math.inf))
        options: dict[str, Any] = {self._cache_name: self._cache, "use_cache": True}
        answer = self._model(
            input_ids=token_ids.unsqueeze(-1),
            position_ids=self._cache.position.expand(self.rows, 1),
            attention_mask=self._mask,
            **options,
        )
        self._cache.position.add_(1)
        logits: Tensor = answer.logits[:, -1].float()
        return logits
