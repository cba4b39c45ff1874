"""Columns to traces: keeps everything a run said, whatever ends the run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NotRequired, TypedDict, Unpack

from explorer.core.decoder import Leaf, Verdict
from explorer.core.detokenize import is_partial, piece, text_of
from explorer.core.handle import ModelHandle
from explorer.core.loops import LoopDetector, LoopThresholds
from explorer.core.types import (
    Column,
    Hypothesis,
    LaneEnd,
    Loop,
    Noise,
    Prompt,
    StopReason,
    Terms,
    TokenStep,
    Trace,
)

_OF_A_ROW = frozenset({StopReason.MAX_NEW_TOKENS, StopReason.LOOP, StopReason.STOP_STRING})
"""Reasons that are said of one row; the others are said of the whole run."""
PROMPT_PIECES = 400
"""Last tokens of the prompt whose pieces a trace keeps, for pages that open it without a model."""


@dataclass(frozen=True, slots=True)
class LaneLabel:
    """What identifies a lane in its trace, and what judges its rows.

    Attributes:
        spec: canonical spec.
        noise: how its uniforms are keyed.
        conclude: compares all rows once the lane has stopped (`Decoder.conclude`).
        forced: how many of its first tokens were given to it alone.
    """

    spec: str
    noise: Noise
    conclude: Callable[[Sequence[Leaf]], Sequence[Verdict | None] | None] = lambda leaves: None
    forced: int = 0


@dataclass(slots=True)
class LaneRecord:
    """One lane so far.

    Attributes:
        steps: its best row from the first token on.
        kept: how many of `steps` are the same as before the latest column.
        loops: periodic stretches of `steps`.
        reason: why it stopped, or None.
        elapsed_s: seconds from the run's start to its latest token.
        leaves: rows that are complete, or that were alive when the lane stopped.
        alive: numbers of the rows of the latest column that go on; () once it has stopped.
    """

    steps: list[TokenStep] = field(default_factory=list)
    kept: int = 0
    loops: tuple[Loop, ...] = ()
    reason: StopReason | None = None
    elapsed_s: float = 0.0
    leaves: list[TokenStep] = field(default_factory=list)
    alive: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What all lanes of a run share and their traces state.

    Attributes:
        seed: the run's seed.
        eos_ids: ids that end a row.
        versions: library versions.
        thresholds: what counts as a loop; None for the defaults.
        terms: what may end a lane, for the traces to state.
        given: measured tokens between the prompt and the run's first, which all lanes share.
    """

    seed: int
    eos_ids: frozenset[int]
    versions: Mapping[str, str]
    thresholds: LoopThresholds | None = None
    terms: Terms | None = None
    given: tuple[TokenStep, ...] = ()


def tokens_per_s(tokens: int, elapsed_s: float, first_s: float) -> float | None:
    """The one definition of a lane's speed: tokens after the first, by the seconds they took.

    Reading the prompt, which ends with the first token, is no part of it. All lanes advance
    together, so their speeds are of shared time.

    Args:
        tokens: how many the lane has.
        elapsed_s: seconds from the run's start to the latest of them.
        first_s: seconds from the run's start to the first.

    Returns:
        To a thousandth, so that page and trace, which show it shorter, round the same number.
        None where there is no second token.

    >>> tokens_per_s(11, elapsed_s=3.0, first_s=1.0)
    5.0
    """
    seconds = elapsed_s - first_s
    return round((tokens - 1) / seconds, 3) if tokens > 1 and seconds > 0 else None


class Recorder:
    """Collects the columns of one run; a thread may ask for traces while another adds.

    Args:
        model: the model that runs.
        prompt: what it was given.
        labels: one a lane.
        facts: what the lanes share.
    """

    def __init__(
        self, model: ModelHandle, prompt: Prompt, labels: Sequence[LaneLabel], facts: RunFacts
    ) -> None:
        self.model, self.prompt, self.labels, self.facts = model, prompt, tuple(labels), facts
        self.lanes = tuple(LaneRecord(list(facts.given), len(facts.given)) for _ in labels)
        self._detectors = [self._detector(facts.given) for _ in labels]
        self._tree: list[dict[tuple[int, int], TokenStep]] = [{} for _ in labels]
        self._batch_rows = 0
        self._prefill_s = 0.0
        # A column is taken in whole or not yet, for whoever asks from another thread.
        self._lock = threading.Lock()

    def _detector(self, steps: Sequence[TokenStep]) -> LoopDetector:
        detector = LoopDetector(self.facts.thresholds)
        for step in steps:
            detector.push(step.token_id)
        return detector

    @property
    def held(self) -> int:
        """Steps in memory, those of rows that a search has given up included."""
        return sum(len(tree) for tree in self._tree)

    def rate(self, lane: int) -> float | None:
        """Tokens a second of a lane, as `tokens_per_s` defines it."""
        record = self.lanes[lane]
        made = len(record.steps) - len(self.facts.given)
        return tokens_per_s(made, record.elapsed_s, self._prefill_s)

    def add(self, column: Column) -> None:
        """Take in the next column."""
        with self._lock:
            self._add(column)

    def _add(self, column: Column) -> None:
        if column.index == len(self.facts.given):
            self._prefill_s = column.elapsed_s
        self._batch_rows = max(self._batch_rows, column.batch_rows)
        by_lane: dict[int, list[TokenStep]] = {}
        for step in column.steps:
            by_lane.setdefault(step.lane, []).append(step)
        for lane, steps in by_lane.items():
            self._grow(lane, steps, column)
        for lane, record in enumerate(self.lanes):
            record.alive = column.alive_rows.get(lane, ())
        for end in column.ended:
            if end.row is not None:
                leaf = self._tree[end.lane][column.index - 1, end.row]
                self.lanes[end.lane].leaves = [leaf]
                self._show(end.lane, leaf)
            else:
                self._conclude(end.lane)
            self.lanes[end.lane].reason = self._reason(end)

    def _conclude(self, lane: int) -> None:
        """Let the lane's decoder judge its rows, and show the one it finds best."""
        record = self.lanes[lane]
        leaves = [
            Leaf(
                (leaf.index, leaf.row),
                tuple(step.token_id for step in self._path(lane, leaf)),
                leaf.score,
                leaf.token_id in self.facts.eos_ids,
            )
            for leaf in record.leaves
        ]
        verdicts = self.labels[lane].conclude(leaves) if leaves else None
        if verdicts is None:
            return
        judged = [
            (replace(leaf, score=v.score, notes={**leaf.notes, **v.notes}), v.first)
            for leaf, v in zip(record.leaves, verdicts, strict=True)
            if v is not None
        ]
        record.leaves = [leaf for leaf, _ in judged]
        for leaf in record.leaves:
            self._tree[lane][leaf.index, leaf.row] = leaf
        first = [leaf for leaf, is_first in judged if is_first]
        self._show(lane, max(first or record.leaves, key=_score))

    def _reason(self, end: LaneEnd) -> StopReason:
        """Why the row that a lane shows ended: a search may go on after its best one did."""
        steps = self.lanes[end.lane].steps
        ended_by_itself = bool(steps) and steps[-1].token_id in self.facts.eos_ids
        return StopReason.EOS if ended_by_itself and end.reason in _OF_A_ROW else end.reason

    def _grow(self, lane: int, steps: list[TokenStep], column: Column) -> None:
        record = self.lanes[lane]
        record.elapsed_s = column.elapsed_s
        for step in steps:
            self._tree[lane][step.index, step.row] = step
        alive = column.alive_rows.get(lane)
        record.leaves += [s for s in steps if alive is None or s.row not in alive]
        tips = record.leaves + [s for s in steps if alive is not None and s.row in alive]
        best = max(tips, key=_score)
        self._show(lane, best)

    def _show(self, lane: int, best: TokenStep) -> None:
        """Make the row that ends in `best` the one the lane shows."""
        record = self.lanes[lane]
        if record.steps and best.index == len(record.steps) and self._continues(lane, best):
            record.kept = len(record.steps)
            record.steps.append(best)
            self._detectors[lane].push(best.token_id)
        else:
            path = self._path(lane, best)
            record.kept = _shared_prefix(record.steps, path)
            record.steps = path
            self._detectors[lane] = self._detector(path)
        record.loops = self._detectors[lane].loops

    def _continues(self, lane: int, step: TokenStep) -> bool:
        """True where a step's parent is the tip of the path shown so far."""
        tip = self.lanes[lane].steps[-1]
        return (tip.index, tip.row) == (step.index - 1, step.parent_row)

    def _path(self, lane: int, leaf: TokenStep) -> list[TokenStep]:
        """A row from its first token to `leaf`, by walking parents backwards."""
        path, first = [leaf], len(self.facts.given)
        while path[-1].index > first:
            path.append(self._tree[lane][path[-1].index - 1, path[-1].parent_row])
        return [*self.facts.given, *path[::-1]]

    def grown(self, lane: int, known: int, most: int) -> list[TokenStep]:
        """Steps of all rows of a lane, those given up included, in the order they were made.

        Args:
            lane: which.
            known: how many of them the caller has.
            most: give no more than so many in all.
        """
        with self._lock:
            return list(islice(self._tree[lane].values(), known, most))

    def hypotheses(self, lane: int) -> tuple[Hypothesis, ...]:
        """Complete rows of a lane that keeps several, best first; () for a single row."""
        record = self.lanes[lane]
        if len(record.leaves) < 2 and all(s.score is None for s in record.leaves):
            return ()
        found = []
        shown = record.steps[-1] if record.steps else None
        order = sorted(record.leaves, key=lambda s: (s is shown, _score(s)), reverse=True)
        for leaf in order:
            steps = tuple(self._path(lane, leaf))
            text = text_of(self.model.tokenizer, [s.token_id for s in steps])
            finished = leaf.token_id in self.facts.eos_ids
            found.append(Hypothesis(_score(leaf), finished, steps, text))
        return tuple(found)

    def traces(self) -> tuple[Trace, ...]:
        """One trace a lane; a lane that has not stopped counts as cancelled."""
        with self._lock:
            return tuple(self._trace(lane) for lane in range(len(self.labels)))

    def _trace(self, lane: int) -> Trace:
        record = self.lanes[lane]
        decode_s = record.elapsed_s - self._prefill_s
        return assemble(
            self.model,
            self.prompt,
            self.labels[lane],
            record.steps,
            lane=lane,
            seed=self.facts.seed,
            versions=dict(self.facts.versions),
            batch_rows=self._batch_rows,
            stop_reason=record.reason or StopReason.CANCELLED,
            loops=record.loops,
            timing={
                "prefill_s": round(self._prefill_s, 6),
                "decode_s": round(decode_s, 6),
                "tokens_per_s": self.rate(lane) or 0.0,
            },
            hypotheses=self.hypotheses(lane),
            terms=self.facts.terms,
            given=min(len(record.steps), len(self.facts.given) + self.labels[lane].forced),
        )


class _Rest(TypedDict):
    lane: int
    seed: int
    versions: Mapping[str, str]
    batch_rows: int
    stop_reason: StopReason
    loops: tuple[Loop, ...]
    timing: Mapping[str, float]
    hypotheses: tuple[Hypothesis, ...]
    terms: NotRequired[Terms | None]
    given: NotRequired[int]


def assemble(
    model: ModelHandle,
    prompt: Prompt,
    label: LaneLabel,
    steps: Sequence[TokenStep],
    **rest: Unpack[_Rest],
) -> Trace:
    """A trace of measured steps: adds what follows from the model and its tokenizer."""
    tokenizer = model.tokenizer
    everything = [*steps, *(step for h in rest["hypotheses"] for step in h.steps)]
    shown = {c.token_id for step in everything for c in (*step.top, *step.extra)}
    shown |= {step.token_id for step in everything} | set(prompt.ids[-PROMPT_PIECES:])
    ids = sorted(shown)
    exact = {token_id: tokenizer.token_bytes(token_id) for token_id in ids}
    return Trace(
        model=model.info,
        tokenizer_digest=tokenizer.digest,
        prompt=prompt,
        decoder=label.spec,
        noise=label.noise,
        text=text_of(tokenizer, [step.token_id for step in steps]),
        steps=tuple(steps),
        pieces={token_id: piece(tokenizer, token_id) for token_id in ids},
        special=tuple(token_id for token_id in ids if tokenizer.is_special(token_id)),
        partial={token_id: data for token_id, data in exact.items() if is_partial(data)},
        **rest,
    )


def _score(step: TokenStep) -> float:
    return step.score if step.score is not None else 0.0


def _shared_prefix(old: Sequence[TokenStep], new: Sequence[TokenStep]) -> int:
    for i, (a, b) in enumerate(zip(old, new, strict=False)):
        if a is not b:
            return i
    return min(len(old), len(new))
