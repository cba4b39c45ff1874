"""A lockstep run whose steps are recorded: the device goes ahead while the host writes it down."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from explorer.core.decoder import Move, StepView, no_sampling_law
from explorer.core.handle import Capability, ModelHandle
from explorer.core.lockstep import Group, LaneState, Lockstep
from explorer.core.measure import Block, measures_of, no_model_law
from explorer.core.noise import uniforms
from explorer.core.recorded_step import AHEAD, RecordedStep
from explorer.core.request import Request
from explorer.core.types import Column, TokenStep

_ENTROPY, _SAMPLING_SURPRISAL = 2, 5
"""Places in a row of figures: NaN there says that the law is none."""

TOGETHER_S = 0.04
"""How long figures may wait for each other: people see each token of a large model come."""


def can_record(model: ModelHandle, request: Request) -> bool:
    """True where the model's steps can be recorded, and every lane is one row of them."""
    return Capability.RECORDED in model.capabilities and all(
        lane.decoder.width == 1
        and not lane.decoder.looks_ahead
        and not lane.layers
        and lane.second is None
        for lane in request.lanes
    )


class RecordedRun(Lockstep):
    """As `Lockstep`, over a `RecordedStep`.

    Lanes whose method reads scores alone choose on the device, up to two tables of steps ahead
    of what the host has seen; the work beyond a lane's end is thrown away. Where a lane needs
    the host (it looks at its own words, say), the host chooses for it in every step, and reads
    the figures of a step while the device does its forward.
    """

    step: RecordedStep

    def __init__(self, model: ModelHandle, request: Request) -> None:
        super().__init__(model, request)
        self._ahead = all(lane.on_device for lane in request.lanes)
        self._launched, self._together = 0, 1
        self._received = time.perf_counter()
        self._known: deque[list[list[float]]] = deque()

    def fan_out(self, group: Group) -> None:
        """Give every lane a row of what was read, in a cache that never moves."""
        assert group.logits is not None
        lanes, steps = self.request.lanes, self.request.max_new_tokens
        rows = group.batch.fix(len(lanes), len(group.prompt_ids) + steps)
        draws = [
            [uniforms(self.request.seed, lane.noise, 1, self.first + step)[0] for lane in lanes]
            for step in range(steps)
        ]
        decoders = [lane.decoder if lane.on_device else None for lane in lanes]
        self.step = RecordedStep(rows, group.logits, decoders, draws, self.request.top)
        self.batch_rows = len(lanes)

    def advance(self, step: int) -> Column:
        """The next step's column, done by now or to be done."""
        members = self.groups[""].members
        for state in members:
            state.first, state.move = state.index, None
        if self._ahead:
            self._launch_ahead(step)
        else:
            self._launch_with_host(members, step)
        if not self._known:
            self._receive()
        figures = self._known.popleft()
        steps = tuple(
            made for state in members for made in self._step_of(state, figures[state.index], step)
        )
        return self.settled(step, steps)

    def _launch_ahead(self, step: int) -> None:
        """Keep the device two tables ahead of the host; the first step goes alone."""
        if self._known:
            return
        last = self.request.max_new_tokens
        wanted = min(last, 1 if step == 0 else step + 2 * self._together)
        while self._launched < wanted and self.step.has_room:
            count = min(self._together if self._launched else 1, last - self._launched)
            for i in range(count):
                self.step.choose()
                self.step.finish(send=i + 1 == count)
            self._launched += count

    def _receive(self) -> None:
        """Wait for the oldest table, and learn how many steps may come together."""
        found = self.step.figures()
        now = time.perf_counter()
        pace = max(now - self._received, 1e-6) / len(found)
        self._together = max(1, min(AHEAD, int(TOGETHER_S / pace)))
        self._received = now
        self._known.extend(found)

    def _launch_with_host(self, members: Sequence[LaneState], step: int) -> None:
        """Do one step: the device's choices, then those of lanes that need the host."""
        self.step.choose()
        for state in members:
            if self.request.lanes[state.index].on_device:
                continue
            move = self.chosen(state, self.step.block, step)
            state.move = move
            if move.token_ids:
                self.step.put(state.index, move.token_ids[0], move.logprobs[0])
        self.step.finish(send=True)

    def _view(self, state: LaneState, block: Block, step: int) -> StepView:
        """What a decoder may look at, and keep: the block itself is written over."""
        view = super()._view(state, block, step)
        return replace(view, logits=view.logits.clone(), logprobs=view.logprobs.clone())

    def _step_of(self, state: LaneState, numbers: Sequence[float], step: int) -> list[TokenStep]:
        """A lane's token of this step; none where its law is none."""
        if state.lane.on_device:
            bad = None
            if math.isnan(numbers[_ENTROPY]):
                bad = no_model_law()
            elif math.isnan(numbers[_SAMPLING_SURPRISAL]):
                bad = no_sampling_law()
            if bad is not None:
                state.failure = (step, bad)
            tokens = () if bad is not None else (int(numbers[0]),)
            state.move = Move((0,) * len(tokens), tokens, self.step.block.logprobs[:0])
        return [measures_of(numbers).step(place) for place in self.places(state, step)]

    def forward(self) -> None:
        """The lanes that live on; the model has had its forward, or is at it."""
        main = self.groups[""]
        main.members = [state for state in main.members if state.survivors]
