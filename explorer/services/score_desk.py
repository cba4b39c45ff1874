"""The Score page's questions: what a model makes of a text, and who could have written it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.forcing import Windows
from explorer.core.handle import ModelHandle
from explorer.core.types import Trace
from explorer.services import checks
from explorer.services.asked import typed
from explorer.services.could import could_have
from explorer.services.generation import second_models
from explorer.services.limits import Limits
from explorer.services.parity import load_as, parity
from explorer.services.probe import probe
from explorer.services.replay import replay
from explorer.services.scoring import score, windows_of
from explorer.services.text_profile import text_profile

MOST_CHARACTERS = 60_000
MOST_TOKENS = 12_000
MOST_CHAINS = 8
MOST_SESSIONS = 100
TOP = 10
COULD_TOKENS = 2_000
"""A chain is asked token by token: longer texts take their first so many."""


class Models(Protocol):
    """Where models come from."""

    def allow(self, name: str) -> None:
        """Do nothing for a model that may be asked for; refuse another."""

    def ready(self, name: str) -> ModelHandle | None:
        """The model where it is in memory."""


class ScoreDesk:
    """Answers what the page asks; threads may share one.

    Args:
        models: where models come from.
        places: runs at once over all visitors.
        load: a second copy of a model in another type, for the parity light.
        limits: what a visitor may ask for.
    """

    def __init__(
        self,
        models: Models,
        places: threading.BoundedSemaphore,
        load: Callable[[str, str], ModelHandle] = load_as,
        limits: Limits | None = None,
    ) -> None:
        self._models, self._places, self._load = models, places, load
        self._limits = limits or Limits()
        self._lock, self._copy = threading.Lock(), threading.Lock()
        self._traces: OrderedDict[str, Trace] = OrderedDict()

    def answer(self, session: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question (docs/wire.md, "score").

        Raises:
            ExplorerError: for a question that cannot be answered.
        """
        # Each of them reads on the model.
        with self._limits.runs.one(session):
            return self._answer(session, asked)

    def _answer(self, session: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        kind = asked.get("ask")
        if kind == "score":
            return self._score(session, asked)
        if kind == "probe":
            trace = self._read_as_one(session)
            found = probe(self._ready(trace.model.id), trace, typed(asked, "text", MOST_CHARACTERS))
            return {"probe": found.as_data(), "best": found.best}
        if kind == "could":
            return self._could(session, asked)
        if kind == "parity":
            return self._parity(session, asked)
        raise InvalidParams(f"{checks.shown(kind)} is no question.", "Reload the page.")

    def trace(self, session: str) -> Trace:
        """The latest scored text of a session.

        Raises:
            NotCapable: where there is none.
        """
        return self._kept(session)

    def forget(self, session: str) -> None:
        """The tab was closed."""
        with self._lock:
            self._traces.pop(session, None)

    def _score(self, session: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        most = min(MOST_CHARACTERS, self._limits.characters)
        given, before = typed(asked, "text", most), typed(asked, "before", most)
        if not given.strip():
            raise InvalidParams("There is no text to score.", "Paste or type some.")
        model = self._ready(typed(asked, "model", 1_000))
        with self._places:
            trace = score(
                model,
                given,
                prompt=before,
                top=min(TOP, self._limits.top),
                windows=_windows(model, before, given),
            )
        with self._lock:
            self._traces[session] = trace
            self._traces.move_to_end(session)
            while len(self._traces) > MOST_SESSIONS:
                self._traces.popitem(last=False)
        windows = windows_of(trace.decoder)
        return {
            "ndjson": replay([trace]).ndjson,
            "profile": text_profile(trace),
            "pieces": [trace.pieces.get(i, "") for i in trace.token_ids],
            "windows": None if windows is None else [windows.size, windows.stride],
        }

    def _could(self, session: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        trace = self._read_as_one(session)
        specs = asked.get("specs")
        if not isinstance(specs, list) or not all(isinstance(s, str) for s in specs):
            raise InvalidParams(f"'specs' is {checks.shown(specs)}.", "Give a list of methods.")
        wanted = [spec.strip() for spec in specs if spec.strip()]
        if not 1 <= len(wanted) <= MOST_CHAINS:
            raise InvalidParams(
                f"{len(wanted)} methods were named.", f"Name 1 to {MOST_CHAINS}, one a line."
            )
        if len(trace.steps) > COULD_TOKENS:
            raise NotCapable(
                f"The text has {len(trace.steps):,} tokens.",
                f"Score at most {COULD_TOKENS:,} to ask who could have written it.",
            )
        # A method that compares with a model in memory is asked; none is loaded for a text.
        named = {name: self._models.ready(name) for name in second_models(wanted)}
        seconds = {name: model for name, model in named.items() if model is not None}
        with self._places:
            found = could_have(self._ready(trace.model.id), trace, wanted, seconds)
        return {**found.as_data(), "hardest": found.hardest.as_data()}

    def _parity(self, session: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        trace = self._read_as_one(session)
        if len(trace.steps) > COULD_TOKENS:
            raise NotCapable(
                f"The text has {len(trace.steps):,} tokens.",
                f"Score at most {COULD_TOKENS:,} to compare two types on it.",
            )
        model = self._ready(trace.model.id)
        # One second copy at a time, and none that stays: it takes as much memory as the first.
        with self._copy, self._places:
            other = self._load(trace.model.id, typed(asked, "dtype", 20))
            found = parity(model, other, trace.prompt.ids, trace.token_ids)
        return {"parity": found.as_data()}

    def _read_as_one(self, session: str) -> Trace:
        trace = self._kept(session)
        windows = windows_of(trace.decoder)
        if windows is not None:
            raise NotCapable(
                f"The text was read by windows of {windows.size:,} tokens.",
                "Score a shorter part of it to ask this.",
            )
        return trace

    def _kept(self, session: str) -> Trace:
        with self._lock:
            trace = self._traces.get(session)
        if trace is None:
            raise NotCapable("No text is scored yet.", "Score one first.")
        return trace

    def _ready(self, name: str) -> ModelHandle:
        self._models.allow(name)
        model = self._models.ready(name)
        if model is None:
            raise NotCapable(
                f"{name} is not loaded.", "Choose it above, and wait until the header says so."
            )
        return model


def _windows(model: ModelHandle, before: str, given: str) -> Windows | None:
    """A text is read as one where it fits; else by windows that overlap by half."""
    encode = model.tokenizer.encode_continuation
    count = len(encode(checks.text("The text", given)))
    ahead = len(encode(checks.text("What stands before it", before)))
    if count > MOST_TOKENS:
        raise InvalidParams(
            f"The text has {count:,} tokens.", f"At most {MOST_TOKENS:,} are scored on the page."
        )
    limit = model.info.context_length
    size = min(limit, 2_048) if limit else 0
    if not size or ahead + count + 1 <= size:
        return None
    # The text comes first: what stands before it leaves it half of the first window.
    if ahead > size // 2:
        raise InvalidParams(
            f"What stands before it has {ahead:,} tokens.",
            f"Give at most {size // 2:,} before a text of {count:,}.",
        )
    return Windows(size, size // 2)
