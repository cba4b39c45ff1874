"""A trace file, proven: a few traces at a time share each forward, and each is judged by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from explorer.core.errors import TraceFormatError
from explorer.core.handle import ModelHandle
from explorer.core.trace_entries import from_entry, to_entry
from explorer.core.trace_io import read_entries
from explorer.core.trace_limits import ReadLimits
from explorer.core.trace_schema import TraceEntry
from explorer.core.types import Trace
from explorer.services.loading import load_model
from explorer.services.verify.findings import Findings, judged
from explorer.services.verify.record import (
    check_entry,
    check_model,
    check_noise,
    check_shown,
    check_stop,
    check_texts,
)
from explorer.services.verify.rows import GROUP, prove_group

Loader = Callable[[str], ModelHandle]


def _load(name: str) -> ModelHandle:
    return load_model(name)


@dataclass(slots=True)
class Models:
    """The models that traces name; one that was given stands for the one each trace was made by.

    Attributes:
        given: the model to run, whatever traces name; None loads what they name.
        load: how one is had by its name.
        loaded: those in memory.
    """

    given: ModelHandle | None = None
    load: Loader = _load
    loaded: dict[str, ModelHandle] = field(default_factory=dict)

    def main(self, trace: Trace) -> ModelHandle:
        """The model a trace is checked with; a model no longer asked for makes room.

        Raises:
            ExplorerError: if it cannot be had.
        """
        if self.given is not None:
            return self.given
        if trace.model.id not in self.loaded:
            self.loaded.clear()
            self.loaded[trace.model.id] = self.load(trace.model.id)
        return self.loaded[trace.model.id]

    def second(self, name: str) -> ModelHandle:
        """A model that a lane compares with.

        Raises:
            ExplorerError: if it cannot be had.
        """
        if name not in self.loaded:
            self.loaded[name] = self.load(name)
        return self.loaded[name]


def verify_file(
    path: str | Path,
    model: ModelHandle | None = None,
    *,
    load: Loader = _load,
    limits: ReadLimits | None = None,
    scale: float = 1.0,
) -> Iterator[Findings]:
    """Check every trace of a file, in order.

    Args:
        path: the .jsonl file; read as a stream.
        model: the model to run; None loads the one each trace names.
        load: how a model is had by its name.
        limits: what is refused before it is parsed.
        scale: multiplies the tolerances.

    Yields:
        One a trace.

    Raises:
        TraceFormatError: where the file ends in something that is no trace.
        ExplorerError: where a model cannot be had.
    """
    entries = read_entries(path) if limits is None else read_entries(path, limits)
    yield from _verify(entries, Models(model, load), scale)


def verify_traces(
    traces: Iterable[Trace], model: ModelHandle, *, load: Loader = _load, scale: float = 1.0
) -> Iterator[Findings]:
    """As `verify_file`, for traces in memory."""
    entries = (
        (number, TraceEntry.model_validate(to_entry(trace)))
        for number, trace in enumerate(traces, start=1)
    )
    yield from _verify(entries, Models(model, load), scale)


def _verify(
    entries: Iterable[tuple[int, TraceEntry]], models: Models, scale: float
) -> Iterator[Findings]:
    waiting: list[tuple[Trace, TraceEntry, int]] = []
    reading = iter(entries)
    while True:
        try:
            line, entry = next(reading)
        except StopIteration:
            break
        except TraceFormatError:
            yield from _group(waiting, models, scale)  # whole traces before a fault are judged
            raise
        trace = from_entry(entry)
        if waiting and (_key(waiting[0][0]) != _key(trace) or len(waiting) == GROUP):
            yield from _group(waiting, models, scale)
            waiting = []
        waiting.append((trace, entry, line))
    yield from _group(waiting, models, scale)


def _key(trace: Trace) -> tuple[object, ...]:
    return (trace.model.id, trace.prompt.ids)


def _group(
    waiting: list[tuple[Trace, TraceEntry, int]], models: Models, scale: float
) -> Iterator[Findings]:
    if not waiting:
        return
    model = models.main(waiting[0][0])
    all_found = [Findings(line, trace.decoder, len(trace.steps)) for trace, _, line in waiting]
    going: list[tuple[Trace, Findings]] = []
    for (trace, entry, _), found in zip(waiting, all_found, strict=True):
        with judged(found):
            check_model(trace, model, found)
            check_noise(trace, found)
            check_shown(trace)
            check_entry(entry)
            going.append((trace, found))
    prove_group(going, model, models.second, scale)
    for trace, found in going:
        if found.agrees:
            with judged(found):
                check_texts(trace, model.tokenizer, found)
                check_stop(trace, model.tokenizer, found)
    yield from all_found
