"""The state of a lockstep run: its lanes, their rows, and what one step does to them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from explorer.core.decoder import Move, StepView, check_law
from explorer.core.deferred import torch
from explorer.core.errors import NotCapable, NumericalFailure
from explorer.core.handle import Batch, ModelHandle
from explorer.core.measure import Block, Place, check_block, measure_block, measure_choices
from explorer.core.noise import uniforms
from explorer.core.request import Context, Lane, Request, Watcher, check_fits
from explorer.core.types import Column, LaneEnd, StopReason, TokenStep

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(slots=True)
class Row:
    """A living row: its number in its lane's latest column, its ids, what watches it.

    `stop` is a reason that waits for a lane that looks ahead to take this row.
    """

    number: int
    history: list[int]
    watchers: tuple[Watcher, ...]
    stop: StopReason | None = None


@dataclass(slots=True)
class LaneState:
    """A lane under way. `first` and `width` place its rows in the block of this step."""

    index: int
    lane: Lane
    rows: list[Row]
    first: int = 0
    width: int = 1
    move: Move | None = None
    survivors: list[int] = field(default_factory=list)
    reason: StopReason | None = None
    settled: int | None = None
    failure: tuple[int, NumericalFailure] | None = None


@dataclass(slots=True)
class Group:
    """The rows of one context. The main one ("") holds all, a second one those that asked."""

    name: str
    batch: Batch
    prompt_ids: tuple[int, ...]
    members: list[LaneState]
    logits: Tensor | None = None

    def rows_of(self, state: LaneState) -> slice:
        """Where one member's rows are."""
        first = 0
        for member in self.members:
            if member is state:
                break
            first += member.width
        return slice(first, first + state.width)

    def forward(self) -> None:
        """Reorder, repeat and retire rows by one index, then one forward."""
        index: list[int] = []
        token_ids: list[int] = []
        offset = 0
        for state in self.members:
            move = state.move
            assert move is not None
            index += [offset + move.parents[i] for i in state.survivors]
            token_ids += [move.token_ids[i] for i in state.survivors]
            offset += state.width
        self.members = [state for state in self.members if state.survivors]
        if index:
            self.batch.select(index)
            self.logits = self.batch.step(token_ids)


class Lockstep:
    """State of one call of `generate`."""

    def __init__(self, model: ModelHandle, request: Request) -> None:
        self.request, self.tokenizer = request, model.tokenizer
        self.started = time.perf_counter()
        self.batch_rows = 1
        self.first = len(request.given)
        prompt = [*request.prompt_ids, *request.given]
        self.states = [
            LaneState(i, lane, [Row(0, prompt.copy(), lane.watchers)])
            for i, lane in enumerate(request.lanes)
        ]
        main = Group("", model.open_batch(), tuple(prompt), list(self.states))
        if any(lane.layers for lane in request.lanes):
            main.batch.keep_layers()
        self.groups = {"": main}
        for lane in request.lanes:
            if lane.second is not None and lane.second.key not in self.groups:
                self.groups[lane.second.key] = self._second_group(lane.second, model)

    def _second_group(self, context: Context, model: ModelHandle) -> Group:
        other = context.model
        if other.tokenizer.digest != model.tokenizer.digest:
            raise NotCapable(
                f"{other.info.id} and {model.info.id} have different tokenizers.",
                "Two models can share a lane only if their tokens mean the same.",
            )
        ids = (*context.prompt_ids, *self.request.given)
        check_fits(other, len(ids), self.request.max_new_tokens)
        members = [s for s in self.states if s.lane.second and s.lane.second.key == context.key]
        return Group(context.key, other.open_batch(), ids, members)

    def prefill(self) -> StopReason | None:
        """Read the prompt once a model and give every lane its row; a reason if interrupted."""
        total = sum(len(group.prompt_ids) for group in self.groups.values())
        before = 0
        for group in self.groups.values():
            for news in group.batch.prefill(group.prompt_ids):
                if isinstance(news, torch.Tensor):
                    group.logits = news
                read = len(group.prompt_ids) if isinstance(news, torch.Tensor) else news
                self.request.on_prefill(before + read, total)
                stopped = self.request.interrupted()
                if stopped is not None:
                    return stopped
            before += len(group.prompt_ids)
            self.fan_out(group)
        return None

    def fan_out(self, group: Group) -> None:
        """Give every lane a row of what was read."""
        assert group.logits is not None
        group.batch.select([0] * len(group.members))
        group.logits = group.logits.expand(len(group.members), -1)

    def advance(self, step: int) -> Column:
        """Let every living lane choose, measure the choices, decide who goes on."""
        main = self.groups[""]
        assert main.logits is not None
        block = measure_block(main.logits, self.request.top, check=False)
        self.batch_rows = block.rows
        first = 0
        for state in main.members:
            state.first = first
            first += state.width
            state.move = self.chosen(state, block, step)
        return self.settled(step, self._measure(main.members, block, step))

    def settled(self, step: int, steps: tuple[TokenStep, ...]) -> Column:
        """The column of what every lane chose; decides who goes on."""
        for state in self.groups[""].members:
            self._settle(state, last=step + 1 == self.request.max_new_tokens)
        return self.column(self.first + step, steps, self.request.interrupted())

    def chosen(self, state: LaneState, block: Block, step: int) -> Move:
        """What a lane's decoder chose; no row where the lane's numbers fail."""
        try:
            check_block(block, slice(state.first, state.first + state.width))
            move = state.lane.decoder.advance(self._view(state, block, step))
            check_law(move.logprobs)
        except NumericalFailure as error:
            state.failure = (step, error)
            return Move((), (), block.logprobs[:0])
        return self._taken(state, move)

    def _view(self, state: LaneState, block: Block, step: int) -> StepView:
        rows = slice(state.first, state.first + state.width)
        second = None if state.lane.second is None else self.groups[state.lane.second.key]
        assert second is None or second.logits is not None
        layers = self.groups[""].batch.layers if state.lane.layers else None
        return StepView(
            logits=block.logits[rows],
            logprobs=block.logprobs[rows],
            histories=tuple(row.history for row in state.rows),
            prompt_length=len(self.request.prompt_ids),
            uniforms=uniforms(self.request.seed, state.lane.noise, state.width, self.first + step),
            eos_ids=self.request.eos_ids,
            steps_left=self.request.max_new_tokens - step,
            tokenizer=self.tokenizer,
            second_logits=(
                None if second is None else second.logits[second.rows_of(state)]  # type: ignore[index]  # asserted
            ),
            layers=None if layers is None else layers.rows(rows),
        )

    def _taken(self, state: LaneState, move: Move) -> Move:
        """The move, or the end of a lane that looks ahead and has just taken a row to stop at."""
        if state.lane.decoder.looks_ahead and move.settled is None:
            row = move.parents[0]
            if state.rows[row].stop is not None:
                return Move((), (), move.logprobs[:0], settled=row)
        return move

    def _measure(
        self, members: Sequence[LaneState], block: Block, step: int
    ) -> tuple[TokenStep, ...]:
        moves = [(state, state.move) for state in members if state.move is not None]
        measures = measure_choices(
            block,
            [state.first + parent for state, move in moves for parent in move.parents],
            [token_id for _, move in moves for token_id in move.token_ids],
            torch.cat([move.logprobs for _, move in moves]),
        )
        places = [place for state, _ in moves for place in self.places(state, step)]
        return tuple(m.step(place) for m, place in zip(measures, places, strict=True))

    def places(self, state: LaneState, step: int) -> list[Place]:
        """Where the tokens of a lane's move stand."""
        move = state.move
        assert move is not None
        return [
            Place(
                lane=state.index,
                row=i,
                parent_row=state.rows[move.parents[i]].number,
                index=self.first + step,
                token_id=token_id,
                score=move.scores[i] if move.scores else None,
                notes=move.notes[i] if move.notes else {},
            )
            for i, token_id in enumerate(move.token_ids)
        ]

    def _settle(self, state: LaneState, *, last: bool) -> None:
        """Grow the rows that live on and decide whether the lane does."""
        move = state.move
        assert move is not None
        if state.failure is not None:
            state.survivors, state.rows, state.reason = [], [], StopReason.CANCELLED
            return
        if move.settled is not None:
            self._conclude(state, state.rows[move.settled])
            return
        looks_ahead = state.lane.decoder.looks_ahead
        ends: frozenset[int] = frozenset() if looks_ahead else self.request.eos_ids
        state.survivors = [
            i
            for i, token_id in enumerate(move.token_ids)
            if token_id not in ends and i not in move.ended
        ]
        state.rows = self._grown(state, move)
        if not state.survivors or move.done:
            state.reason = StopReason.EOS
        elif looks_ahead:
            state.reason = None
        elif state.rows[0].stop is not None:  # of the best row: searches list theirs best first
            state.reason = state.rows[0].stop
        elif last:
            state.reason = StopReason.MAX_NEW_TOKENS

    def _grown(self, state: LaneState, move: Move) -> list[Row]:
        """The surviving rows, each with its new token and what its watchers say to it."""
        grown = []
        only_child = len(move.parents) == 1
        for i in state.survivors:
            parent, token_id = state.rows[move.parents[i]], move.token_ids[i]
            history = parent.history if only_child else parent.history.copy()
            watchers = parent.watchers if only_child else tuple(w.copy() for w in parent.watchers)
            history.append(token_id)
            stops = [reason for w in watchers if (reason := w.push(token_id)) is not None]
            if state.lane.decoder.looks_ahead and token_id in self.request.eos_ids:
                stops.insert(0, StopReason.EOS)
            grown.append(Row(i, history, watchers, stops[0] if stops else None))
        return grown

    def _conclude(self, state: LaneState, row: Row) -> None:
        """End a lane that looked ahead at one of the rows of its last column."""
        state.settled = row.number
        state.reason = row.stop or StopReason.MAX_NEW_TOKENS
        state.survivors, state.rows = [], []

    def column(
        self, step: int, steps: tuple[TokenStep, ...], interrupted: StopReason | None
    ) -> Column:
        """This step as a column; ends lanes that are out of reasons to go on."""
        members = self.groups[""].members
        for state in members:
            state.reason = state.reason or interrupted
            if state.reason is not None:
                state.survivors = []
        return Column(
            index=step,
            steps=steps,
            ended=tuple(
                LaneEnd(s.index, s.reason, s.settled) for s in members if s.reason is not None
            ),
            alive_rows={
                s.index: tuple(row.number for row in s.rows) for s in members if s.reason is None
            },
            batch_rows=self.batch_rows,
            elapsed_s=time.perf_counter() - self.started,
        )

    def forward(self) -> None:
        """One forward a model, for the rows that live on."""
        for group in self.groups.values():
            group.forward()
        for state in self.states:
            state.width = len(state.rows)

    def raise_failures(self) -> None:
        """Say which lanes failed, if any did.

        Raises:
            NumericalFailure: with the reason of each.
        """
        failed = [(state, *state.failure) for state in self.states if state.failure is not None]
        if not failed:
            return
        told = []
        for state, step, error in failed:
            name = f" ({state.lane.name})" if state.lane.name else ""
            told.append(f"Lane {state.index + 1}{name} ended at token {step + 1}: {error.message}")
        _, step, error = failed[0]
        alike = {(at, str(reason)) for _, at, reason in failed} == {(step, str(error))}
        if alike and 1 < len(failed) == len(self.states):
            told = [f"All lanes ended at token {step + 1}: {error.message}"]
        others = " The other lanes went on." if len(failed) < len(self.states) else ""
        raise NumericalFailure(" ".join(told), error.hint + others)
