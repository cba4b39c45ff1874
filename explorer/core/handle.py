"""What the engine asks of a model: a narrow door, so that a scripted model can stand behind it.

The engine, the decoders and the page see token ids, logits and bytes; only
`explorer.core.models` and `explorer.core.kv_cache` know a library of models.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from explorer.core.types import ModelInfo

if TYPE_CHECKING:
    from torch import Tensor


class Capability(StrEnum):
    """What a decoder or a lab may need of a model."""

    CACHE_SELECT = "cache_select"
    HIDDEN_STATES = "hidden_states"
    ATTENTIONS = "attentions"
    MASKS = "masks"
    RECORDED = "recorded"


class Layers(Protocol):
    """Hidden states behind the logits of one step, for methods that look inside the model."""

    def rows(self, places: slice) -> Layers:
        """The same for some of the rows."""

    @property
    def last(self) -> Tensor:
        """float32 [rows, width]: what the output layer read, after the last norm."""

    @property
    def states(self) -> tuple[Tensor, ...]:
        """float32 [rows, width] each: the embedding, then the output of every layer."""

    @property
    def prompt(self) -> Tensor:
        """float32 [prompt tokens, width]: `last` at every position of the prompt."""

    def logits(self, layer: int) -> Tensor:
        """float32 [rows, vocab]: the output layer applied to the states of a layer, as it is."""


class FixedRows(Protocol):
    """Rows whose cache never moves: a forward of theirs can be recorded and replayed.

    Attributes:
        lock: of the model; held by whoever calls `forward` or replays it.
        position: int64 [1], tokens in each row; whoever sets it back goes back.
    """

    @property
    def lock(self) -> AbstractContextManager[object]:
        """Of the model."""

    @property
    def position(self) -> Tensor:
        """int64 [1]."""

    def forward(self, token_ids: Tensor) -> Tensor:
        """One token more for every row, int64 [rows]; float32 logits [rows, vocab] of the next."""


class Batch(Protocol):
    """Rows of one model that advance together, with their key-value cache."""

    @property
    def rows(self) -> int:
        """Number of sequences held."""

    @property
    def layers(self) -> Layers | None:
        """Hidden states of the latest forward; None unless `keep_layers` was called."""

    def keep_layers(self) -> None:
        """Keep hidden states from now on; called before `prefill`.

        Raises:
            NotCapable: if the model shows none.
        """

    def prefill(self, prompt_ids: Sequence[int]) -> Iterator[int | Tensor]:
        """Read the prompt at batch 1, in chunks.

        Yields how many tokens were read so far after each chunk but the last, so that a caller
        can stop between two, and at the end the float32 logits [1, vocab] of the token after
        the prompt.
        """

    def select(self, rows: Sequence[int]) -> None:
        """Keep, repeat and reorder rows: new row i is old row `rows[i]`."""

    def step(self, token_ids: Sequence[int]) -> Tensor:
        """Append one token to every row; float32 logits [rows, vocab] of the next."""

    def fix(self, rows: int, places: int) -> FixedRows:
        """So many copies of the only row, with room for `places` tokens each in all.

        The last thing that is asked of this batch; only of models with `Capability.RECORDED`.
        """

    def read(self, token_ids: Sequence[Sequence[int]]) -> Tensor:
        """Append n tokens to every row at once; float32 logits [rows, n, vocab] after each."""

    def attend(self, token_ids: Sequence[int]) -> Tensor:
        """Append n tokens to the only row, the last thing that is asked of this batch.

        Returns where each of them looks: float32 [layers, heads, n, length], rows that sum to 1.

        Raises:
            NotCapable: if the model does not show its attention.
        """


class Tokenizer(Protocol):
    """Ids and bytes; ids are primary, text is for people."""

    @property
    def vocab_size(self) -> int:
        """Number of ids that have a piece."""

    @property
    def eos_ids(self) -> frozenset[int]:
        """Ids that end a continuation."""

    @property
    def bos_id(self) -> int | None:
        """Id that stands for an empty prompt."""

    @property
    def digest(self) -> str:
        """Digest ("sha256:…") of the whole tokenizer definition."""

    @property
    def has_chat_template(self) -> bool:
        """True where the model brings a chat template."""

    def encode(self, text: str) -> list[int]:
        """Ids of raw text, with the special tokens the model expects in front."""

    def encode_continuation(self, text: str) -> list[int]:
        """Ids of text that continues something: no special tokens are added."""

    def chat_text(self, text: str) -> str:
        """The chat template around one user turn, with the assistant's turn opened."""

    def encode_chat(self, text: str) -> list[int]:
        """Ids of `chat_text(text)`, special tokens recognised and none added."""

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes one token stands for; special tokens give their name in UTF-8."""

    def is_special(self, token_id: int) -> bool:
        """True for tokens that are control marks and no part of the text."""


class ModelHandle(Protocol):
    """A loaded causal language model."""

    @property
    def info(self) -> ModelInfo:
        """Which model, exactly."""

    @property
    def tokenizer(self) -> Tokenizer:
        """Its tokenizer."""

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond next-token logits."""

    def open_batch(self) -> Batch:
        """A new, empty batch with a cache of its own."""

    def read_masked(
        self, token_ids: Sequence[int], positions: Sequence[int], allowed: Tensor
    ) -> Tensor:
        """Read a text in which tokens see what they are allowed to, and stand where they are told.

        Asked of models with `Capability.MASKS` only.

        Args:
            token_ids: n of them.
            positions: n position ids; two tokens may share one.
            allowed: bool [n, n]: whether the token of a row sees that of a column; every token
                sees itself.

        Returns:
            float32 [n, vocab] logits after each token.
        """

    def score(self, token_ids: Sequence[int], start: int) -> Iterator[tuple[int, Tensor]]:
        """Teacher-forced laws over a whole sequence, in chunks of bounded memory.

        Yields (position, logits): `logits` is float32 [n, vocab], and its row i is the law
        of token `position + i`. The first position is `start` (at least 1).
        """
