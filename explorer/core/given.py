"""Tokens that stand there before a decoder begins: a continuation that goes on from some point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from explorer.core.decoder import Decoder, Leaf, Move, StepView, Verdict
from explorer.core.request import Watcher
from explorer.core.types import Candidate, Noise, StopReason, TokenStep, Trace


@dataclass(frozen=True, slots=True)
class Given:
    """What the lanes of a run begin with.

    Attributes:
        steps: measured tokens after the prompt, the same for all lanes; no decoder is asked.
        forced: for each lane, tokens it takes next, whatever its decoder would; () for none.
        noises: for each lane, how its uniforms are keyed; () for the usual keys.
    """

    steps: tuple[TokenStep, ...] = ()
    forced: tuple[tuple[int, ...], ...] = ()
    noises: tuple[Noise, ...] = ()

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of `steps`."""
        return tuple(step.token_id for step in self.steps)

    def forced_of(self, lane: int) -> tuple[int, ...]:
        """What a lane is made to take."""
        return self.forced[lane] if self.forced else ()


def as_given(trace: Trace, count: int) -> tuple[TokenStep, ...]:
    """The first tokens of a trace, as tokens that nobody draws.

    Their sampling law is the model's, as in scored text: under the decoder that goes on they
    were not drawn, whatever law they once came from.
    """
    return tuple(_plain(step, trace.model.vocab_size) for step in trace.steps[:count])


def _plain(step: TokenStep, vocab: int) -> TokenStep:
    return replace(
        step,
        lane=0,
        row=0,
        parent_row=0,
        sampling_surprisal=step.surprisal,
        sampling_entropy=step.entropy,
        support_size=vocab,
        top=tuple(Candidate(c.token_id, c.logprob, c.logprob) for c in step.top),
        extra=(),
        score=None,
        notes={},
    )


class Forced(Decoder):
    """Takes given tokens first, then lets another decoder go on, which sees them as said.

    Args:
        decoder: the other one; as new when the last given token was taken.
        token_ids: at least one.
    """

    def __init__(self, decoder: Decoder, token_ids: Sequence[int]) -> None:
        self.width, self.looks_ahead = decoder.width, decoder.looks_ahead
        self._decoder = decoder
        self._waiting: Iterator[int] = iter(tuple(token_ids))

    def advance(self, view: StepView) -> Move:
        """The next given token under the model's law, or what the other decoder chooses."""
        token_id = next(self._waiting, None)
        if token_id is None:
            return self._decoder.advance(view)
        return Move((0,), (token_id,), view.logprobs[:1])

    def conclude(self, leaves: Sequence[Leaf]) -> Sequence[Verdict | None] | None:
        """What the other decoder says of its rows."""
        return self._decoder.conclude(leaves)


class Patient:
    """A watcher that stops nothing before some tokens were said.

    Args:
        watcher: what watches.
        count: tokens that it only reads.
    """

    def __init__(self, watcher: Watcher, count: int) -> None:
        self._watcher, self._count = watcher, count

    def push(self, token_id: int) -> StopReason | None:
        """Add a token."""
        reason = self._watcher.push(token_id)
        self._count -= 1
        return reason if self._count < 0 else None

    def copy(self) -> Patient:
        """An independent watcher with the same past."""
        return Patient(self._watcher.copy(), self._count)
