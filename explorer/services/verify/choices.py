"""Whether a decoder, with the noise the trace names, makes the choices the trace states.

The decoder itself is run over the model's laws, one token after another, along the trace's own
tokens. Where it takes another token, or its law has other figures, the step is tried again with
laws that differ by the tolerance: what agrees with one of them hangs on rounding, and passes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from explorer.core.decoder import Decoder, Move, StepView
from explorer.core.deferred import torch
from explorer.core.distribution import entropy, log_normalise, support_size
from explorer.core.errors import NumericalFailure
from explorer.core.types import NoteValue, TokenStep
from explorer.services.verify.findings import Failed, Findings, Mismatch

if TYPE_CHECKING:
    from torch import Tensor

_PROBES = 3
_HALVINGS = 40
_LOST = 0.02
"""Of a latent point's coordinate: past this share of an interval its digits say nothing."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a decoder did at one step, with the figures of its law for the trace's token.

    Attributes:
        token_id: what it took.
        surprisal: -log q of the trace's token, nats; infinite where q cuts it.
        entropy: H(q), nats.
        support: tokens with q > 0.
        law: [vocab] log q.
        notes: what it has to say.
    """

    token_id: int
    surprisal: float
    entropy: float
    support: int
    law: Tensor
    notes: Mapping[str, NoteValue]


class Choices:
    """Replays one lane's decoder along a trace.

    Args:
        decoder: as new.
        nats: how far a log-probability may differ.
        pieces: how tokens are shown.
        is_point: the chooser zooms into a coordinate, which loses its digits.
    """

    def __init__(
        self, decoder: Decoder, nats: float, pieces: Mapping[int, str], *, is_point: bool = False
    ) -> None:
        self._decoder, self._nats, self._pieces = decoder, nats, pieces
        self._is_point, self._lost, self._zoomed = is_point, False, 0.0

    def check(self, view: StepView, step: TokenStep, found: Findings) -> None:
        """Replay one step and compare.

        Args:
            view: what the decoder saw; one row.
            step: what the trace says.
            found: told what hangs on rounding.

        Raises:
            Failed: with the first thing that no law within the tolerance explains.
        """
        before = _snapshot(self._decoder)
        try:
            drawn = _drawn(self._decoder, view, step)
        except NumericalFailure as error:
            raise Failed(self._off(step, "tokens.id", repr(step.token_id), str(error))) from None
        fault = self._fault(step, drawn, (), found)
        if fault is not None:
            self._explain(before, view, step, drawn, fault, found)
        self._zoomed += drawn.surprisal

    def _explain(
        self,
        before: Decoder,
        view: StepView,
        step: TokenStep,
        drawn: Drawn,
        fault: Mismatch,
        found: Findings,
    ) -> None:
        """Look for a law within the tolerance under which the step is right."""
        tried: list[tuple[Drawn, Decoder]] = []
        for law in _nearby(view, step.token_id, self._nats):
            self._try(before, law, step, tried)
        if not any(other.token_id == step.token_id for other, _ in tried):
            self._steer(before, view, step, tried)
        others = tuple(other for other, _ in tried)
        # The likeliest explanation takes the token that the trace has.
        for other, twin in sorted(tried, key=lambda t: t[0].token_id != step.token_id):
            if self._fault(step, other, (drawn, *others), found) is None:
                self._decoder = twin
                found.borderline += 1
                return
        if self._is_point and self._nats * math.exp(min(60.0, self._zoomed)) > _LOST:
            self._lost = True
            found.lacks(
                f"the choice from token {step.index} on: the coordinate of a latent point loses "
                "its digits as it is zoomed into"
            )
            return
        raise Failed(fault)

    def _try(
        self,
        before: Decoder,
        view: StepView,
        step: TokenStep,
        tried: list[tuple[Drawn, Decoder]],
    ) -> Drawn | None:
        twin = _snapshot(before)
        try:
            drawn = _drawn(twin, view, step)
        except NumericalFailure:
            return None
        tried.append((drawn, twin))
        return drawn

    def _steer(
        self,
        before: Decoder,
        view: StepView,
        step: TokenStep,
        tried: list[tuple[Drawn, Decoder]],
    ) -> None:
        """Look between the ends of the tolerance for a law that gives the token.

        An unlikely token has an interval narrower than the tolerance moves it: a whole step to
        either side passes over it. What is drawn moves one way through the vocabulary as the
        probability before the token grows, so halving finds the place, if there is one.
        """
        place = _places(tried[0][1] if tried else before, view.logits.shape[-1])
        own = int(place[step.token_id])
        earlier = (place < own).to(view.logits.device)
        low, high = -self._nats, self._nats
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            drawn = self._try(before, _shifted(view, earlier * middle), step, tried)
            if drawn is None or drawn.token_id == step.token_id:
                return
            tried.pop()
            if int(place[drawn.token_id]) > own:
                low = middle
            else:
                high = middle

    def _fault(
        self, step: TokenStep, drawn: Drawn, others: tuple[Drawn, ...], found: Findings
    ) -> Mismatch | None:
        """The first difference, or None; `others` are the same step under laws nearby."""
        if step.token_id != drawn.token_id and not self._lost:
            return self._other_token(step, drawn)
        if drawn.surprisal == math.inf:
            law = f"impossible under {drawn.support} possible tokens"
            return self._off(step, "tokens.id", repr(step.token_id), law)
        for name, said, value in (
            ("sampling_surprisal", step.sampling_surprisal, drawn.surprisal),
            ("sampling_entropy", step.sampling_entropy, drawn.entropy),
        ):
            key = name.removeprefix("sampling_")
            bound = self._nats + _spread([getattr(o, key) for o in others], value)
            if not abs(said - value) <= bound:
                return self._off(step, f"tokens.{name}", f"{said:.6f}", f"{value:.6f}", bound)
        few = _spread([float(o.support) for o in others], float(drawn.support))
        if abs(step.support_size - drawn.support) > few:
            return self._off(
                step, "tokens.support_size", str(step.support_size), str(drawn.support)
            )
        return self._tops(step, drawn, others) or self._notes(step, drawn, others)

    def _tops(self, step: TokenStep, drawn: Drawn, others: tuple[Drawn, ...]) -> Mismatch | None:
        for name, candidates in (("top", step.top), ("extra", step.extra)):
            for candidate in candidates:
                said, value = candidate.sampling_logprob, float(drawn.law[candidate.token_id])
                near = [float(o.law[candidate.token_id]) for o in others]
                if said == value or (others and said == -math.inf and said in near):
                    continue
                bound = self._nats + _spread(near, value)
                if not abs(said - value) <= bound:
                    shown = f"{said:.6f} for {self._pieces.get(candidate.token_id, '')!r}"
                    field = f"tokens.{name}_sampling_logprobs"
                    return self._off(step, field, shown, f"{value:.6f}", bound)
        return self._extra(step, drawn)

    def _extra(self, step: TokenStep, drawn: Drawn) -> Mismatch | None:
        """The tokens likeliest under q must be among those listed."""
        if not step.top:
            return None
        listed = {c.token_id for c in (*step.top, *step.extra)}
        best = drawn.law.topk(min(len(step.top), len(drawn.law)))
        least = float(best.values[-1])
        for token_id, value in zip(best.indices.tolist(), best.values.tolist(), strict=True):
            clear = value > max(least, -math.inf) + 4 * self._nats
            if clear and token_id not in listed:
                shown = f"without {token_id}"
                return self._off(step, "tokens.extra_ids", shown, f"with log q = {value:.6f}")
        return None

    def _notes(self, step: TokenStep, drawn: Drawn, others: tuple[Drawn, ...]) -> Mismatch | None:
        if set(step.notes) != set(drawn.notes):
            names = sorted(drawn.notes) or "none"
            return self._off(step, "tokens.notes", str(sorted(step.notes)), str(names))
        for name, value in drawn.notes.items():
            said = step.notes[name]
            if said == value or (self._is_point and self._zoomed > 0):
                continue
            near = [o.notes.get(name) for o in others]
            if isinstance(value, float) and isinstance(said, (int, float)):
                numbers = [float(n) for n in near if isinstance(n, (int, float))]
                # What steers over many steps adds up their differences.
                steps = min(20, 2 * (step.index + 1))
                bound = steps * self._nats * (1 + abs(value)) + _spread(numbers, value)
                if abs(said - value) <= bound:
                    continue
                return self._off(step, f"tokens.notes.{name}", f"{said}", f"{value}", bound)
            if said not in near:
                return self._off(step, f"tokens.notes.{name}", repr(said), repr(value))
        return None

    def _other_token(self, step: TokenStep, drawn: Drawn) -> Mismatch:
        shown = self._pieces.get(drawn.token_id, "")
        why = "cut" if drawn.surprisal == math.inf else f"q = {math.exp(-drawn.surprisal):.3g}"
        return self._off(
            step,
            "tokens.id",
            f"{step.token_id} ({why} under this decoder's law)",
            f"{drawn.token_id} {shown!r}, which the decoder takes with this noise",
        )

    def _off(
        self, step: TokenStep, name: str, said: str, should: str, bound: float | None = None
    ) -> Mismatch:
        return Mismatch(name, said, should, step.index, self._pieces.get(step.token_id, ""), bound)


def _snapshot(decoder: Decoder) -> Decoder:
    """An independent decoder with the same memory; processors keep none that counts."""
    shared = vars(decoder).get("_processors", ())
    return copy.deepcopy(decoder, {id(shared): shared})


def _drawn(decoder: Decoder, view: StepView, step: TokenStep) -> Drawn:
    move: Move = decoder.advance(view)
    law = move.logprobs
    return Drawn(
        token_id=move.token_ids[0],
        surprisal=-float(law[0, step.token_id]),
        entropy=float(entropy(law)[0]),
        support=int(support_size(law)[0]),
        law=law[0],
        notes=move.notes[0] if move.notes else {},
    )


def _nearby(view: StepView, token_id: int, nats: float) -> Iterator[StepView]:
    """Views whose laws differ by the tolerance, in ways that move a choice to or from a token."""
    vocab = view.logits.shape[-1]
    alone = torch.zeros(vocab, device=view.logits.device)
    alone[token_id] = nats
    lower = torch.zeros_like(alone)
    lower[:token_id] = nats
    shifts = [alone, -alone, lower, -lower, alone + lower, alone - lower]
    generator = torch.Generator().manual_seed(token_id)
    signs = [torch.randint(0, 2, (2, vocab), generator=generator) * 2 - 1 for _ in range(_PROBES)]
    pairs = [(shift, torch.zeros_like(shift)) for shift in shifts]
    pairs += [(s[0].to(alone) * nats, s[1].to(alone) * nats) for s in signs]
    for first, second in pairs:
        other = view.second_logits
        shifted = _shifted(view, first)
        yield replace(shifted, second_logits=None if other is None else other + second)


def _shifted(view: StepView, by: Tensor) -> StepView:
    logits = view.logits + by
    return replace(view, logits=logits, logprobs=log_normalise(logits))


def _places(decoder: Decoder, vocab: int) -> Tensor:
    """Where each token stands in the order in which a decoder sums probabilities."""
    order = vars(decoder).get("_order")  # a secret one, of the ITS watermark
    return order.argsort() if isinstance(order, torch.Tensor) else torch.arange(vocab)


def _spread(values: list[float], centre: float) -> float:
    """How far finite values lie from a finite centre, at most."""
    if not math.isfinite(centre):
        return 0.0
    return max((abs(v - centre) for v in values if math.isfinite(v)), default=0.0)
