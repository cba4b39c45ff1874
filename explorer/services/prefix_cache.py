"""Prefixes that were read are kept: what goes on from one of them reads only what is new."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.core.deferred import torch
from explorer.core.handle import Batch, Capability, FixedRows, ModelHandle, Tokenizer
from explorer.core.kv_cache import HiddenLayers, KVBatch
from explorer.core.types import ModelInfo

if TYPE_CHECKING:
    from torch import Tensor

    from explorer.core.growing_cache import SavedPrefix

_Key = tuple[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Found:
    """A kept prefix that something can go on from.

    Attributes:
        saved: what was read.
        length: tokens of it that are of use.
        logits: float32 [1, vocab] after them; None where they have to be read.
    """

    saved: SavedPrefix
    length: int
    logits: Tensor | None


class PrefixCache:
    """Key-value caches of the latest prefixes, over all models; none keeps its model in memory.

    Args:
        kept: prefixes.
        max_bytes: all of them together, estimated by the models' own figures.
    """

    def __init__(self, kept: int = 8, max_bytes: int = 512 * 2**20) -> None:
        self._kept, self._max_bytes = kept, max_bytes
        self._entries: OrderedDict[_Key, tuple[SavedPrefix, Tensor, int]] = OrderedDict()
        self._lock = threading.Lock()

    def wrap(self, model: ModelHandle) -> ModelHandle:
        """The model with a memory: its batches begin from the longest prefix that is kept.

        Models whose batches cannot be copied, such as scripted ones, come back as they are.
        """
        return _Remembering(model, self) if isinstance(model.open_batch(), KVBatch) else model

    def find(self, digest: str, ids: tuple[int, ...]) -> Found | None:
        """What is kept that shares the most first tokens with `ids`; None where nothing does.

        A kept prefix that goes on otherwise, or further, is cut where the two part: then the
        logits there are unknown, and the last shared token is left to be read again.
        """
        with self._lock:
            best: tuple[int, _Key] | None = None
            for key, (saved, *_) in self._entries.items():
                length = _shared(key[1], ids) if key[0] == digest else 0
                if length < saved.length:
                    length = min(length, len(ids) - 1) if saved.can_be_cut else 0
                if length and (best is None or length >= best[0]):
                    best = (length, key)
            if best is None:
                return None
            length, key = best
            self._entries.move_to_end(key)
            saved, logits, _ = self._entries[key]
            return Found(saved, length, logits if length == saved.length else None)

    def keep(self, info: ModelInfo, ids: tuple[int, ...], batch: KVBatch, logits: Tensor) -> None:
        """Remember what a batch of one row has read, `ids`, and the logits after them."""
        key, size = (info.digest, ids), len(ids) * max(1, info.kv_bytes_per_token)
        if size > self._max_bytes:
            return
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return
        saved = batch.saved()
        with self._lock:
            self._entries[key] = (saved, logits, size)
            while len(self._entries) > self._kept or self._bytes() > self._max_bytes:
                self._entries.popitem(last=False)

    def _bytes(self) -> int:
        return sum(size for *_, size in self._entries.values())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many first ids two sequences have in common."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


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
            self._batch.resume(found.saved, found.length)
            if found.length == len(ids):
                assert found.logits is not None
                yield found.logits
                return
            news = self._batch.extend(ids[found.length :])
        for read in news:
            if isinstance(read, torch.Tensor):
                self._cache.keep(self._info, ids, self._batch, read)
            yield read

    def select(self, rows: Sequence[int]) -> None:
        self._batch.select(rows)

    def step(self, token_ids: Sequence[int]) -> Tensor:
        return self._batch.step(token_ids)

    def fix(self, rows: int, places: int) -> FixedRows:
        return self._batch.fix(rows, places)

    def read(self, token_ids: Sequence[Sequence[int]]) -> Tensor:
        return self._batch.read(token_ids)

    def attend(self, token_ids: Sequence[int]) -> Tensor:
        return self._batch.attend(token_ids)
