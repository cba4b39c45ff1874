"""The laws of a language model, made whole numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.core.deferred import torch
from explorer.core.errors import InvalidParams
from explorer.core.handle import Batch, ModelHandle
from explorer.latent.law import TOTAL_BITS, Law, kl_bound, quantised
from explorer.latent.laws import History, Recent

if TYPE_CHECKING:
    from torch import Tensor


class ModelLaws:
    """The quantised laws of a language model after a prompt.

    A batch of another size gives logits that differ in their last digits, which is enough to
    move a box. With one row, the default, every law is computed in one way only, token by token
    from the prompt, whoever asks: what is encoded is decoded again. More rows are faster for
    many points, and only right for points that need not be encoded again to the last digit.

    All tokens that end a text of the model count as `end_id`, the lowest of them. An object is
    for one thread at a time.

    Args:
        model: the model.
        prompt: ids in front of every sentence; the model's BOS where none is given.
        rows: prefixes that are stepped together.
        total_bits: of the frequencies' sum.
        recent: laws kept; one of 49,152 tokens takes 0.8 MB.

    Raises:
        InvalidParams: for a model without an end or a beginning, or rows outside 1 … 256.
    """

    def __init__(
        self,
        model: ModelHandle,
        prompt: Sequence[int] = (),
        *,
        rows: int = 1,
        total_bits: int = TOTAL_BITS,
        recent: int = 256,
    ) -> None:
        tokenizer = model.tokenizer
        begin = [] if tokenizer.bos_id is None else [tokenizer.bos_id]
        self._prompt = list(prompt) or begin
        if not self._prompt or not tokenizer.eos_ids:
            lacking = "ends" if self._prompt else "begins"
            raise InvalidParams(
                f"{model.info.id} names no token that {lacking} a text.",
                "Give a prompt, or choose a model that marks where texts begin and end.",
            )
        if not 1 <= rows <= 256:
            raise InvalidParams(f"{rows} rows cannot be stepped together.", "Use 1 to 256.")
        self._model, self._total_bits = model, total_bits
        self._ends = sorted(tokenizer.eos_ids)
        self.end_id, self.together = self._ends[0], rows
        self.vocab_size = model.info.vocab_size
        self.kl_nats = kl_bound(self.vocab_size, total_bits)
        self.start: History = ()
        self._recent: Recent[History] = Recent(max(recent, rows))
        self._batch: Batch | None = None
        self._held: list[History] = []

    def after(self, place: History, token_id: int) -> History:
        """The tokens so far, and one more."""
        return (*place, token_id)

    def laws(self, places: Sequence[History]) -> list[Law]:
        """The laws after prefixes; those not kept from before are computed, `rows` at a time."""
        found = {place: law for place in places if (law := self._recent.get(place)) is not None}
        missing = [place for place in dict.fromkeys(places) if place not in found]
        for first in range(0, len(missing), self.together):
            block = missing[first : first + self.together]
            found.update(zip(block, self._compute(block), strict=True))
        for place in missing:
            self._recent.put(place, found[place])
        return [found[place] for place in places]

    def read(self, tokens: Sequence[int], *, ended: bool = True) -> Tensor:
        """The logits at every token of a continuation, by one forward, its ends made one.

        Fast, and for looking at: laws that cut boxes come from `laws` alone, since one forward
        over many tokens differs in the last digits from one forward a token.

        Returns:
            float32 [tokens, and the end where `ended`; vocab].
        """
        start = len(self._prompt)
        rows = [rows for _, rows in self._model.score([*self._prompt, *tokens, self.end_id], start)]
        logits = torch.cat(rows)[: len(tokens) + ended].cpu()
        if len(self._ends) > 1:
            logits[:, self.end_id] = logits[:, self._ends].logsumexp(-1)
            logits[:, self._ends[1:]] = -math.inf
        return logits

    def _compute(self, places: list[History]) -> list[Law]:
        if len(places) > 1 and len({len(place) for place in places}) > 1:
            return [law for place in places for law in self._compute([place])]
        parents = [place[:-1] for place in places]
        rows = {history: row for row, history in enumerate(self._held)}
        if not places[0] or any(parent not in rows for parent in parents):
            return self._from_the_prompt(places)
        assert self._batch is not None
        self._batch.select([rows[parent] for parent in parents])
        return self._step(places)

    def _from_the_prompt(self, places: list[History]) -> list[Law]:
        self._batch, self._held = self._model.open_batch(), []
        *_, logits = self._batch.prefill(self._prompt)
        assert not isinstance(logits, int), "the prompt's reading ends with a law"
        self._held = [()]
        if not places[0]:
            return [self._law(logits[0].cpu().numpy())] * len(places)
        self._batch.select([0] * len(places))
        self._held = [()] * len(places)
        laws: list[Law] = []
        for length in range(1, len(places[0]) + 1):
            laws = self._step([place[:length] for place in places], wanted=length == len(places[0]))
        return laws

    def _step(self, places: list[History], wanted: bool = True) -> list[Law]:
        assert self._batch is not None
        logits = self._batch.step([place[-1] for place in places])
        self._held = places
        return [self._law(row) for row in logits.cpu().numpy()] if wanted else []

    def _law(self, logits: NDArray[np.floating]) -> Law:
        if len(self._ends) > 1:
            logits = logits.astype(np.float64)
            logits[self.end_id] = np.logaddexp.reduce(logits[self._ends])
            logits[self._ends[1:]] = -math.inf
        return quantised(logits, self._total_bits)
