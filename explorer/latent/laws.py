"""Where AriEL gets its laws: grammars, tables and other sources behind one door."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np

from explorer.core.errors import InvalidParams
from explorer.latent.automaton import Automaton, State
from explorer.latent.law import Law, law_of

History = tuple[int, ...]
Place = TypeVar("Place", bound=Hashable)


class TokenLaws(Protocol[Place]):
    """Laws of the next token. A place stands for all prefixes after which the same follows."""

    @property
    def vocab_size(self) -> int:
        """Token ids lie from 0 to below this."""

    @property
    def end_id(self) -> int:
        """The token that ends a sentence."""

    @property
    def together(self) -> int:
        """How many places are best asked for at once; 0 for any number."""

    @property
    def kl_nats(self) -> float:
        """At most what it costs, in nats a token, that laws were made whole numbers; 0: nothing."""

    @property
    def start(self) -> Place:
        """The place before the first token."""

    def after(self, place: Place, token_id: int) -> Place:
        """The place one token further; the token has a positive frequency at `place`."""

    def laws(self, places: Sequence[Place]) -> list[Law]:
        """The laws at several places, in their order; the same law at every call."""


class Recent(Generic[Place]):
    """The laws used last, up to a number of them.

    Args:
        most: laws kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Place, Law] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, place: Place) -> Law | None:
        """The law of a place, if it is still there."""
        law = self._kept.get(place)
        if law is not None:
            self._kept.move_to_end(place)
        return law

    def put(self, place: Place, law: Law) -> None:
        """Keep one more, and forget what was longest out of use."""
        self._kept[place] = law
        self._kept.move_to_end(place)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


class GrammarLaws:
    """The exact laws of a grammar; token 0 is the end, the words follow in sorted order.

    Args:
        automaton: with the weighting wanted.
    """

    end_id = 0
    together = 0
    kl_nats = 0.0

    def __init__(self, automaton: Automaton) -> None:
        self._automaton = automaton
        self._words = ("", *automaton.grammar.vocabulary)
        self.vocab_size = len(self._words)
        self.start: State = automaton.start

    def after(self, place: State, token_id: int) -> State:
        """The state one word further."""
        following = self._automaton.after(place, self._words[token_id])
        assert following is not None, "a word with a frequency leads on"
        return following

    def laws(self, places: Sequence[State]) -> list[Law]:
        """The laws of states."""
        return [self._automaton.law(place) for place in places]

    def encode(self, words: Sequence[str]) -> History:
        """Token ids of words.

        Raises:
            InvalidParams: naming the first word that is none of the language.
        """
        for number, word in enumerate(words, 1):
            if word not in self._automaton.ids or not word:
                raise InvalidParams(
                    f"Word {number}, '{word[:40]}', is no word of this language.",
                    f"It has {self.vocab_size - 1} words; the judge names some that fit.",
                )
        return tuple(self._automaton.ids[word] for word in words)

    def words(self, token_ids: Sequence[int]) -> tuple[str, ...]:
        """Words of token ids."""
        return tuple(self._words[token_id] for token_id in token_ids)


class FunctionLaws:
    """Laws from a function of the tokens so far: tables, counts, anything small.

    Args:
        law: from the tokens so far to frequencies by token id.
        vocab_size: token ids lie below it.
        end_id: the token that ends a sentence.
        recent: laws kept.
    """

    together = 0
    kl_nats = 0.0
    start: History = ()

    def __init__(
        self,
        law: Callable[[History], Mapping[int, int]],
        vocab_size: int,
        end_id: int = 0,
        recent: int = 4096,
    ) -> None:
        self._law = law
        self.vocab_size, self.end_id = vocab_size, end_id
        self._recent: Recent[History] = Recent(recent)

    def after(self, place: History, token_id: int) -> History:
        """The tokens so far, and one more."""
        return (*place, token_id)

    def laws(self, places: Sequence[History]) -> list[Law]:
        """The laws after prefixes, in the order of the ids."""
        return [self._one(place) for place in places]

    def _one(self, place: History) -> Law:
        law = self._recent.get(place)
        if law is None:
            law = law_of(dict(sorted(self._law(place).items())))
            self._recent.put(place, law)
        return law


class Reordered(Generic[Place]):
    """The same laws in another order of the vocabulary, for instance by meaning.

    The order moves boxes, and changes which sentences are neighbours; no probability changes.
    Threads may share one, if they may share `inner`.

    Args:
        inner: the laws.
        order: all token ids, in the order wanted.
        recent: laws kept in the new order.

    Raises:
        InvalidParams: if `order` does not hold every id once.
    """

    def __init__(self, inner: TokenLaws[Place], order: Sequence[int], recent: int = 256) -> None:
        if sorted(order) != list(range(inner.vocab_size)):
            raise InvalidParams(
                f"An order of {len(order)} ids is none of {inner.vocab_size} tokens.",
                "Name every id from 0 on once.",
            )
        self._inner = inner
        self._rank = np.argsort(np.asarray(order))
        self.vocab_size, self.end_id = inner.vocab_size, inner.end_id
        self.together, self.start, self.kl_nats = inner.together, inner.start, inner.kl_nats
        self._recent: Recent[Place] = Recent(recent)
        self._lock = threading.Lock()

    def after(self, place: Place, token_id: int) -> Place:
        """The place one token further."""
        return self._inner.after(place, token_id)

    def laws(self, places: Sequence[Place]) -> list[Law]:
        """The laws at several places."""
        found = []
        with self._lock:
            for place, law in zip(places, self._inner.laws(places), strict=True):
                known = self._recent.get(place)
                if known is None:
                    known = self._sorted(law)
                    self._recent.put(place, known)
                found.append(known)
        return found

    def _sorted(self, law: Law) -> Law:
        sequence = np.argsort(self._rank[law.ids])
        numbers = [int(number) for number in law.cumulative]
        own = [numbers[i + 1] - numbers[i] for i in sequence]
        return Law(law.ids[sequence], list(itertools.accumulate(own, initial=0)))
