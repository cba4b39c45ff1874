"""What an escape board found: a row a lane with its figures, and shares over several draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from explorer.analyzers.counting_loops import counting_loops
from explorer.analyzers.leaving import ORDER, Left, Verdict
from explorer.analyzers.near_loops import edited_loops
from explorer.analyzers.paraphrase_loops import paraphrase_loops
from explorer.analyzers.repetition import diversity, rep_n
from explorer.analyzers.surprisal import perplexity
from explorer.core.intervals import Figure, wilson
from explorer.core.loops import LoopThresholds
from explorer.core.types import Trace


@dataclass(frozen=True, slots=True)
class Figures:
    """What a continuation is after its exit; None where there is no exit, or too little text.

    Attributes:
        exit_surprisal: -log p of the token it left with, nats.
        paid: that, less the surprisal of the loop's token at the same place, nats: what leaving
            cost. Below 0 where the loop's token was the less likely one.
        perplexity: exp of the mean surprisal from the exit on, under the model that has the whole
            loop before it.
        coherence: mean log p from the exit on, nats a token, under the model that has read the
            same text with whole copies of the loop taken out: one copy is left, and what stood of
            the next. With the loop before it, going back to it is what scores best.
        rep_2: share of repeated 2-grams from the exit on; None for fewer than 4 tokens.
        rep_3: of 3-grams; None for fewer than 6.
        rep_4: of 4-grams; None for fewer than 8.
        diversity: product of (1 - rep-n) over n = 2, 3, 4; None for fewer than 8 tokens.
        near: kinds of near-loops from the exit on.
    """

    exit_surprisal: float | None = None
    paid: float | None = None
    perplexity: float | None = None
    coherence: float | None = None
    rep_2: float | None = None
    rep_3: float | None = None
    rep_4: float | None = None
    diversity: float | None = None
    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One lane of the board.

    Attributes:
        decoder: canonical spec.
        label: the method as it was asked for.
        draw: 1 for the first of several draws of one method.
        left: what it did.
        tokens: how many it said.
        text: from the exit on.
        figures: what it is after its exit.
        trace: all of it, the loop included.
    """

    decoder: str
    label: str
    draw: int
    left: Left
    tokens: int
    text: str
    figures: Figures
    trace: Trace

    def as_data(self) -> dict[str, Any]:
        """As JSON has it; quantities in nats, an infinite one is null."""
        figures = {
            name: None if isinstance(x, float) and not math.isfinite(x) else x
            for name, x in asdict(self.figures).items()
        }
        return {
            "decoder": self.decoder,
            "label": self.label,
            "draw": self.draw,
            "verdict": str(self.left.verdict),
            "exit": self.left.exit,
            "loops": [[x.first, x.end, x.same] for x in self.left.loops],
            "tokens": self.tokens,
            "text": self.text,
            **figures,
            "near": list(self.figures.near),
            "stop_reason": str(self.trace.stop_reason),
        }


@dataclass(frozen=True, slots=True)
class Share:
    """One method over its draws, those that failed left out.

    Attributes:
        decoder: canonical spec.
        left: share that left the loop, Wilson's interval.
        escaped: share that escaped.
    """

    decoder: str
    left: Figure
    escaped: Figure


@dataclass(frozen=True, slots=True)
class Report:
    """A board.

    Attributes:
        at: tokens of the trace that all lanes share.
        unit: pieces of the loop's copy.
        rows: best first: by verdict, then by how many tokens it took.
        failures: what went wrong in lanes whose numbers failed.
        stopped: it was ended before its time: lanes may be shorter, and coherence was not read.
        missing: lanes that never began, for that reason.
    """

    at: int
    unit: tuple[str, ...]
    rows: tuple[Row, ...]
    failures: tuple[str, ...] = ()
    stopped: bool = False
    missing: int = 0

    @property
    def traces(self) -> tuple[Trace, ...]:
        """One a lane, in the order of the rows."""
        return tuple(row.trace for row in self.rows)

    @property
    def shares(self) -> tuple[Share, ...]:
        """One a method, in the order of its best row; without those whose lanes all failed."""
        found = []
        for decoder in dict.fromkeys(row.decoder for row in self.rows):
            own = [
                row.left
                for row in self.rows
                if row.decoder == decoder and row.left.verdict is not Verdict.FAILED
            ]
            if own:
                left = sum(x.exit is not None for x in own)
                escaped = sum(x.verdict is Verdict.ESCAPED for x in own)
                found.append(Share(decoder, wilson(left, len(own)), wilson(escaped, len(own))))
        return tuple(found)

    def as_data(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "at": self.at,
            "unit": list(self.unit),
            "rows": [row.as_data() for row in self.rows],
            "shares": [asdict(share) for share in self.shares],
            "failures": list(self.failures),
            "stopped": self.stopped,
            "missing": self.missing,
        }


@dataclass(frozen=True, slots=True)
class Read:
    """What a model makes of a lane.

    Attributes:
        text: from its exit on, "" where it has none.
        paid: nats, as `Figures` has it.
        coherence: nats, as `Figures` has it.
    """

    text: str = ""
    paid: float | None = None
    coherence: float | None = None


def row_of(trace: Trace, at: int, named: tuple[str, int], left: Left, read: Read) -> Row:
    """The row of a lane.

    Args:
        trace: all of it.
        at: tokens it shares with all.
        named: the method as it was asked for, and which of its draws it is, from 1.
        left: what it did after them.
        read: what a model makes of it.
    """
    made, figures = len(trace.steps) - at, Figures()
    if left.exit is not None:
        steps = trace.steps[at + left.exit :]
        ids = [step.token_id for step in steps]
        rep_2, rep_3, rep_4 = (rep_n(ids, n) if len(ids) >= 2 * n else None for n in (2, 3, 4))
        figures = Figures(
            exit_surprisal=steps[0].surprisal,
            paid=read.paid,
            perplexity=perplexity(steps),
            coherence=read.coherence,
            rep_2=rep_2,
            rep_3=rep_3,
            rep_4=rep_4,
            diversity=None if rep_4 is None else diversity(ids),
            near=_near(ids, trace),
        )
    return Row(trace.decoder, *named, left, made, read.text, figures, trace)


def in_order(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Best first: by verdict, then by the tokens before the exit, then as they were asked for."""
    return tuple(sorted(rows, key=lambda r: (ORDER.index(r.left.verdict), r.left.exit or 0)))


def _near(ids: Sequence[int], trace: Trace) -> tuple[str, ...]:
    terms, pieces = trace.terms, [trace.pieces.get(i, "") for i in ids]
    bounds = (
        LoopThresholds()
        if terms is None
        else LoopThresholds(terms.loop_max_period, terms.loop_min_copies, terms.loop_min_tokens)
    )
    found = (
        edited_loops(ids, bounds),
        counting_loops(pieces, bounds),
        paraphrase_loops(pieces, bounds),
    )
    return tuple(dict.fromkeys(loop.kind for loops in found for loop in loops))
