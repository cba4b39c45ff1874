"""Runs on a GPU that is lent call by call (ZeroGPU): a fork computes, and sends numbers back.

A call's arguments and all that it yields are pickled, and what it changes is lost: so a call gets
a description of the run and yields columns, which hold no tensor. The decoders' last judgement
(`Decoder.conclude`) needs what they remember, so it is made in the fork and sent with them.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import ModuleType

from explorer.core import errors
from explorer.core.decoder import Leaf, Verdict
from explorer.core.deferred import torch
from explorer.core.errors import ExplorerError, NotCapable
from explorer.core.handle import ModelHandle
from explorer.core.models import Origin, load_local
from explorer.core.types import Column, LaneEnd, Prompt, StopReason
from explorer.services.generation import Run, RunOptions, second_models
from explorer.services.gpu_opening import Opening
from explorer.services.loading import fetch_model

LOG = logging.getLogger("explorer")

CHUNK_S = 0.1
NOT_PLACED = "on the CPU: a model of this run is not on the GPU here"
MOST_GPU_S = 120
_BASE_S, _STEP_S, _ROW_S = 5.0, 0.02, 0.001
"""What a call is expected to take: at its beginning, a step, and a row of a step besides."""

Verdicts = Sequence[Verdict | None] | None


@dataclass(frozen=True, slots=True)
class GpuRequest:
    """A run, described so that it can be pickled.

    Attributes:
        model: name of a placed model.
        prompt: as the model reads it.
        specs: canonical, one a lane.
        options: the seed is drawn already.
        rows: of the batch.
    """

    model: str
    prompt: Prompt
    specs: tuple[str, ...]
    options: RunOptions
    rows: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a call yields.

    Attributes:
        columns: since the chunk before.
        verdicts: of lanes that ended in them, by lane.
        error: kind, message and hint of what ended the run; None for nothing.
    """

    columns: tuple[Column, ...]
    verdicts: Mapping[int, Verdicts] = field(default_factory=dict)
    error: tuple[str, str, str] | None = None


_PLACED: dict[str, ModelHandle] = {}
"""Of this process, and so of every fork of it: models on the GPU, by name."""


def gpu_seconds(request: GpuRequest) -> int:
    """Seconds of a GPU that a run may need: the fewer are asked for, the sooner there is one.

    >>> options = RunOptions(max_new_tokens=200)
    >>> gpu_seconds(GpuRequest("m", Prompt("", (1,), "raw"), ("greedy",), options, rows=8))
    11
    """
    tokens = request.options.max_new_tokens
    seconds = _BASE_S + tokens * (_STEP_S + _ROW_S * request.rows)
    limit = request.options.deadline_s or MOST_GPU_S
    return math.ceil(min(seconds, limit + _BASE_S, MOST_GPU_S))


def gpu_columns(request: GpuRequest) -> Iterator[Chunk]:
    """A run in the fork that has the GPU; nothing is raised, since only a class name would pass."""
    verdicts: dict[int, Verdicts] = {}
    columns: list[Column] = []
    try:
        seconds = {name: _PLACED[name] for name in second_models(request.specs)}
        model = _PLACED[request.model]
        run = Run(model, request.prompt, request.specs, request.options, second_models=seconds)
        _note_verdicts(run, verdicts)
        sent = time.monotonic()
        for column in run.columns():
            columns.append(column)
            if time.monotonic() - sent >= CHUNK_S:
                yield Chunk(tuple(columns), dict(verdicts))
                columns, sent = [], time.monotonic()
        yield Chunk(tuple(columns), dict(verdicts))
    except ExplorerError as error:
        told = (type(error).__name__, error.message, error.hint)
        yield Chunk(tuple(columns), dict(verdicts), told)


def _note_verdicts(run: Run, verdicts: dict[int, Verdicts]) -> None:
    """Write down what each lane's decoder concludes."""

    def noted(
        lane: int, conclude: Callable[[Sequence[Leaf]], Verdicts]
    ) -> Callable[[Sequence[Leaf]], Verdicts]:
        def call(leaves: Sequence[Leaf]) -> Verdicts:
            verdicts[lane] = conclude(leaves)
            return verdicts[lane]

        return call

    run.recorder.labels = tuple(
        replace(label, conclude=noted(lane, label.conclude))
        for lane, label in enumerate(run.recorder.labels)
    )


class GpuRun(Run):
    """A run whose columns come from a call; everything else is as in any run.

    Args:
        plain: the same run on the CPU, not begun.
        name: its model's.
        call: `gpu_columns`, as `spaces` wraps it.
    """

    def __init__(
        self, plain: Run, name: str, call: Callable[[GpuRequest], Iterator[Chunk]]
    ) -> None:
        specs = [chain.canonical for chain in plain.chains]
        super().__init__(
            _PLACED[name],
            plain.prompt,
            specs,
            plain.options,
            cancel=plain.cancel,
            second_models={other: _PLACED[other] for other in second_models(specs)},
        )
        rows = sum(chain.build().width for chain in self.chains)
        self._asked = GpuRequest(name, self.prompt, tuple(specs), self.options, rows)
        self._call = call
        self._chunks: Iterator[Chunk] | None = None
        self._first: Chunk | None = None
        self._verdicts: dict[int, Verdicts] = {}
        self.recorder.labels = tuple(
            replace(label, conclude=partial(self._verdict, lane))
            for lane, label in enumerate(self.recorder.labels)
        )

    def _verdict(self, lane: int, _leaves: Sequence[Leaf]) -> Verdicts:
        """What the fork's decoder made of a lane; None where it was stopped before."""
        return self._verdicts.get(lane)

    def _check_memory(self) -> None:
        """There is no GPU here to ask: the fork asks its own."""

    @property
    def run(self) -> Run:
        """Itself."""
        return self

    def open(self) -> None:
        """Wait for a GPU and for what comes first; raises as `spaces` does where there is none."""
        self._chunks = iter(self._call(self._asked))
        self._first = next(self._chunks, None)

    def close(self) -> None:
        """Give the GPU back."""
        if isinstance(self._chunks, Generator):
            self._chunks.close()

    def columns(self) -> Iterator[Column]:
        """As `Run.columns`; cancelled, the fork ends at what it would say next."""
        if self._begun:
            raise NotCapable("This run has begun already.", "Make a new Run for another.")
        self._begun = True
        if self._chunks is None:
            self.open()
        alive, index = set(range(len(self.chains))), -1
        try:
            for chunk in self._received():
                self._verdicts.update(chunk.verdicts)
                for column in chunk.columns:
                    self.recorder.add(column)
                    alive -= {end.lane for end in column.ended}
                    index = column.index
                    yield column
                if chunk.error is not None:
                    raise _error(*chunk.error)
                if self.cancel.is_set():
                    break
        finally:
            self.close()
        if alive:
            ended = tuple(LaneEnd(lane, StopReason.CANCELLED) for lane in sorted(alive))
            last = Column(index + 1, (), ended, {}, self._asked.rows, 0.0)
            self.recorder.add(last)
            yield last

    def _received(self) -> Iterator[Chunk]:
        if self._first is not None:
            yield self._first
        yield from self._chunks or ()


def _error(kind: str, message: str, hint: str) -> ExplorerError:
    known = getattr(errors, kind, ExplorerError)
    return known(message, hint)


class ZeroGpu:
    """The GPU of a ZeroGPU Space.

    Args:
        spaces: the package.
    """

    def __init__(self, spaces: ModuleType) -> None:
        self._call = spaces.GPU(gpu_columns, duration=gpu_seconds)

    def place(self, names: Sequence[str], device: str = "cuda") -> None:
        """Put models where forks find them: at start-up, before the page is launched.

        A model that cannot be had is left out: its runs stay on the CPU.
        """
        for name in names:
            try:
                found = fetch_model(name)
                record = found.record
                origin = Origin(record.revision, record.digest, record.licence, record.source)
                # The card cannot be asked yet; all that ZeroGPU lends compute in bfloat16.
                dtype = torch.bfloat16 if device == "cuda" else torch.float32
                _PLACED[name] = load_local(
                    found.path, id=name, device=device, dtype=dtype, origin=origin
                )
            except (ExplorerError, RuntimeError, AssertionError) as error:  # torch's are the latter
                LOG.warning("%s is not placed on the GPU: %s", name, error)

    def open(self, name: str, plain: Run) -> Opening:
        """Ask for a GPU for a run.

        Args:
            name: of its model.
            plain: the run on the CPU, not begun; it is taken where there is no GPU.
        """
        wanted = (name, *second_models([chain.canonical for chain in plain.chains]))
        placed = all(other in _PLACED for other in wanted)
        if not placed:
            return Opening(plain, note=NOT_PLACED)
        return Opening(plain, GpuRun(plain, name, self._call))
