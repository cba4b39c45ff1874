"""One step of all lanes as operations without Python: recorded as CUDA graphs, then replayed.

A step is three pieces of work over tensors that never move:
  1) choose: measure the block; every lane whose method allows it takes its token;
  2) measure: all figures of the chosen tokens, under both laws, into one table;
  3) forward: the tokens go to the model, and its answer becomes the next block.
Between 1 and 2 the host may put in what it chose for lanes that need it. The tables of several
steps go to the host in one copy, while the device is at the next ones.

The same code runs without graphs on a CPU, which is how its tests see it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from explorer.core.decoder import Decoder, StepView
from explorer.core.deferred import torch
from explorer.core.fair_lock import FairLock
from explorer.core.handle import FixedRows
from explorer.core.measure import Block, figures, measure_block
from explorer.core.recording import recorded

if TYPE_CHECKING:
    from torch import Tensor

LOG = logging.getLogger("explorer")

AHEAD = 8
"""Steps whose figures go to the host together."""
TABLES = 3
"""Of figures, on their way to the host or waiting to be read there."""
EAGER_STEPS = 2
"""Steps before the recording: libraries set themselves up in the first ones."""
WORTH = 8
"""Steps still to come that make a recording pay; it costs about as much as a few of them."""
SAME_LOGITS = 0.05
"""How far a replayed step's logits may lie from those of the step it was recorded from.

The operations are the same, so they are equal but for the choice of a kernel; a graph that reads
a wrong address is far off.
"""

_CAPTURE = FairLock()
"""One recording at a time: torch records on one stream of its own."""

Figures = list[list[list[float]]]


@dataclass(slots=True)
class _Copy:
    """Tables of some steps on their way to the host."""

    table: Tensor
    steps: int
    arrived: Any = None


@dataclass(slots=True)
class _Put:
    """What the host chose for a row."""

    row: int
    token_id: int
    law: Tensor


@dataclass(slots=True)
class _State:
    """What a step changes and a second go at it begins from."""

    tensors: tuple[Tensor, ...]
    saved: tuple[Tensor, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.saved = tuple(tensor.clone() for tensor in self.tensors)

    def restore(self) -> None:
        for tensor, value in zip(self.tensors, self.saved, strict=True):
            tensor.copy_(value)


class RecordedStep:
    """Steps of some rows; one thread's.

    Attributes:
        block: the model's laws of the step that `choose` was called for last.

    Args:
        rows: of the model, the prompt read.
        logits: float32 [1, vocab], of the token after the prompt.
        decoders: one a row; None where the host chooses.
        uniforms: [steps][rows], in [0, 1).
        top: alternatives kept a token.
    """

    block: Block

    def __init__(
        self,
        rows: FixedRows,
        logits: Tensor,
        decoders: Sequence[Decoder | None],
        uniforms: Sequence[Sequence[float]],
        top: int,
    ) -> None:
        count, vocab, device = len(decoders), logits.shape[-1], logits.device
        self._rows, self._decoders, self._top = rows, tuple(decoders), top
        self._steps, self._done = len(uniforms), 0
        with torch.inference_mode():
            self._logits = logits.float().repeat(count, 1)
            self._tokens = torch.zeros(count, dtype=torch.int64, device=device)
            self._law = torch.zeros(count, vocab, device=device)
            self._uniforms = torch.tensor(uniforms, dtype=torch.float64, device=device)
            self._step = torch.zeros(1, dtype=torch.int64, device=device)
            self._slot = torch.zeros(1, dtype=torch.int64, device=device)
            width = 8 + 6 * min(top, vocab)
            self._table = torch.zeros(AHEAD, count, width, device=device)
            self._hosts = [self._host_table() for _ in range(TABLES)]
        self._filled = 0
        self._puts: list[_Put] = []
        self._copies: deque[_Copy] = deque()
        self._graphs: Sequence[Any] = ()
        self._may_record = device.type == "cuda"

    @property
    def is_recorded(self) -> bool:
        """True once steps are replayed."""
        return bool(self._graphs)

    @property
    def _works(self) -> tuple[Callable[[], None], ...]:
        """The three pieces. Not kept: a graph must be freed with its run, not some time later."""
        return self._choose, self._measure, self._forward

    def _do(self, piece: int) -> None:
        if self._graphs:
            self._graphs[piece].replay()
        else:
            self._works[piece]()

    def _host_table(self) -> Tensor:
        pinned = self._table.device.type == "cuda"
        return torch.empty(self._table.shape, pin_memory=pinned)

    def choose(self) -> None:
        """Begin a step: the laws, and the tokens of all rows with a decoder."""
        self._puts = []
        with self._working():
            self._do(0)

    def put(self, row: int, token_id: int, law: Tensor) -> None:
        """The host's choice for a row of this step, and log q [vocab]."""
        put = _Put(row, token_id, law)
        self._puts.append(put)
        with torch.inference_mode():
            self._take(put)

    def _take(self, put: _Put) -> None:
        self._tokens[put.row] = put.token_id
        self._law[put.row].copy_(put.law)

    def finish(self, *, send: bool) -> None:
        """End the step; `send` the figures that are still here to the host, before the forward."""
        self._done += 1
        left = self._steps - self._done
        again = self._may_record and self._done > EAGER_STEPS and left >= WORTH
        with self._working():
            before = _State(self._changing) if again and not self.is_recorded else None
            self._do(1)
            self._filled += 1
            if send or self._filled == AHEAD:
                self._send()
            if left:
                self._do(2)
            if before is not None:
                self._record(before)

    @contextmanager
    def _working(self) -> Iterator[None]:
        device = self._logits.device
        place = torch.cuda.device(device) if device.type == "cuda" else nullcontext()
        with self._rows.lock, place, torch.inference_mode(), recorded():
            yield

    @property
    def _changing(self) -> tuple[Tensor, ...]:
        return (self._logits, self._step, self._slot, self._rows.position)

    @property
    def has_room(self) -> bool:
        """True where another table can be sent before one is read."""
        return len(self._copies) < TABLES

    def _send(self) -> None:
        """Copy the table of the steps since the last time; nothing waits for it."""
        if not self.has_room:
            raise RuntimeError("figures were sent over others that nobody has read")
        host = self._hosts[0]
        self._hosts.append(self._hosts.pop(0))
        host.copy_(self._table, non_blocking=True)
        self._slot.zero_()
        copy = _Copy(host, self._filled)
        if host.is_pinned():
            copy.arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            copy.arrived.record()
        self._copies.append(copy)
        self._filled = 0

    def figures(self) -> Figures:
        """Of the oldest steps that were sent, as `measures_of` reads them: [steps][rows].

        Waits for them.
        """
        copy = self._copies.popleft()
        if copy.arrived is not None:
            copy.arrived.synchronize()
        found: Figures = copy.table[: copy.steps].tolist()
        return found

    def _choose(self) -> None:
        block = measure_block(self._logits, self._top, check=False)
        draws = self._uniforms.index_select(0, self._step)[0]
        for row, decoder in enumerate(self._decoders):
            if decoder is None:
                continue
            one = slice(row, row + 1)
            view = StepView(block.logits[one], block.logprobs[one], ((),), 0, ())
            tokens, law = decoder.advance_recorded(view, draws[one])
            self._tokens[one].copy_(tokens)
            self._law[one].copy_(law)
        self.block = block

    def _measure(self) -> None:
        table = figures(self.block, None, self._tokens, self._law)
        self._table.index_copy_(0, self._slot, table.unsqueeze(0))
        self._slot.add_(1)

    def _forward(self) -> None:
        self._logits.copy_(self._rows.forward(self._tokens))
        self._step.add_(1).clamp_(max=self._steps - 1)

    def _record(self, before: _State) -> None:
        """Record the step that was just done, do it again by replay, and compare.

        Whatever goes wrong, the run goes on as it was: step by step from Python.
        """
        after = _State(self._changing)
        tokens = self._tokens.clone()
        before.restore()
        try:
            with _CAPTURE:
                graphs = [captured(work) for work in self._works]
            graphs[0].replay()
            for put in self._puts:
                self._take(put)
            for graph in graphs[1:]:
                graph.replay()
            same = torch.allclose(
                self._logits, after.saved[0], rtol=0.0, atol=SAME_LOGITS, equal_nan=True
            )
            if not same or not torch.equal(self._tokens, tokens):
                raise RuntimeError("a replayed step gave other numbers")
        except Exception as error:  # noqa: BLE001  # whatever a driver or a model's code says
            LOG.warning(
                "Steps are done one by one: %s", (str(error) or repr(error)).splitlines()[0]
            )
            self._may_record = False
        else:
            self._graphs = graphs
        after.restore()


def captured(work: Callable[[], None]) -> Any:
    """A CUDA graph of some work, which is not done by that."""
    stream = torch.cuda.current_stream()
    graph = torch.cuda.CUDAGraph()
    try:
        # Other threads may go on with theirs meanwhile.
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            work()
    finally:
        torch.cuda.set_stream(stream)  # torch leaves its own behind where a recording fails
    return graph
