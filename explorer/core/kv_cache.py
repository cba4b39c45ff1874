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
from typing import TYPE_CHECKING, Any

from explorer.core.attentions import eager, stacked
from explorer.core.deferred import torch
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.fair_lock import FairLock
from explorer.core.fixed_cache import FixedCache, FixedKVRows
from explorer.core.shared_steps import SharedSteps, Step

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

    from explorer.core.growing_cache import SavedPrefix

CPU_CHUNK = 192
"""Tokens of the prompt read between two chances to cancel.

SmolLM2-135M reads 4,000 tokens in 1.01 times the CPU time of 512 at once (median of four turns;
128 at once: 1.09), and its slowest chunk takes 0.37 of theirs. A number of tokens and not of
seconds: the size of a chunk moves the rounding, and a run has to replay.
"""

DEVICE_CHUNK = 512
"""The same where a forward over a few tokens leaves most of the device idle."""


def cache_argument(model: PreTrainedModel) -> str:
    """The name under which a model's forward takes its cache, and its answer holds it.

    transformers 5.24 renamed it and warns of the old name; 5.23 knows only that.
    """
    takes = inspect.signature(model.forward).parameters
    return "cache" if "cache" in takes else "past_key_values"


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
        shared: where batches of the model meet to take their steps in one forward; None for
            steps of its own.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        lock: AbstractContextManager[None] | None = None,
        context_length: int = 0,
        shared: SharedSteps[KVBatch] | None = None,
    ) -> None:
        from explorer.core.growing_cache import new_cache  # noqa: PLC0415  # with transformers

        self._model = model
        self._lock = lock if lock is not None else FairLock()
        self._context_length = context_length
        self._cache = new_cache(model)
        self._shared = shared
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

    def saved(self) -> SavedPrefix:
        """A copy of what the only row has read; it keeps no model in memory.

        Raises:
            ValueError: where there is not one row.
        """
        if self._rows != 1:
            raise ValueError(f"a prefix of {self._rows} rows")
        from explorer.core.growing_cache import SavedPrefix  # noqa: PLC0415  # with transformers

        with self._lock, torch.inference_mode():
            cache = copy.deepcopy(self._cache)
        return SavedPrefix(cache, self._length)

    def resume(self, saved: SavedPrefix, length: int) -> None:
        """Take a copy of what was read, or of its first tokens; hidden states do not come with it.

        Args:
            saved: by a batch of the same model.
            length: tokens of it to take; fewer than all only where `saved.can_be_cut`.

        Raises:
            ValueError: if this batch has read something, or that many cannot be taken.
        """
        if self._rows or not 0 < length <= saved.length:
            raise ValueError(f"{length} tokens of {saved.length} for a batch of {self._rows} rows")
        with self._lock, torch.inference_mode():
            self._cache = saved.first(length)
        self._rows, self._length = 1, length

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
        from explorer.core.joined_cache import can_join  # noqa: PLC0415  # with transformers

        if len(token_ids) != self._rows:
            raise ValueError(f"{len(token_ids)} tokens for {self._rows} rows")
        self._check_room(1)
        if self._shared is None or self._keeps_layers or not can_join(self._model, self._cache):
            return self.forward([[token_id] for token_id in token_ids])[:, -1]
        logits = self._shared.take(self, token_ids)
        self._length += 1
        return logits

    @staticmethod
    def step_together(steps: Sequence[Step[KVBatch]]) -> list[Tensor]:
        """One forward for batches of one model, a token a row; whoever calls has the lock.

        Returns:
            float32 logits [rows, vocab] of each.
        """
        from explorer.core.joined_cache import joined_logits  # noqa: PLC0415  # with transformers

        batches = [step.batch for step in steps]
        first = batches[0]
        if len(steps) == 1:
            ids = [[token_id] for token_id in steps[0].token_ids]
            return [first._answer(ids, 1).logits[:, -1].float()]
        return joined_logits(
            first._model,
            first._cache_name,
            [batch._cache for batch in batches],
            [batch._length for batch in batches],
            [step.token_ids for step in steps],
        )

    def fix(self, rows: int, places: int) -> FixedKVRows:
        """So many copies of the only row, over a cache with room for `places` tokens each.

        Raises:
            ValueError: where there is not one row, or a layer keeps no full attention.
        """
        from explorer.core.growing_cache import GrowingLayer  # noqa: PLC0415  # with transformers

        layers = [layer for layer in self._cache.layers if isinstance(layer, GrowingLayer)]
        if self._rows != 1 or len(layers) < len(self._cache.layers):
            raise ValueError(f"{self._rows} rows to be fixed")
        with self._lock, torch.inference_mode():
            cache = FixedCache(layers, rows, places)
            return FixedKVRows(self._model, self._lock, self._cache_name, cache, rows)

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
        with self._lock:
            answer = self._answer(token_ids, keep)
            with torch.inference_mode():
                logits: Tensor = answer.logits[:, -keep:].float()
        if self._keeps_layers:
            self._take_layers(answer.hidden_states)
        self._length += len(token_ids[0])
        return logits

    def _answer(self, token_ids: Sequence[Sequence[int]], keep: int) -> Any:
        """The model's answer to [rows, n] more tokens; whoever calls has the lock."""
        ids = torch.tensor(token_ids, device=self._model.device)
        options: dict[str, object] = {self._cache_name: self._cache, "use_cache": True}
        if self._can_keep:
            options["logits_to_keep"] = keep
        if self._keeps_layers:
            options["output_hidden_states"] = True
        with torch.inference_mode():
            return self._model(input_ids=ids, **options)

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
        assert isinstance(weight, torch.Tensor)
        known = weight.shape[0]
        wrong = next((i for i in token_ids if not 0 <= i < known), None)
        if wrong is not None:
            raise InvalidParams(
                f"Token id {wrong} is none of the model's {known}.",
                "Ids belong to one tokenizer: use the one of this model.",
            )
