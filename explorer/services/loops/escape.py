"""The escape board: one looping prefix, its key-value cache handed to many decoders at once.

All lanes share the prefix, which is read once, and one forward a step; more rows than a forward
takes go in several runs, one after the other. What counts as left, come back and escaped stands
in `explorer.analyzers.leaving`, the figures in `explorer.services.loops.escape_report`.
Methods that compare with a second context read it in a forward of its own; one of another model
loads it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from explorer.analyzers.leaving import Left, Verdict, judge, periodic
from explorer.core.deferred import torch
from explorer.core.detokenize import piece, text_of
from explorer.core.distribution import log_normalise
from explorer.core.errors import InvalidParams, NumericalFailure
from explorer.core.forcing import forced_laws
from explorer.core.handle import ModelHandle
from explorer.core.types import StopReason, Trace
from explorer.decoders.spec import Chain
from explorer.services import checks
from explorer.services.forks import MAX_FORKS, ForkOptions, ForkRun, Way, fork_runs
from explorer.services.generation import MAX_ROWS, check_model
from explorer.services.loops.escape_methods import Method, all_specs, read_methods
from explorer.services.loops.escape_place import Place, find_place
from explorer.services.loops.escape_report import Read, Report, in_order, row_of
from explorer.services.prefix_cache import PrefixCache

MOST_LANES = 1_024
MOST_DRAWS = 64


@dataclass(frozen=True, slots=True)
class Plan:
    """What the board is asked for.

    Attributes:
        decoders: specs, values with "|" between them stand for several; () is the catalogue.
        draws: continuations of every method that draws; others have one.
        max_new_tokens: of each.
        most_lanes: that may be asked for.
    """

    decoders: tuple[str, ...] = ()
    draws: int = 1
    max_new_tokens: int = 128
    most_lanes: int = MOST_LANES

    def ways(self) -> list[tuple[Method, int]]:
        """Methods, and how many lanes each has.

        Raises:
            InvalidParams, UnknownName: for a spec that is none, or too many lanes.
        """
        draws = checks.whole("draws", self.draws, 1, MOST_DRAWS)
        methods = read_methods(self.decoders or all_specs())
        ways = [(x, 1 if x.chain.is_deterministic else draws) for x in methods]
        lanes = sum(count for _, count in ways)
        if lanes > self.most_lanes:
            raise InvalidParams(
                f"{lanes:,} lanes were asked for.",
                f"At most {self.most_lanes:,}: name fewer methods, or ask for fewer draws.",
            )
        return ways


@dataclass(frozen=True, slots=True)
class Lane:
    """A lane of a board.

    Attributes:
        chain: its method.
        label: the method as it was written.
        draw: 1 for the first of its method.
        run: where it is made.
        number: its place in that run.
        width: rows it holds at most.
    """

    chain: Chain
    label: str
    draw: int
    run: ForkRun
    number: int
    width: int


class Board:
    """One board: `run` it in any thread, look at it from any other, then ask for its report.

    Args:
        model: the one that made the trace.
        trace: it stays as it is.
        place: where in it.
        plan: which methods, how long.
        cancel: ends it; what was made stays.
        second_models: models that methods compare with, by these names; others are loaded.

    Attributes:
        place: where.
        lanes: in the order in which their methods were asked for.
        runs: one after the other.
        failures: what went wrong in lanes whose numbers failed.
        begun: runs that have begun.
        expected: what the loop would go on with, for as many tokens as lanes may have.

    Raises:
        InvalidParams: as `fork_runs` and `Plan.ways` do.
        NotCapable: if it does not fit the model's context or the memory.
    """

    def __init__(
        self,
        model: ModelHandle,
        trace: Trace,
        place: Place,
        plan: Plan,
        *,
        cancel: threading.Event | None = None,
        second_models: Mapping[str, ModelHandle] | None = None,
    ) -> None:
        check_model(model)
        self.model, self.place, self.plan = model, place, plan
        self.cancel = cancel or threading.Event()
        self.trace = _quiet(trace)
        ways = plan.ways()
        self.expected = periodic(place.unit, place.done, plan.max_new_tokens)
        options = ForkOptions(plan.max_new_tokens, (), self.cancel, second_models)
        # Runs after the first find what that has read.
        shared = PrefixCache(kept=4).wrap(model) if _rows(ways) > MAX_ROWS else model
        self.runs = tuple(
            run
            for group in _groups(ways)
            for run in fork_runs(shared, self.trace, place.at, group, options)
        )
        self.lanes = self._lanes(ways)
        self.failures: list[str] = []
        self.begun = 0

    def _lanes(self, ways: Sequence[tuple[Method, int]]) -> tuple[Lane, ...]:
        """In the order in which methods were asked for."""
        labels = {method.chain.canonical: method.label for method, _ in ways}
        made: dict[str, list[Lane]] = {spec: [] for spec in labels}
        for run in self.runs:
            for number, chain in enumerate(run.chains):
                own = made[chain.canonical]
                label = labels[chain.canonical]
                own.append(Lane(chain, label, len(own) + 1, run, number, chain.build().width))
        return tuple(lane for own in made.values() for lane in own)

    def run(self, told: Callable[[int, int], object] = lambda run, token: None) -> None:
        """Let every lane go on, until all have ended or it is cancelled.

        Args:
            told: called after every token with the number of the run, from 0, and of the token,
                from 1.
        """
        for number, run in enumerate(self.runs):
            if self.cancel.is_set():
                return
            self.begun = number + 1
            try:
                for column in run.columns():
                    told(number, column.index + 1 - self.place.at)
            except NumericalFailure as error:
                # Its other lanes have gone on to their ends.
                self.failures.append(str(error))

    def said(self, lane: int) -> list[int]:
        """Ids that a lane has said so far; those of its best row."""
        where = self.lanes[lane]
        steps = list(where.run.recorder.lanes[where.number].steps)
        return [step.token_id for step in steps[self.place.at :]]

    def report(self) -> Report:
        """What was found; lanes of runs that never began are left out.

        Reads the coherence of all lanes in one pass, unless the board was cancelled.
        """
        made = {id(run): run.traces() for run in self.runs[: self.begun]}
        lanes = [lane for lane in self.lanes if id(lane.run) in made]
        traces = [made[id(lane.run)][lane.number] for lane in lanes]
        lefts = [self._left(lane, trace) for lane, trace in zip(lanes, traces, strict=True)]
        paid = self._paid(traces, lefts)
        coherent = self._coherences(traces, lefts)
        at = self.place.at
        rows = []
        for lane, trace, left, cost, mean in zip(lanes, traces, lefts, paid, coherent, strict=True):
            read = Read(self._text(trace, left), cost, mean)
            rows.append(row_of(trace, at, (lane.label, lane.draw), left, read))
        return Report(
            at,
            tuple(piece(self.model.tokenizer, i) for i in self.place.unit),
            in_order(rows),
            tuple(self.failures),
            self.cancel.is_set(),
            len(self.lanes) - len(lanes),
        )

    def _text(self, trace: Trace, left: Left) -> str:
        if left.exit is None:
            return ""
        return text_of(self.model.tokenizer, trace.token_ids[self.place.at + left.exit :])

    def _left(self, lane: Lane, trace: Trace) -> Left:
        ids, bounds = trace.token_ids[self.place.at :], lane.run.options.loop
        ended = trace.stop_reason is StopReason.EOS and bool(ids)
        ended = ended and ids[-1] in self.model.tokenizer.eos_ids
        left = judge(self.place.unit, self.place.done, ids, ended=ended, thresholds=bounds)
        others = (len(r.steps) for r in lane.run.recorder.lanes)
        failed = trace.stop_reason is StopReason.CANCELLED and (
            not self.cancel.is_set() or len(trace.steps) < max(others)
        )
        return replace(left, verdict=Verdict.FAILED) if failed else left

    def _paid(self, traces: Sequence[Trace], lefts: Sequence[Left]) -> list[float | None]:
        """Surprisal of each exit, less that of the loop's token there, nats."""
        loop: dict[int, float] = {}
        for trace, left in zip(traces, lefts, strict=True):
            if left.exit is not None and left.exit not in loop:
                step = trace.steps[self.place.at + left.exit]
                kept = {c.token_id: c.logprob for c in (*step.top, *step.extra)}
                if self.expected[left.exit] in kept:
                    loop[left.exit] = -kept[self.expected[left.exit]]
        exits = {left.exit for left in lefts if left.exit is not None}
        unknown = exits - set(loop)
        if unknown:  # so unlikely by then that no lane has kept it
            before = (*self.trace.prompt.ids, *self.trace.token_ids[: self.place.at])
            row = self.expected[: max(unknown) + 1]
            (whole,) = _own(self.model, before, [row])
            loop.update({i: -whole[i] for i in unknown})
        at = self.place.at
        return [
            None if x.exit is None else trace.steps[at + x.exit].surprisal - loop[x.exit]
            for trace, x in zip(traces, lefts, strict=True)
        ]

    def _coherences(self, traces: Sequence[Trace], lefts: Sequence[Left]) -> list[float | None]:
        """Mean log p of each lane from its exit on, without the loop before it, nats."""
        found: list[float | None] = [None] * len(traces)
        asked = [i for i, left in enumerate(lefts) if left.exit is not None]
        if self.cancel.is_set() or not asked:
            return found
        period, done, at = self.place.loop.period, self.place.done, self.place.at
        before = (*self.trace.prompt.ids, *self.trace.token_ids[: self.place.least])
        for begin in range(0, len(asked), MAX_ROWS):
            group = asked[begin : begin + MAX_ROWS]
            rows, partial = [], []
            for i in group:
                exit_ = lefts[i].exit or 0
                begun = (done + exit_) % period
                partial.append(begun)
                rows.append((*self.place.unit[:begun], *traces[i].token_ids[at + exit_ :]))
            read = _own(self.model, before, rows, self.cancel)
            if self.cancel.is_set():
                return [None] * len(traces)
            for i, begun, own in zip(group, partial, read, strict=True):
                found[i] = sum(own[begun:]) / len(own[begun:])
        return found


def escape(
    model: ModelHandle, trace: Trace, plan: Plan | None = None, *, at: int | None = None
) -> Report:
    """Run a board to its end.

    Args:
        model: the one that made the trace.
        trace: one with a loop.
        plan: which methods, how long; the catalogue by default.
        at: where to begin; `find_place` has the default.

    Raises:
        InvalidParams: for a trace without a loop, a point outside of it, or a wrong plan.
        NotCapable: if it does not fit the model's context or the memory.
    """
    board = Board(model, trace, find_place(trace, at), plan or Plan())
    board.run()
    return board.report()


def _quiet(trace: Trace) -> Trace:
    """The trace, with nothing in its terms that would end a lane for what stands there already."""
    if trace.terms is None:
        return trace
    return replace(trace, terms=replace(trace.terms, stop_on_loop=False, stop_strings=()))


def _rows(ways: Sequence[tuple[Method, int]]) -> int:
    return sum(method.chain.build().width * count for method, count in ways)


def _groups(ways: Sequence[tuple[Method, int]]) -> Iterator[list[Way]]:
    """As many lanes at once as forks take."""
    group: list[Way] = []
    room = MAX_FORKS
    for method, count in ways:
        if count > room:
            yield group
            group, room = [], MAX_FORKS
        group.append(Way(decoder=method.chain.canonical, count=count))
        room -= count
    if group:
        yield group


def _own(
    model: ModelHandle,
    before: Sequence[int],
    rows: Sequence[Sequence[int]],
    cancel: threading.Event | None = None,
) -> list[list[float]]:
    """log p of every token of texts that follow one beginning, nats; 0 where it was cancelled."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows])
    own = torch.zeros(ids.shape)
    for first, logits in forced_laws(model, before, rows):
        if cancel is not None and cancel.is_set():
            break
        laws = log_normalise(logits)
        end = first + laws.shape[1]
        chosen = ids[:, first:end].to(laws.device).unsqueeze(-1)
        own[:, first:end] = laws.gather(-1, chosen).squeeze(-1).cpu()
    return [own[i, : len(row)].tolist() for i, row in enumerate(rows)]
