"""The laws of a trained model of words, the same to the last bit in every company."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from explorer.core.deferred import torch
from explorer.latent.law import Law, kl_bound, quantised
from explorer.latent.laws import History, Recent
from explorer.latent.nets import END

if TYPE_CHECKING:
    from torch import Tensor

    from explorer.latent.word_lm import WordModel


class WordLaws:
    """The quantised laws of a model of words; threads may share one.

    The model's steps are exact (see `latent.recurrent`), so any number of places may be asked
    for at once, and a sentence comes back whoever asks.

    Args:
        net: in float64, gradients off.
        recent: states kept; a quarter as many laws are.
    """

    end_id = END
    together = 256
    start: History = ()

    def __init__(self, net: WordModel, recent: int = 8192) -> None:
        self._writer = net.writer
        self.vocab_size = len(net.writer.bias)
        self.kl_nats = kl_bound(self.vocab_size)
        self._all = np.arange(self.vocab_size)
        self._first = torch.zeros(net.writer.gru.hidden_size, dtype=torch.float64)
        self._states: OrderedDict[History, Tensor] = OrderedDict()
        self._most = recent
        self._laws: Recent[History] = Recent(max(self.together, recent // 4))
        self._lock = threading.Lock()

    def after(self, place: History, token_id: int) -> History:
        """The words so far, and one more."""
        return (*place, token_id)

    def laws(self, places: Sequence[History]) -> list[Law]:
        """The laws after prefixes."""
        with self._lock:
            found = {place: law for place in places if (law := self._laws.get(place)) is not None}
            missing = [place for place in dict.fromkeys(places) if place not in found]
            for first in range(0, len(missing), self.together):
                block = missing[first : first + self.together]
                for place, logits in zip(block, self._predict(block), strict=True):
                    law = quantised(logits)
                    if len(law) == self.vocab_size:
                        law = Law(self._all, law.cumulative)  # one array of ids for all laws
                    found[place] = law
                    self._laws.put(place, law)
            return [found[place] for place in places]

    def _predict(self, places: Sequence[History]) -> np.ndarray:
        hidden = self._hidden(places)
        for place, state in zip(places, hidden, strict=True):
            self._states[place] = state
            self._states.move_to_end(place)
        while len(self._states) > self._most:
            self._states.popitem(last=False)
        logits: np.ndarray = self._writer.predict(torch.stack(hidden)).numpy()
        return logits

    def _hidden(self, places: Sequence[History]) -> list[Tensor]:
        """The states after prefixes: kept ones, and one step from those of their beginnings."""
        found = {place: self._states[place] for place in places if place in self._states}
        missing = [place for place in dict.fromkeys(places) if place not in found]
        if missing:
            from explorer.latent.recurrent import Hidden  # noqa: PLC0415  # with torch

            begun = [place[:-1] for place in missing if place]
            before = dict(zip(begun, self._hidden(begun), strict=True)) if begun else {}
            state = torch.stack([before[p[:-1]] if p else self._first for p in missing])
            pull = state.new_zeros(len(missing), 1)
            ids = torch.tensor([place[-1] if place else END for place in missing])
            found.update(zip(missing, self._writer.advance(Hidden(state, pull), ids), strict=True))
        return [found[place] for place in places]
