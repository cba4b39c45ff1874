"""AriEL over any causal language model: a point of the cube is a continuation of a prompt."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from explorer.core.detokenize import display_piece
from explorer.core.errors import InvalidParams
from explorer.core.handle import ModelHandle
from explorer.latent.language import Language
from explorer.latent.law import Law
from explorer.latent.laws import History
from explorer.latent.model_laws import ModelLaws
from explorer.latent.space import ArielSpace, Words

if TYPE_CHECKING:
    from torch import Tensor

MAX_TOKENS = 24
"""Longest continuation: each token of a point costs the model a forward."""


class TokenWords(Words):
    """The tokens of a tokenizer as words: their bytes as they are shown, each name once.

    Args:
        model: whose tokens.
    """

    def __init__(self, model: ModelHandle) -> None:
        self._tokenizer = model.tokenizer
        self._size = model.info.vocab_size

    def __len__(self) -> int:
        """Ids that the model has a logit for."""
        return self._size

    @cached_property
    def by_id(self) -> tuple[str, ...]:  # type: ignore[override]  # made when it is first asked for
        """Names by id; of several tokens that are shown alike all but the first carry their id."""
        named: dict[str, int] = {}
        known = self._tokenizer.vocab_size
        for i in range(self._size):
            shown = display_piece(self._tokenizer.token_bytes(i)) if i < known else f"[{i}]"
            named[f"{shown}⟨{i}⟩" if shown in named or not shown else shown] = i
        return tuple(named)

    @cached_property
    def _ids(self) -> dict[str, int]:  # type: ignore[override]  # made when it is first asked for
        return {name: number for number, name in enumerate(self.by_id)}

    def split(self, text: str) -> tuple[str, ...]:
        """The tokens of a typed text, as a continuation."""
        return self.words(self._tokenizer.encode_continuation(text))

    def join(self, words: Sequence[str]) -> str:
        """The text of tokens: their bytes, one after another."""
        ids = [self._ids[word] for word in words]
        known = [i for i in ids if i < self._tokenizer.vocab_size]
        return b"".join(map(self._tokenizer.token_bytes, known)).decode("utf-8", "replace")


@dataclass(frozen=True)
class ModelLanguage(Language):
    """What a model says after a prompt: nothing judges it, and nothing is known to be old.

    Attributes:
        tokens: names and ids.
    """

    tokens: TokenWords | None = None

    def join(self, words: Sequence[str]) -> str:
        """The text of tokens."""
        assert self.tokens is not None, "made by `model_language`"
        return self.tokens.join(words)


def model_language(model: ModelHandle) -> ModelLanguage:
    """A model's tokens as a language."""
    words = TokenWords(model)
    return ModelLanguage(model.info.id, model.info.id, (), words.split, tokens=words)


class SharedLaws:
    """The laws of one model for several threads: one is computed at a time.

    Args:
        laws: for one thread at a time.
    """

    def __init__(self, laws: ModelLaws) -> None:
        self._laws = laws
        self._lock = threading.Lock()
        self.vocab_size, self.end_id = laws.vocab_size, laws.end_id
        self.together, self.start, self.kl_nats = laws.together, laws.start, laws.kl_nats

    def after(self, place: History, token_id: int) -> History:
        """The tokens so far, and one more."""
        return (*place, token_id)

    def laws(self, places: Sequence[History]) -> list[Law]:
        """The laws after prefixes."""
        with self._lock:
            return self._laws.laws(places)

    def read(self, tokens: Sequence[int], *, ended: bool = True) -> Tensor:
        """See `ModelLaws.read`."""
        with self._lock:
            return self._laws.read(tokens, ended=ended)


@dataclass(frozen=True)
class Voice:
    """A model after a prompt: what its spaces of all sizes share.

    Attributes:
        model: the model.
        prompt: as it was typed.
        prompt_ids: what it is to the model; empty where the model's begin mark stands for it.
        words: names and ids of its tokens.
        laws: of the next token.
    """

    model: ModelHandle
    prompt: str
    prompt_ids: tuple[int, ...]
    words: TokenWords
    laws: SharedLaws

    def space(self, dimensions: int, max_tokens: int = MAX_TOKENS) -> ArielSpace[History]:
        """AriEL over it; arguments and errors as of `model_space`."""
        limit, prompt = self.model.info.context_length, len(self.prompt_ids)
        if limit and prompt + max_tokens > limit:
            raise InvalidParams(
                f"The prompt has {prompt:,} tokens; {self.model.info.id} reads {limit:,}.",
                "Shorten it.",
            )
        return ArielSpace(
            self.laws,
            self.words,
            dimensions,
            title=f"AriEL over {self.model.info.id}",
            max_words=max_tokens,
        )


def voice(model: ModelHandle, prompt: str = "", words: TokenWords | None = None) -> Voice:
    """A model after a prompt; threads may share it.

    Args:
        model: any causal language model that marks where texts end.
        prompt: what stands before every continuation; the model's begin mark where it is "".
        words: its tokens, where they are known already.

    Raises:
        InvalidParams: for a model that names no end.
    """
    ids = tuple(model.tokenizer.encode(prompt)) if prompt else ()
    laws = ModelLaws(model, ids, recent=512 if model.info.vocab_size < 10_000 else 96)
    return Voice(model, prompt, ids, words or TokenWords(model), SharedLaws(laws))


def model_space(
    model: ModelHandle, dimensions: int, *, prompt: str = "", max_tokens: int = MAX_TOKENS
) -> ArielSpace[History]:
    """AriEL over what a model says after a prompt; threads may share it.

    Args:
        model: any causal language model that marks where texts end.
        dimensions: 1 … 64.
        prompt: what stands before every continuation; the model's begin mark where it is "".
        max_tokens: longest continuation; a longer one is cut off.

    Raises:
        InvalidParams: for a model that names no end, or dimensions or a prompt that cannot be.
    """
    return voice(model, prompt).space(dimensions, max_tokens)
