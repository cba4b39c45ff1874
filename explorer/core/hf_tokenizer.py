"""The `Tokenizer` over a tokenizer of transformers, which is passed in and not imported here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from explorer.core.errors import NotCapable
from explorer.core.token_bytes import Spelling, piece_bytes, spelling_of

MAX_TEMPLATE_CHARS = 65_536
"""A chat template is a program run in a sandbox; real ones have up to some 20,000 letters."""

END_MARKS = frozenset(
    {
        "</s>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|im_end|>",
        "<|eot_id|>",
        "<|end|>",
        "<end_of_turn>",
    }
)
"""Names under which special tokens say that a document or a turn is over."""


class HFTokenizer:
    """Ids and bytes of one tokenizer.

    Args:
        tokenizer: of transformers; never changed.
        eos_ids: ids the model's configuration names as ends.

    `eos_ids` has these, the tokenizer's own eos and every special token with a name of
    `END_MARKS`. SmolLM2-Instruct is the example: it names <|im_end|> only, which ends a turn,
    but was trained on documents that end with <|endoftext|>, and after a raw prompt it says
    that. What follows either mark is another text, so both end a continuation.
    """

    def __init__(self, tokenizer: Any, eos_ids: Iterable[int] = ()) -> None:
        self._tokenizer = tokenizer
        backend = getattr(tokenizer, "backend_tokenizer", None)
        definition = (
            backend.to_str()
            if backend is not None
            else json.dumps(tokenizer.get_vocab(), sort_keys=True)
        )
        self._digest = "sha256:" + hashlib.sha256(definition.encode()).hexdigest()
        self._spelling = (
            spelling_of(json.loads(definition)) if backend is not None else Spelling.SENTENCEPIECE
        )
        self._added = dict(tokenizer.added_tokens_decoder)
        self._special = set(tokenizer.all_special_ids)
        self._special |= {i for i, token in self._added.items() if token.special}
        ends = {i for i, t in self._added.items() if t.special and t.content in END_MARKS}
        own = () if tokenizer.eos_token_id is None else (tokenizer.eos_token_id,)
        self._eos_ids = frozenset(int(i) for i in (*ends, *own, *eos_ids))
        self._vocab_size = len(tokenizer.get_vocab())
        self._prefix = self._ids_in_front()
        self._bytes: dict[int, bytes] = {}

    def _ids_in_front(self) -> list[int]:
        """The special tokens put before a text; any put after it would end it at once."""
        plain = self.encode_continuation("a")
        full = list(self._tokenizer.encode("a", add_special_tokens=True))
        places = range(len(full) - len(plain) + 1)
        start = next((i for i in places if full[i : i + len(plain)] == plain), 0)
        return full[:start]

    @property
    def vocab_size(self) -> int:
        """Number of ids that have a piece."""
        return self._vocab_size

    @property
    def eos_ids(self) -> frozenset[int]:
        """Ids that end a continuation."""
        return self._eos_ids

    @property
    def bos_id(self) -> int | None:
        """The begin mark, else the end mark, which in most trainings stood before a text too."""
        for token_id in (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id):
            if token_id is not None:
                return int(token_id)
        return min(self._eos_ids, default=None)

    @property
    def digest(self) -> str:
        """Digest ("sha256:…") of the whole definition: vocabulary, merges, splitting, all."""
        return self._digest

    @property
    def has_chat_template(self) -> bool:
        """True where the model brings a chat template of an acceptable length."""
        template = self._template()
        return template is not None and len(template) <= MAX_TEMPLATE_CHARS

    def _template(self) -> str | None:
        template = self._tokenizer.chat_template
        if isinstance(template, dict):  # several by name
            template = template.get("default")
        return template if isinstance(template, str) else None

    def encode(self, text: str) -> list[int]:
        """Ids of raw text, with the special tokens the model expects in front.

        Raises:
            NotCapable: if nothing is left and no token stands for an empty prompt.
        """
        ids = [*self._prefix, *self.encode_continuation(text)]
        if ids:
            return ids
        if self.bos_id is None:
            raise NotCapable(
                "This model has no token that stands for an empty prompt.", "Type at least a word."
            )
        return [self.bos_id]

    def encode_continuation(self, text: str) -> list[int]:
        """Ids of text that continues something: no special tokens are added.

        Names of special tokens in the text become those tokens. A SentencePiece tokenizer may
        put a space in front of the first word; that is its own rule.
        """
        return list(self._tokenizer.encode(text, add_special_tokens=False)) if text else []

    def chat_text(self, text: str) -> str:
        """The model's own chat template around one user turn, the assistant's turn opened.

        Raises:
            NotCapable: if there is no template, or it is too long, or it fails.
        """
        template = self._template()
        if template is None:
            raise NotCapable("This model has no chat template.", "Use the prompt as it is.")
        if len(template) > MAX_TEMPLATE_CHARS:
            raise NotCapable(
                f"This model's chat template has {len(template)} characters;"
                f" at most {MAX_TEMPLATE_CHARS} are run.",
                "Use the prompt as it is.",
            )
        turn = [{"role": "user", "content": text}]
        try:
            return str(
                self._tokenizer.apply_chat_template(
                    turn, tokenize=False, add_generation_prompt=True
                )
            )
        except Exception as error:  # a template is a program: it may raise anything
            raise NotCapable(
                f"This model's chat template fails: {error}", "Use the prompt as it is."
            ) from error

    def encode_chat(self, text: str) -> list[int]:
        """Ids of `chat_text(text)`, special tokens recognised and none added."""
        return self.encode_continuation(self.chat_text(text))

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes one token stands for.

        Special and added tokens give their content in UTF-8, ids without a piece nothing:
        the logits of many models are wider than their vocabulary.
        """
        known = self._bytes.get(token_id)
        if known is None:
            known = self._bytes[token_id] = self._spell(token_id)
        return known

    def _spell(self, token_id: int) -> bytes:
        added = self._added.get(token_id)
        if added is None:
            piece = self._tokenizer.convert_ids_to_tokens(token_id)
            return b"" if piece is None else piece_bytes(piece, self._spelling)
        if added.special or self._spelling is not Spelling.SENTENCEPIECE:
            return str(added.content).encode()
        return piece_bytes(added.content, self._spelling)  # runs of "▁" are added tokens there

    def is_special(self, token_id: int) -> bool:
        """True for tokens that are control marks and no part of the text."""
        return token_id in self._special
