"""Prefixes that were read are kept: what goes on from one of them reads only what is new."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from torch import Tensor

from explorer.core.handle import Batch, Capability, ModelHandle, Tokenizer
from explorer.core.kv_cache import HiddenLayers, KVBatch
from explorer.core.types import ModelInfo

_Key = tuple[str, tuple[int, ...]]


class PrefixCache:
    """Key-value caches of the latest prefixes, over all models.

    Args:
        kept: prefixes.
        max_bytes: all of them together, estimated by the models' own figures.
    """

    def __init__(self, kept: int = 8, max_bytes: int = 512 * 2**20) -> None:
        self._kept, self._max_bytes = kept, max_bytes
        self._entries: OrderedDict[_Key, tuple[KVBatch, Tensor, int]] = OrderedDict()
        self._lock = threading.Lock()

    def wrap(self, model: ModelHandle) -> ModelHandle:
        """The model with a memory: its batches begin from the longest prefix that is kept.

        Models whose batches cannot be copied, such as scripted ones, come back as they are.
        """
        return _Remembering(model, self) if isinstance(model.open_batch(), KVBatch) else model

    def find(self, digest: str, ids: tuple[int, ...]) -> tuple[int, KVBatch, Tensor] | None:
        """The longest kept beginning of `ids`: its length, a batch of one's own, its logits."""
        with self._lock:
            fits = [
                key for key in self._entries if key[0] == digest and ids[: len(key[1])] == key[1]
            ]
            if not fits:
                return None
            best = max(fits, key=lambda key: len(key[1]))
            self._entries.move_to_end(best)
            batch, logits, _ = self._entries[best]
        return len(best[1]), batch.twin(), logits

    def keep(self, info: ModelInfo, ids: tuple[int, ...], batch: KVBatch, logits: Tensor) -> None:
        """Remember a batch of one row that has read `ids`, and the logits after them."""
        key, size = (info.digest, ids), len(ids) * max(1, info.kv_bytes_per_token)
        if size > self._max_bytes:
            return
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return
        twin = batch.twin()
        with self._lock:
            self._entries[key] = (twin, logits, size)
            while len(self._entries) > self._kept or self._bytes() > self._max_bytes:
                self._entries.popitem(last=False)

    def _bytes(self) -> int:
        return sum(size for *_, size in self._entries.values())

    def clear(self) -> None:
        """Forget everything, such as when a model leaves memory."""
        with self._lock:
            self._entries.clear()


class _Remembering:
    """A model whose batches remember prefixes; everything else is the model's own."""

    def __init__(self, model: ModelHandle, cache: PrefixCache) -> None:
        self._model, self._cache = model, cache

    @property
    def info(self) -> ModelInfo:
        return self._model.info

    @property
    def tokenizer(self) -> Tokenizer:
        return self._model.tokenizer

    @property
    def capabilities(self) -> frozenset[Capability]:
        return self._model.capabilities

    def read_masked(
        self, token_ids: Sequence[int], positions: Sequence[int], allowed: Tensor
    ) -> Tensor:
        """As the model does."""
        return self._model.read_masked(token_ids, positions, allowed)

    def score(self, token_ids: Sequence[int], start: int) -> Iterator[tuple[int, Tensor]]:
        return self._model.score(token_ids, start)

    def open_batch(self) -> Batch:
        batch = self._model.open_batch()
        assert isinstance(batch, KVBatch)
        return _PrefixBatch(batch, self._model.info, self._cache)


class _PrefixBatch:
    """A batch whose prompt begins where a kept prefix ends."""

    def __init__(self, batch: KVBatch, info: ModelInfo, cache: PrefixCache) -> None:
        self._batch, self._info, self._cache = batch, info, cache
        self._keeps_layers = False

    @property
    def rows(self) -> int:
        return self._batch.rows

    @property
    def layers(self) -> HiddenLayers | None:
        return self._batch.layers

    def keep_layers(self) -> None:
        self._keeps_layers = True
        self._batch.keep_layers()

    def prefill(self, prompt_ids: Sequence[int]) -> Iterator[int | Tensor]:
        ids = tuple(prompt_ids)
        if self._keeps_layers:  # they are wanted of every position of the prompt
            yield from self._batch.prefill(ids)
            return
        found = self._cache.find(self._info.digest, ids)
        if found is None:
            news = self._batch.prefill(ids)
        else:
            length, self._batch, logits = found
            if length == len(ids):
                yield logits
                return
            news = self._batch.extend(ids[length:])
        for read in news:
            if isinstance(read, Tensor):
                self._cache.keep(self._info, ids, self._batch, read)
            yield read

    def select(self, rows: Sequence[int]) -> None:
        self._batch.select(rows)

    def step(self, token_ids: Sequence[int]) -> Tensor:
        return self._batch.step(token_ids)

    def read(self, token_ids: Sequence[Sequence[int]]) -> Tensor:
        return self._batch.read(token_ids)

    def attend(self, token_ids: Sequence[int]) -> Tensor:
        return self._batch.attend(token_ids)
