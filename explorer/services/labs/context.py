"""What a lab is given: a model, numbers to draw with, and a way to be stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence

from explorer.core.detokenize import text_of
from explorer.core.errors import NotCapable
from explorer.core.handle import ModelHandle
from explorer.core.lab import LabStopped
from explorer.core.types import Prompt, Trace
from explorer.decoders.spec import parse
from explorer.services.generation import MAX_ROWS, Run, RunOptions
from explorer.services.loading import load_model
from explorer.services.scoring import score

_SEED_STEP = 1_000_003
"""Between two runs of one call: a lane's luck is named by its spec within a run only."""


class _WideRun(Run):
    """A run of as many lanes as there are rows."""

    most_lanes = MAX_ROWS


class RunningLab:
    """A `LabContext` over the engine.

    Args:
        model: a loaded model.
        seed: decides every draw.
        cancel: set to stop the lab; it ends within a token.
        load: finds other models by name.
    """

    def __init__(
        self,
        model: ModelHandle,
        seed: int = 0,
        cancel: threading.Event | None = None,
        load: Callable[[str], ModelHandle] = load_model,
    ) -> None:
        self._model, self._seed, self._load = model, seed, load
        self._cancel = cancel or threading.Event()

    @property
    def model(self) -> ModelHandle:
        """The model it runs on."""
        return self._model

    @property
    def seed(self) -> int:
        """Decides every draw."""
        return self._seed

    def load(self, name: str) -> ModelHandle:
        """Another model, for labs that compare two.

        Raises:
            ModelUnavailable: where it is not offered or not to be had.
            LabStopped: once it is told to stop.
        """
        self.check()
        return self._model if name == self._model.info.id else self._load(name)

    def check(self) -> None:
        """Raise once it is told to stop.

        Raises:
            LabStopped: then.
        """
        if self._cancel.is_set():
            raise LabStopped

    def generate(
        self,
        prompt: str | Sequence[int],
        decoders: Sequence[str],
        *,
        max_new_tokens: int,
        seed: int | None = None,
        model: ModelHandle | None = None,
    ) -> tuple[Trace, ...]:
        """One trace a spec, in order; the same spec twice is two draws of its own.

        Raises:
            LabStopped: once it is told to stop.
            InvalidParams, NotCapable: as a run does.
        """
        first = self._seed if seed is None else seed
        maker = model or self._model
        # Ids stay what they are; their text is for people only.
        shown = (
            prompt
            if isinstance(prompt, str)
            else Prompt(text_of(maker.tokenizer, prompt), tuple(prompt), "none")
        )
        found: list[Trace] = []
        for number, group in enumerate(_packed(decoders)):
            self.check()
            options = RunOptions(max_new_tokens=max_new_tokens, seed=first + number * _SEED_STEP)
            run = _WideRun(maker, shown, group, options, cancel=self._cancel)
            for _ in run.columns():
                pass
            self.check()
            found += run.traces()
        return tuple(found)

    def score(
        self,
        text: str | Sequence[int],
        prompt: str | Sequence[int] = "",
        *,
        model: ModelHandle | None = None,
    ) -> Trace:
        """A given text, teacher-forced behind a prompt, by the lab's model or another.

        Raises:
            LabStopped: once it is told to stop.
            InvalidParams, NotCapable: as `explorer.score` does.
        """
        self.check()
        return score(model or self._model, text, prompt=prompt)


def _packed(decoders: Sequence[str]) -> Iterator[list[str]]:
    """As many lanes a run as there are rows for."""
    lanes: list[str] = []
    rows = 0
    for spec in decoders:
        width = parse(spec).build().width
        if lanes and rows + width > MAX_ROWS:
            yield lanes
            lanes, rows = [], 0
        lanes.append(spec)
        rows += width
    if not lanes:
        raise NotCapable("A lab asked for no continuation.", "This is a fault of the lab.")
    yield lanes
