"""Rows that advance together over one key-value cache.

Shapes: a layer caches keys and values [rows, kv_heads, length, head_dim]; all rows have the
same length, so there is no padding and no attention mask, and position `length` is next for
every one of them.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from explorer.core.attentions import eager, stacked
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.fair_lock import FairLock

CPU_CHUNK = 192
"""Tokens of the prompt read between two chances to cancel.

SmolLM2-135M reads 4,000 tokens in 1.01 times the CPU time of 512 at once (median of four turns;
128 at once: 1.09), and its slowest chunk takes 0.37 of theirs. A number of tokens and not of
seconds: the size of a chunk moves the rounding, and a run has to replay.
"""

DEVICE_CHUNK = 512
"""The same where a forward over a few tokens leaves most of the device idle."""

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


def cache_argument(model: PreTrainedModel) -> str:
    """The name under which a model's forward takes its cache, and its answer holds it.

    transformers 5.24 renamed it and warns of the old name; 5.23 knows only that.
    """
    takes = inspect.signature(model.forward).parameters
    return "cache" if "cache" in takes else "past_key_values"


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
class HiddenLayers:
    """The `Layers` of a transformers model: a view on what its latest forward left behind."""

    model: PreTrainedModel
    states: tuple[Tensor, ...]
    last: Tensor
    prompt: Tensor

    def rows(self, places: slice) -> HiddenLayers:
        """The same for some of the rows."""
        states = tuple(state[places] for state in self.states)
        return HiddenLayers(self.model, states, self.last[places], self.prompt)

    def logits(self, layer: int) -> Tensor:
        """The output layer on the states of a layer, without the last norm before it."""
        head = self.model.get_output_embeddings()  # type: ignore[no-untyped-call]
        with torch.inference_mode():
            result: Tensor = head(self.states[layer].to(self.model.dtype)).float()
        return result


class KVBatch:
    """The `Batch` of a transformers causal language model.

    Args:
        model: the model, in evaluation mode.
        lock: taken for each forward, so that several runs share the model in turns.
        context_length: tokens it can read; 0 for no limit.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        lock: AbstractContextManager[None] | None = None,
        context_length: int = 0,
    ) -> None:
        self._model = model
        self._lock = lock if lock is not None else FairLock()
        self._context_length = context_length
        self._cache = new_cache(model)
        self._rows = 0
        self._length = 0
        self._keeps_layers = False
        self._states: tuple[Tensor, ...] = ()
        self._whole = torch.empty(0)
        self._prompt_states: list[Tensor] = []
        # A few models compute the logits of every position, whatever they are asked for.
        takes = inspect.signature(model.forward).parameters
        self._can_keep = "logits_to_keep" in takes
        self._cache_name = cache_argument(model)

    @property
    def rows(self) -> int:
        """Number of sequences held; 0 before the prompt was read."""
        return self._rows

    @property
    def length(self) -> int:
        """Tokens in each row, the prompt included."""
        return self._length

    @property
    def layers(self) -> HiddenLayers | None:
        """Hidden states of the latest forward; None unless `keep_layers` was called."""
        if not self._states:
            return None
        # transformers applies the last norm to the last entry only.
        prompt = torch.cat(self._prompt_states)
        return HiddenLayers(self._model, self._states[:-1], self._states[-1], prompt)

    def keep_layers(self) -> None:
        """Keep hidden states from now on; called before `prefill`."""
        self._keeps_layers = True

    def prefill(self, prompt_ids: Sequence[int]) -> Iterator[int | Tensor]:
        """Read the prompt at batch 1, in chunks.

        Yields the tokens read so far after each chunk but the last, then float32 logits
        [1, vocab].

        Raises:
            InvalidParams: if the prompt is empty, or a token is none of the model's.
            NotCapable: if it is longer than the model's context.
        """
        if self._rows:
            raise ValueError("this batch has read its prompt already")
        if not prompt_ids:
            raise InvalidParams("The prompt has no tokens.", "Give at least one.")
        yield from self.extend(prompt_ids)

    def extend(self, token_ids: Sequence[int]) -> Iterator[int | Tensor]:
        """Read more of a prompt, as `prefill` does, after what a batch of one row has read."""
        self.check(token_ids)
        size = CPU_CHUNK if self._model.device.type == "cpu" else DEVICE_CHUNK
        whole = self._length + len(token_ids)
        for first in range(0, len(token_ids), size):
            chunk = token_ids[first : first + size]
            logits = self.forward([chunk])[:, -1]
            if self._keeps_layers:
                self._prompt_states.append(self._whole)
            self._rows = 1
            yield logits if self._length == whole else self._length

    def twin(self) -> KVBatch:
        """An independent batch that has read the same; hidden states are not carried over."""
        twin = type(self)(self._model, self._lock, self._context_length)
        with self._lock, torch.inference_mode():
            twin._cache = copy.deepcopy(self._cache)
        twin._rows, twin._length = self._rows, self._length
        return twin

    def select(self, rows: Sequence[int]) -> None:
        """Keep, repeat and reorder rows: new row i is old row `rows[i]`.

        One copy of the cache, none where nothing changes.

        Raises:
            IndexError: if there is no such row; nothing is changed then.
        """
        if not all(0 <= row < self._rows for row in rows):
            raise IndexError(f"rows {list(rows)} of a batch with {self._rows} rows")
        if list(rows) == list(range(self._rows)):
            return
        index = torch.LongTensor(list(rows))
        with self._lock, torch.inference_mode():
            self._cache.reorder_cache(index)
            self._states = tuple(state[index.to(state.device)] for state in self._states)
        self._rows = len(rows)

    def step(self, token_ids: Sequence[int]) -> Tensor:
        """Append one token to every row; float32 logits [rows, vocab] of the next.

        Raises:
            ValueError: if there is not exactly one token a row.
            NotCapable: if the rows are as long as the model's context.
        """
        if len(token_ids) != self._rows:
            raise ValueError(f"{len(token_ids)} tokens for {self._rows} rows")
        self._check_room(1)
        return self.forward([[token_id] for token_id in token_ids])[:, -1]

    def read(self, token_ids: Sequence[Sequence[int]]) -> Tensor:
        """Append n tokens to every row, in one forward; float32 logits [rows, n, vocab] after each.

        Raises:
            ValueError: if there is not one list of equal length a row.
            NotCapable: if the rows grow longer than the model's context.
        """
        if len(token_ids) != self._rows or len({len(ids) for ids in token_ids}) != 1:
            raise ValueError(f"{len(token_ids)} lists of tokens for {self._rows} rows")
        self._check_room(len(token_ids[0]))
        return self.forward(token_ids, keep=len(token_ids[0]))

    def attend(self, token_ids: Sequence[int]) -> Tensor:
        """Append tokens to the only row; where each looks, float32 [layers, heads, n, length].

        Their attention is computed in another form than usual, equal to rounding, so a batch
        that has attended is not read on. No other forward of the model is under way meanwhile.

        Raises:
            ValueError: where there is not one row.
            NotCapable: for a model that does not show its attention, or too many tokens.
        """
        if self._rows != 1:
            raise ValueError(f"attention of {self._rows} rows")
        self.check(token_ids)
        ids = torch.tensor([list(token_ids)], device=self._model.device)
        options: dict[str, object] = {self._cache_name: self._cache, "use_cache": True}
        if self._can_keep:
            options["logits_to_keep"] = 1
        with self._lock, torch.inference_mode(), eager(self._model):
            answer = self._model(input_ids=ids, output_attentions=True, **options)
        self._length += len(token_ids)
        return stacked(answer.attentions, self._length)

    def forward(self, token_ids: Sequence[Sequence[int]], keep: int = 1) -> Tensor:
        """Append [rows, n] tokens; float32 logits [rows, keep, vocab] of the last positions."""
        ids = torch.tensor(token_ids, device=self._model.device)
        options: dict[str, object] = {self._cache_name: self._cache, "use_cache": True}
        if self._can_keep:
            options["logits_to_keep"] = keep
        if self._keeps_layers:
            options["output_hidden_states"] = True
        with self._lock, torch.inference_mode():
            answer = self._model(input_ids=ids, **options)
            logits: Tensor = answer.logits[:, -keep:].float()
        if self._keeps_layers:
            self._take_layers(answer.hidden_states)
        self._length += ids.shape[1]
        return logits

    def _take_layers(self, states: tuple[Tensor, ...] | None) -> None:
        if not states:
            raise NotCapable(
                "This model does not show its hidden states.",
                "Choose another model, or a method that reads next-token laws only.",
            )
        self._states = tuple(state[:, -1].float() for state in states)
        self._whole = states[-1][0].float()  # of use while the prompt is read, at batch 1

    def _check_room(self, tokens: int) -> None:
        limit, length = self._context_length, self._length + tokens
        if limit and length > limit:
            raise NotCapable(
                f"{length} tokens were asked of a model that reads at most {limit}.",
                "Shorten the prompt or ask for fewer new tokens.",
            )

    def check(self, token_ids: Sequence[int]) -> None:
        """Refuse what the model cannot read.

        Raises:
            InvalidParams: if a token is none of the model's.
            NotCapable: if there are more of them than its context has room for.
        """
        self._check_room(len(token_ids))
        weight = self._model.get_input_embeddings().weight
        assert isinstance(weight, Tensor)
        known = weight.shape[0]
        wrong = next((i for i in token_ids if not 0 <= i < known), None)
        if wrong is not None:
            raise InvalidParams(
                f"Token id {wrong} is none of the model's {known}.",
                "Ids belong to one tokenizer: use the one of this model.",
            )
