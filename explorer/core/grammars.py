"""Grammars over tokens: the one file that knows llguidance."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from explorer.core.deferred import torch
from explorer.core.errors import InvalidParams
from explorer.core.handle import Tokenizer

if TYPE_CHECKING:
    from torch import Tensor


class Matcher:
    """How far a text has got in a grammar.

    Args:
        inner: of llguidance.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def copy(self) -> Matcher:
        """An independent matcher at the same place."""
        return Matcher(self._inner.deep_copy())

    def take(self, token_ids: Sequence[int]) -> None:
        """Go on by tokens; those that do not fit end the matcher for good."""
        if token_ids:
            self._inner.consume_tokens(list(token_ids))

    @property
    def complete(self) -> bool:
        """The text so far is valid as it is."""
        return bool(self._inner.is_accepting())

    def allowed(self, vocab: int) -> Tensor:
        """True, [vocab], for tokens after which the text can still become valid."""
        if self._inner.is_error() or self._inner.is_stopped():
            return torch.zeros(vocab, dtype=torch.bool)
        mask = np.frombuffer(self._inner.compute_bitmask(), dtype=np.uint8)
        bits = np.unpackbits(mask, bitorder="little")[:vocab].astype(bool)
        allowed = torch.zeros(vocab, dtype=torch.bool)
        allowed[: len(bits)] = torch.from_numpy(bits)
        return allowed


def new_matcher(tokenizer: Tokenizer, kind: str, text: str) -> Matcher:
    """A matcher at the beginning.

    Args:
        tokenizer: whose tokens are matched, byte by byte.
        kind: "regex", "json" (a schema) or "lark".
        text: the expression, schema or grammar.

    Raises:
        InvalidParams: with llguidance's own complaint, if the text is not valid.
    """
    from llguidance import LLMatcher  # noqa: PLC0415  # of use to few runs

    inner = LLMatcher(
        _tokens_of(tokenizer),  # type: ignore[arg-type]  # hashed by identity
        check_grammar(kind, text),
    )
    if inner.is_error():
        raise InvalidParams(f"This {kind} cannot be used: {_first_line(inner.get_error())}.")
    return Matcher(inner)


def check_grammar(kind: str, text: str) -> str:
    """The grammar in llguidance's own form.

    Raises:
        InvalidParams: if it is not valid.
    """
    from llguidance import LLMatcher  # noqa: PLC0415

    try:
        if kind == "json":
            grammar: str = LLMatcher.grammar_from_json_schema(json.loads(text))
        elif kind == "regex":
            grammar = LLMatcher.grammar_from_regex(text)
        else:
            grammar = LLMatcher.grammar_from_lark(text)
    except ValueError as error:
        raise InvalidParams(f"This {kind} cannot be read: {_first_line(str(error))}.") from None
    complaint = LLMatcher.validate_grammar(grammar)
    if complaint:
        raise InvalidParams(f"This {kind} cannot be used: {_first_line(complaint)}.")
    return grammar


def _first_line(message: str) -> str:
    return (message.strip().splitlines() or ["no reason given"])[0].rstrip(".")


class _Pieces:
    """A tokenizer as llguidance reads one: bytes by id, special tokens behind a 0xFF."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        ids = range(tokenizer.vocab_size)
        self.special_token_ids = [i for i in ids if tokenizer.is_special(i)]
        special = set(self.special_token_ids)
        self.tokens = [b"\xff" * (i in special) + tokenizer.token_bytes(i) for i in ids]
        self.eos_token_id = min(tokenizer.eos_ids, default=0)
        self.bos_token_id = tokenizer.bos_id
        self._tokenizer = tokenizer

    def __call__(self, text: bytes | str) -> list[int]:
        whole = text.decode("utf-8") if isinstance(text, bytes) else text
        return self._tokenizer.encode_continuation(whole)


@lru_cache(maxsize=4)
def _tokens_of(tokenizer: Any) -> Any:
    """llguidance's view of a tokenizer; it takes a second for 49,152 tokens."""
    from llguidance import LLTokenizer, TokenizerWrapper  # noqa: PLC0415

    ends = sorted(tokenizer.eos_ids)
    return LLTokenizer(TokenizerWrapper(_Pieces(tokenizer)), eos_token=ends or None)
