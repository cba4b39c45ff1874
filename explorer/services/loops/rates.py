"""How often decoding methods loop: prompts x decoders x seeds, kept as they are made."""

from __future__ import annotations

import hashlib
import json
import logging
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from explorer.analyzers.counting_loops import counting_loops
from explorer.analyzers.near_loops import edited_loops
from explorer.analyzers.paraphrase_loops import paraphrase_loops
from explorer.analyzers.repetition import diversity, rep_n
from explorer.core.handle import ModelHandle
from explorer.core.intervals import Figure, wilson
from explorer.core.loops import LoopThresholds
from explorer.core.types import StopReason, Trace
from explorer.decoders.spec import Chain, parse
from explorer.services import checks
from explorer.services.generation import (
    MAX_LANES,
    MAX_ROWS,
    RunOptions,
    check_model,
    generate,
    library_versions,
    read_specs,
)
from explorer.services.loops.prompts import LoopPrompt

DECODERS = (
    "greedy",
    "beam",
    "nucleus:p=0.95",
    "locally_typical:mass=0.2",
    "locally_typical:mass=0.95",
    "momentum",
    "contrastive_search",
    "repetition_penalty+greedy",
    "dry+greedy",
)
MAX_SEEDS = 100
_FORM = "loops/1"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run on every prompt.

    Attributes:
        decoders: specs; the same one twice counts once.
        seeds: runs of every decoder that draws, by seeds 0, 1, …; others run once.
        max_new_tokens: of every run; loops do not end a run, so that diversity compares.
        thresholds: what counts as a loop.
    """

    decoders: tuple[str, ...] = DECODERS
    seeds: int = 1
    max_new_tokens: int = 200
    thresholds: LoopThresholds = field(default_factory=LoopThresholds)

    def __post_init__(self) -> None:
        """Check every value, and write specs in full.

        Raises:
            InvalidParams, UnknownName: naming the first that cannot be used.
        """
        specs = checks.texts("decoders", self.decoders)
        chains = [read_specs([spec])[0] for spec in specs]
        object.__setattr__(self, "decoders", tuple(dict.fromkeys(c.canonical for c in chains)))
        checks.whole("the number of decoders", len(chains), 1)
        checks.whole("seeds", self.seeds, 1, MAX_SEEDS)
        RunOptions(max_new_tokens=self.max_new_tokens, loop=self.thresholds)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One run.

    Attributes:
        decoder: canonical spec.
        seed: of its draws.
        tokens: how many it has.
        onset: where its first exact loop begins; None where it has none.
        period: of that loop, tokens.
        near: kinds of near-loops in it.
        rep_4: share of repeated 4-grams; None for fewer than 4 tokens.
        diversity: product over n = 2, 3, 4 of (1 - rep-n).
    """

    decoder: str
    seed: int
    tokens: int
    onset: int | None
    period: int | None
    near: tuple[str, ...]
    rep_4: float | None
    diversity: float | None


@dataclass(frozen=True, slots=True)
class Rate:
    """One decoder over all prompts and seeds.

    Attributes:
        decoder: canonical spec.
        loops: share of runs with an exact loop, Wilson's interval; runs of one prompt by several
            seeds count as independent.
        near: share of runs with a near-loop and no exact one.
        onsets: first tokens of the loops, sorted.
        rep_4: mean over runs that have it.
        diversity: mean over runs that have it.
        tokens: mean.
    """

    decoder: str
    loops: Figure
    near: Figure
    onsets: tuple[int, ...]
    rep_4: float | None
    diversity: float | None
    tokens: float

    @property
    def quartiles(self) -> tuple[float, float, float] | None:
        """A quarter, half and three quarters of the loops begin up to there; None for none."""
        if not self.onsets:
            return None
        if len(self.onsets) == 1:
            return (float(self.onsets[0]),) * 3
        low, middle, high = statistics.quantiles(self.onsets, n=4, method="inclusive")
        return low, middle, high

    def as_data(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self) | {"quartiles": self.quartiles}


def measure(
    model: ModelHandle,
    prompts: Sequence[LoopPrompt],
    plan: Plan,
    *,
    kept: Path | None = None,
    progress: Callable[[int], object] = int,
) -> tuple[Outcome, ...]:
    """Run the plan on every prompt.

    Args:
        model: whose runs.
        prompts: at least one.
        plan: decoders, seeds, lengths.
        kept: folder in which outcomes are kept prompt by prompt: what stands there already is
            not run again, so a measurement that was broken off goes on where it was. None keeps
            nothing.
        progress: called with 1 after every prompt.

    Raises:
        InvalidParams, NotCapable: as a run does.
    """
    check_model(model)
    checks.whole("the number of prompts", len(prompts), 1)
    store = None if kept is None else Store(kept, model, plan)
    outcomes: list[Outcome] = []
    for prompt in prompts:
        found = None if store is None else store.get(prompt.text)
        if found is None:
            found = tuple(_outcomes(model, prompt, plan))
            if store is not None:
                store.put(prompt.text, found)
        outcomes += found
        progress(1)
    return tuple(outcomes)


def rates(outcomes: Sequence[Outcome]) -> tuple[Rate, ...]:
    """One row a decoder, in the order in which they first stand.

    Raises:
        InvalidParams: without an outcome.
    """
    checks.whole("the number of runs", len(outcomes), 1)
    rows = []
    for decoder in dict.fromkeys(outcome.decoder for outcome in outcomes):
        own = [outcome for outcome in outcomes if outcome.decoder == decoder]
        onsets = sorted(o.onset for o in own if o.onset is not None)
        near = sum(bool(o.near) and o.onset is None for o in own)
        rows.append(
            Rate(
                decoder,
                wilson(len(onsets), len(own)),
                wilson(near, len(own)),
                tuple(onsets),
                _mean([o.rep_4 for o in own]),
                _mean([o.diversity for o in own]),
                statistics.fmean(o.tokens for o in own),
            )
        )
    return tuple(rows)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def _outcomes(model: ModelHandle, prompt: LoopPrompt, plan: Plan) -> Iterator[Outcome]:
    chains = [parse(spec) for spec in plan.decoders]
    options = RunOptions(top=1, loop=plan.thresholds)
    for seed in range(plan.seeds):
        asked = [chain for chain in chains if seed == 0 or not chain.is_deterministic]
        for lanes in _packed(asked):
            traces = generate(
                model,
                prompt.text,
                [chain.canonical for chain in lanes],
                plan.max_new_tokens,
                seed,
                options,
            )
            # a lane whose numbers failed says nothing of loops
            yield from (
                outcome_of(t, plan.thresholds)
                for t in traces
                if t.stop_reason is not StopReason.CANCELLED
            )


def _packed(chains: Sequence[Chain]) -> Iterator[list[Chain]]:
    """As many lanes a run as it takes, in order."""
    lanes: list[Chain] = []
    rows = 0
    for chain in chains:
        width = chain.build().width
        if lanes and (len(lanes) == MAX_LANES or rows + width > MAX_ROWS):
            yield lanes
            lanes, rows = [], 0
        lanes.append(chain)
        rows += width
    if lanes:
        yield lanes


def outcome_of(trace: Trace, thresholds: LoopThresholds | None = None) -> Outcome:
    """What a trace says of loops: its first exact one, and which kinds of near ones."""
    ids = trace.token_ids
    pieces = [trace.pieces.get(i, "") for i in ids]
    near = [
        loop.kind
        for found in (
            edited_loops(ids, thresholds),
            counting_loops(pieces, thresholds),
            paraphrase_loops(pieces, thresholds),
        )
        for loop in found
    ]
    first = min(trace.loops, key=lambda loop: loop.onset, default=None)
    return Outcome(
        trace.decoder,
        trace.seed,
        len(ids),
        None if first is None else first.onset,
        None if first is None else first.period,
        tuple(dict.fromkeys(near)),
        rep_n(ids, 4),
        diversity(ids),
    )


class Store:
    """Outcomes of one model and plan in one file, a line a prompt.

    Other processes may add to the same file: a prompt that stands twice says the same.
    """

    def __init__(self, folder: Path, model: ModelHandle, plan: Plan) -> None:
        facts = {
            "form": _FORM,
            "model": [model.info.digest, model.info.dtype, model.info.device],
            "tokenizer": model.tokenizer.digest,
            "versions": library_versions(),
            "plan": asdict(plan),
        }
        name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:32]
        self.path = folder / f"{name}.jsonl"
        self._known: dict[str, tuple[Outcome, ...]] = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                self._take(line)

    def _take(self, line: str) -> None:
        try:
            data = json.loads(line)
            rows = [Outcome(**row | {"near": tuple(row["near"])}) for row in data["outcomes"]]
            self._known[data["prompt"]] = tuple(rows)
        except (ValueError, TypeError, KeyError):  # broken off while it was written
            _log.debug("a line of %s is left out", self.path)

    def get(self, prompt: str) -> tuple[Outcome, ...] | None:
        """What is kept of a prompt."""
        return self._known.get(prompt)

    def put(self, prompt: str, outcomes: tuple[Outcome, ...]) -> None:
        """Keep it; where the disk will not have it, only this process does."""
        self._known[prompt] = outcomes
        line = json.dumps(
            {"prompt": prompt, "outcomes": [asdict(o) for o in outcomes]}, ensure_ascii=True
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                # the newline before ends what another process left unfinished
                file.write(f"\n{line}\n")
        except OSError as error:
            _log.warning("%s cannot be written: %s", self.path, error.strerror)
