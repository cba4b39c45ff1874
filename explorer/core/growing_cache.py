"""A key-value cache that grows in place, and can be kept for others to go on from.

transformers' dynamic layer copies all keys and values a token; ours writes into spare room.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

MIN_SPARE = 64
"""Free places, in tokens, left when a cache has to grow."""


class GrowingStore:
    """A tensor [rows, heads, length, dim] that grows along `length` in place.

    Appending to it copies the new tokens only; joining two tensors, as transformers'
    dynamic layer does, copies everything once a token.
    """

    def __init__(self, like: Tensor) -> None:
        rows, heads, _, dim = like.shape
        self._buffer = like.new_empty((rows, heads, 0, dim))
        self._length = 0

    @property
    def view(self) -> Tensor:
        """What is stored, [rows, heads, length, dim]; a view, valid until the next change."""
        return self._buffer[:, :, : self._length]

    def _roomy(self, rows: int, length: int) -> Tensor:
        """An uninitialised buffer for `length` tokens and at least half as many to come."""
        _, heads, _, dim = self._buffer.shape
        return self._buffer.new_empty((rows, heads, length + max(MIN_SPARE, length // 2), dim))

    def append(self, new: Tensor) -> Tensor:
        """Add `new`, [rows, heads, n, dim], and return the view of everything."""
        length = self._length + new.shape[2]
        if length > self._buffer.shape[2]:
            grown = self._roomy(self._buffer.shape[0], length)
            grown[:, :, : self._length] = self.view
            self._buffer = grown
        self._buffer[:, :, self._length : length] = new
        self._length = length
        return self.view

    def take(self, rows: Tensor) -> Tensor:
        """Make row i the old row `rows[i]` (int64 [new rows], on the CPU, repeats allowed).

        Where most rows stay, as when one beam of several lanes branches, only the others
        are written, in place; otherwise all are copied, once.
        """
        moved = (rows != torch.arange(len(rows))).nonzero()[:, 0]
        device = self._buffer.device
        if len(rows) == self._buffer.shape[0] and 2 * len(moved) <= len(rows):
            news = self.view.index_select(0, rows[moved].to(device))  # read before any write
            self.view.index_copy_(0, moved.to(device), news)
            return self.view
        taken = self._roomy(len(rows), self._length)
        torch.index_select(self.view, 0, rows.to(device), out=taken[:, :, : self._length])
        self._buffer = taken
        return self.view

    def drop_last(self, tokens: int) -> Tensor:
        """Forget the last `tokens` tokens."""
        self._length = max(0, self._length - tokens)
        return self.view


class GrowingLayer(DynamicLayer):  # type: ignore[no-untyped-call]  # its __init_subclass__
    """transformers' full-attention cache layer, without a copy of the cache a token.

    `keys` and `values` are views of two stores, so all that reads them keeps working.
    """

    _key_store: GrowingStore
    _value_store: GrowingStore

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Take rows, heads, head size, dtype and device from the first states."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self._key_store, self._value_store = GrowingStore(key_states), GrowingStore(value_states)
        self.keys, self.values = self._key_store.view, self._value_store.view
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Append states [rows, kv_heads, n, head_dim] and return all keys and values."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        keys, values = self._key_store.append(key_states), self._value_store.append(value_states)
        self.keys, self.values = keys, values
        return keys, values

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Make row i the old row `beam_idx[i]`; repeats fan a row out."""
        if self.get_seq_length() > 0:
            rows = beam_idx.to("cpu")
            self.keys, self.values = self._key_store.take(rows), self._value_store.take(rows)

    def batch_select_indices(self, indices: Tensor) -> None:
        """The same as `reorder_cache`, under transformers' other name."""
        self.reorder_cache(indices)

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat every row `repeats` times, copies side by side."""
        if self.get_seq_length() > 0:
            rows = torch.arange(self._key_store.view.shape[0])
            self.reorder_cache(rows.repeat_interleave(repeats))

    def crop(self, tokens_to_remove: int) -> None:
        """Forget the last `|tokens_to_remove|` tokens (transformers passes it negative)."""
        if self.is_initialized:
            tokens = abs(tokens_to_remove)
            self.keys = self._key_store.drop_last(tokens)
            self.values = self._value_store.drop_last(tokens)


def new_cache(model: PreTrainedModel) -> DynamicCache:
    """The cache that suits the model's layers.

    Only plain full-attention layers are replaced by ours; sliding-window, recurrent and
    hybrid ones stay as transformers builds them.
    """
    cache = DynamicCache(config=model.config)
    cache.layers = [
        GrowingLayer() if type(layer) is DynamicLayer else layer  # type: ignore[no-untyped-call]
        for layer in cache.layers
    ]
    return cache


@dataclass(frozen=True, slots=True)
class SavedPrefix:
    """What one row has read, for another batch of the same model to go on from.

    Attributes:
        cache: keys and values of every layer.
        length: tokens.
    """

    cache: DynamicCache
    length: int

    @property
    def can_be_cut(self) -> bool:
        """True where every layer keeps all positions, so that the last can be forgotten."""
        return all(type(layer) is GrowingLayer for layer in self.cache.layers)

    def first(self, length: int) -> DynamicCache:
        """A copy that holds the first `length` tokens.

        Raises:
            ValueError: if there are fewer, or this cache cannot be cut.
        """
        if length > self.length or (length < self.length and not self.can_be_cut):
            raise ValueError(f"the first {length} tokens of {self.length}")
        cache = copy.deepcopy(self.cache)
        for layer in cache.layers if length < self.length else ():
            assert isinstance(layer, GrowingLayer)
            layer.crop(length - self.length)
        return cache
