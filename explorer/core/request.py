"""What a run is asked for, and whether a model can hold it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from explorer.core.decoder import Decoder
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.handle import ModelHandle
from explorer.core.types import Noise, StopReason


class Watcher(Protocol):
    """Reads a row's tokens as they come and may stop its lane."""

    def push(self, token_id: int) -> StopReason | None:
        """Add a token; a reason stops the lane after it."""

    def copy(self) -> Watcher:
        """An independent watcher with the same past, for a row that fans out."""


@dataclass(frozen=True, slots=True)
class Context:
    """A second reading of the rows: by another model, or after another prompt.

    Attributes:
        key: lanes with equal keys share it.
        model: the model that reads; it needs the tokenizer of the first.
        prompt_ids: what it reads before the continuation.
    """

    key: str
    model: ModelHandle
    prompt_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """One decoding method of a request.

    Attributes:
        decoder: its decoder.
        noise: how its uniforms are keyed.
        name: what to call it in messages.
        watchers: what watches its rows.
        second: the second context it compares with, or None.
        layers: its decoder reads hidden states.
        on_device: its choices can be recorded (`StageInfo.on_device`).
    """

    decoder: Decoder
    noise: Noise
    watchers: tuple[Watcher, ...] = ()
    second: Context | None = None
    layers: bool = False
    name: str = ""
    on_device: bool = False


def _never() -> StopReason | None:
    return None


@dataclass(frozen=True, slots=True)
class Request:
    """What to generate.

    Attributes:
        prompt_ids: at least one id.
        lanes: one or more.
        max_new_tokens: most tokens a lane may take, at least 1.
        seed: any integer.
        eos_ids: ids that end a row.
        top: how many alternatives to keep a token, at least 1.
        interrupted: asked between any two forwards; a reason ends every lane and keeps what was
            made. Deadlines and cancelling come in here.
        on_prefill: told after every chunk of the prompt how many tokens were read, and how many
            there are to read; a second model reads the prompt once more, so it counts too.
        given: ids that stand between the prompt and the first new token, in every lane: a
            continuation that goes on. They count in the numbers of steps, and are no prompt.
        turn: entered while the lanes choose, between two forwards (`explorer.core.turns`).
    """

    prompt_ids: tuple[int, ...]
    lanes: tuple[Lane, ...]
    max_new_tokens: int
    seed: int = 0
    eos_ids: frozenset[int] = frozenset()
    top: int = 10
    interrupted: Callable[[], StopReason | None] = _never
    on_prefill: Callable[[int, int], None] = lambda done, total: None
    given: tuple[int, ...] = ()
    turn: AbstractContextManager[object] = field(default_factory=nullcontext)


def check_fits(model: ModelHandle, prompt_tokens: int, max_new_tokens: int) -> None:
    """Refuse a run that the model's context cannot hold.

    Raises:
        InvalidParams: for an empty prompt or `max_new_tokens` below 1.
        NotCapable: with the figures, if prompt and continuation exceed the context.
    """
    if prompt_tokens < 1:
        raise InvalidParams("The prompt holds no token.", "Type something, or begin from BOS.")
    if max_new_tokens < 1:
        raise InvalidParams(
            f"max_new_tokens must be at least 1, got {max_new_tokens}.", "Ask for one or more."
        )
    limit, needed = model.info.context_length, prompt_tokens + max_new_tokens
    if limit and needed > limit:
        raise NotCapable(
            f"{model.info.id} reads {limit:,} tokens; this prompt has {prompt_tokens:,} and "
            f"{max_new_tokens:,} new ones make {needed:,}.",
            "Shorten the prompt, ask for fewer tokens, or choose another model.",
        )
