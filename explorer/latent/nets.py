"""What all small networks of the latent spaces share: their shape, first weights, and inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from explorer.core.deferred import torch

if TYPE_CHECKING:
    from torch import Tensor, nn

END = 0
"""The id that ends a sentence, begins one for the decoder, and fills rows up."""

STATE_GRID = 2.0**-14
INPUT_GRID = 2.0**-20

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Shape(BaseModel):
    """How large a network is.

    Attributes:
        kind: one of `kinds.KINDS`.
        vocab_size: words and the end.
        max_words: longest sentence.
        dimensions: of the code; 0 for a language model.
        embedding: width of a word's vector; for a transformer that of every layer.
        hidden: width of the recurrent state; for a transformer that of the layers between.
        layers: of a transformer, in the encoder and in the decoder each.
        heads: of a transformer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    vocab_size: int = Field(ge=2, le=65_535)
    max_words: int = Field(ge=1, le=500)
    dimensions: int = Field(ge=0, le=1024)
    embedding: int = Field(default=128, ge=4, le=4096)
    hidden: int = Field(default=256, ge=4, le=4096)
    layers: int = Field(default=2, ge=1, le=32)
    heads: int = Field(default=4, ge=1, le=64)


class DecoderState(Protocol):
    """What a decoder remembers of rows that go on together."""

    def keep(self, rows: Tensor) -> DecoderState:
        """The state of some of the rows, in the order given."""


class Autoencoder(Protocol):
    """A network between sentences and points.

    Attributes:
        title: for people.
        paper: where its kind was published.
        prior: see `space.Space`.
    """

    title: str
    paper: str
    prior: str

    def codes(self, ids: Tensor) -> Tensor:
        """Points [n, d] of sentences int64 [n, T], each with its END."""

    def logits(self, codes: Tensor, ids: Tensor) -> Tensor:
        """Logits [n, T, vocab] of each id, given the point and the ids before it."""

    def open(self, codes: Tensor) -> DecoderState:
        """The state before the first word, at points [n, d]."""

    def step(self, state: DecoderState, ids: Tensor) -> tuple[Tensor, DecoderState]:
        """Logits [n, vocab] after one more id a row; END before the first word."""


def without_gradients(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """`torch.no_grad` as a decorator that asks nothing of torch until the function is called."""

    @wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        with torch.no_grad():
            return function(*args, **kwargs)

    return wrapped


def initialise(net: nn.Module, seed: int) -> None:
    """Weights that depend on the seed alone: matrices by their inputs, vectors zero, gains one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if weight.ndim < 2:
                weight.fill_(1.0 if name.endswith("gain") else 0.0)
            else:
                width = 0.1 if "embed" in name else weight.shape[-1] ** -0.5
                weight.normal_(0.0, width, generator=generator)


def padded(rows: Sequence[Sequence[int]]) -> Tensor:
    """Sentences as int64 [n, longest + 1]: each followed by END to the width of the longest."""
    width = max(map(len, rows), default=0) + 1
    return torch.tensor([[*row, *[END] * (width - len(row))] for row in rows]).reshape(-1, width)


def shifted(ids: Tensor) -> Tensor:
    """What a decoder has read before each id: END first."""
    return torch.nn.functional.pad(ids[:, :-1], (1, 0), value=END)


def weights_of(ids: Tensor) -> Tensor:
    """1 for words and for the first END of a row, 0 for what fills it up: bool [n, T]."""
    return (shifted(ids) != END) | (torch.arange(ids.shape[1]) == 0)


def surprisal(logits: Tensor, ids: Tensor) -> Tensor:
    """Nats [n] of whole sentences, their END included."""
    nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none")
    return (nats.view(ids.shape) * weights_of(ids)).sum(1)


def snapped(values: Tensor, grid: float) -> Tensor:
    """Values rounded to multiples of a power of two, so that sums with them need no rounding."""
    return (values / grid).round() * grid
