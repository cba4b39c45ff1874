"""The Loops page's experiment: sentences that feed themselves, read group by group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.handle import ModelHandle
from explorer.core.repeated_copies import Unit
from explorer.services import checks
from explorer.services.asked import typed, whole
from explorer.services.jobs import Job
from explorer.services.loops.self_reinforcement import (
    bundled_sentences,
    curve,
    random_units,
    self_reinforcement,
)
from explorer.services.loops.tabs import Tab

if TYPE_CHECKING:
    from explorer.services.loops.desk import LoopDesk

Sentence = str | tuple[int, ...]

MOST_SENTENCES = 64
MOST_REPETITIONS = 100
MOST_LENGTH = 64
MOST_TOKENS = 60_000
"""Of all copies of a series: about two minutes of SmolLM2-135M on two cores."""
_TOGETHER = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """One series of sentences as a question has it; random tokens wait for the tokenizer.

    Attributes:
        name: in words, for the legend.
        sentences: texts; () for random tokens.
        count: sentences of random tokens; 0 for texts.
        length: tokens of each.
        seed: of their draw.
    """

    name: str
    sentences: tuple[str, ...] = ()
    count: int = 0
    length: int = 0
    seed: int = 0

    def of(self, model: ModelHandle) -> tuple[Sentence, ...]:
        """The sentences for one model."""
        if self.count:
            return random_units(model.tokenizer, self.count, self.length, self.seed)
        return self.sentences


def read_in_groups(
    model: ModelHandle, sentences: Sequence[Sentence], repetitions: int
) -> Iterator[tuple[Unit, ...]]:
    """As `self_reinforcement`, eight sentences of like length at a time.

    Raises:
        NotCapable: for more tokens than are read at once, and as it does.
    """
    sizes = [
        len(s) if isinstance(s, tuple) else len(model.tokenizer.encode_continuation(f" {s}"))
        for s in sentences
    ]
    tokens = sum(sizes) * (repetitions + 1)
    if tokens > MOST_TOKENS:
        raise NotCapable(
            f"{len(sentences)} sentences, {repetitions + 1} times each, are {tokens:,} tokens.",
            f"At most {MOST_TOKENS:,}: ask for fewer repetitions or sentences.",
        )
    order = sorted(range(len(sentences)), key=sizes.__getitem__)
    for begin in range(0, len(order), _TOGETHER):
        group = [sentences[i] for i in order[begin : begin + _TOGETHER]]
        yield self_reinforcement(model, group, repetitions=repetitions)


def series_of(asked: Mapping[str, Any]) -> tuple[Asked, ...]:
    """What a question asks to be read, one series a source.

    Raises:
        InvalidParams: for nothing, or more than is read.
    """
    found = []
    lines = [line.strip() for line in typed(asked, "typed", 20_000).splitlines()]
    lines = [checks.text("'typed'", line) for line in lines if line]
    if len(lines) > MOST_SENTENCES:
        raise InvalidParams(
            f"{len(lines)} sentences were typed.", f"Give at most {MOST_SENTENCES}, one a line."
        )
    if lines:
        found.append(Asked("typed" if len(lines) > 1 else lines[0][:60], tuple(lines)))
    if asked.get("bundled"):
        found.append(Asked(f"{len(bundled_sentences())} sentences", bundled_sentences()))
    if count := whole({"random": 0, **asked}, "random", 0, MOST_SENTENCES):
        length = whole({"length": 12, **asked}, "length", 1, MOST_LENGTH)
        seed = whole({"seed": 0, **asked}, "seed", 0, 2**53)
        name = f"{count} of {length} random tokens" + (f", seed {seed}" if seed else "")
        found.append(Asked(name, count=count, length=length, seed=seed))
    if not found:
        raise InvalidParams(
            "No sentence was asked for.", "Type one, take the list, or ask for random tokens."
        )
    return tuple(found)


def _experiment(desk: LoopDesk, tab: Tab, asked: Mapping[str, Any]) -> dict[str, Any]:
    name = typed(asked, "model", 1_000)
    wanted = series_of(asked)
    repetitions = whole({"repetitions": 20, **asked}, "repetitions", 1, MOST_REPETITIONS)
    desk.models.allow(name)
    read: list[tuple[str, int, list[Unit]]] = []

    def work(job: Job) -> None:
        job.report(f"Loading {name}")
        model = desk.models.get(name)
        with desk.place(job):
            for series in wanted:
                sentences = series.of(model)
                units: list[Unit] = []
                read.append((series.name, len(sentences), units))
                for group in read_in_groups(model, sentences, repetitions):
                    units.extend(group)
                    done = f"{len(units)} of {len(sentences)}"
                    job.report(f"{series.name}: {done} are read", len(units) / len(sentences))
                    if job.cancel.is_set():
                        job.report(f"Stopped: {done} were read of {series.name}.")
                        return
        job.report(f"{len(wanted)} series were read.")

    def news(_asked: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"series": [_series(*one, name) for one in list(read) if one[2]]}

    return desk.begin(tab, "The experiment", work, news)


def _series(name: str, sentences: int, units: Sequence[Unit], model: str) -> dict[str, Any]:
    now = list(units)
    return {
        "name": name,
        "model": model,
        "sentences": sentences,
        "read": len(now),
        "repetitions": [repetition.as_data() for repetition in curve(now)],
    }


ANSWERS: dict[str, Callable[[LoopDesk, Tab, Mapping[str, Any]], dict[str, Any]]] = {
    "experiment": _experiment,
}
