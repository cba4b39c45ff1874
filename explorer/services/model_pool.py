"""Loaded models, a few at a time, shared by everybody who asks."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from explorer.core.deferred import torch
from explorer.core.errors import ExplorerError, ModelUnavailable
from explorer.core.handle import ModelHandle
from explorer.core.progress import Progress
from explorer.core.types import ModelInfo
from explorer.render.palette import format_count
from explorer.services.loading import load_model
from explorer.services.model_sources import Sources, offered_names

LOG = logging.getLogger("explorer")

FAILURES_KEPT = 20
"""Failed loads that are remembered, so that a page can say what was wrong with a name."""

MOST_LENT = 4
"""Lent models in memory over all visitors; one of 135 million parameters takes 540 MB."""

State = Literal["absent", "loading", "ready", "failed"]


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """How far a model is.

    Attributes:
        state: absent (nobody asked), loading, ready, or failed.
        what: what is being done while loading.
        fraction: which share of that, 0 to 1; None where that is unknown.
        error: what went wrong, when failed.
        hint: what can be done about it.
        summary: name, dtype and device, when ready.
    """

    state: State
    what: str = ""
    fraction: float | None = None
    error: str = ""
    hint: str = ""
    summary: str = ""


ABSENT = ModelStatus("absent")


@dataclass(slots=True)
class _Slot:
    """One model: its status, the handle once there, and a bell for those who wait."""

    status: ModelStatus = field(default_factory=lambda: ModelStatus("loading", "Starting"))
    handle: ModelHandle | None = None
    failure: ExplorerError | None = None
    pinned: bool = False
    listed: bool = True
    done: threading.Event = field(default_factory=threading.Event)


def summarise(info: ModelInfo) -> str:
    """One line on a loaded model: its name, licence, source, dtype, device and cores."""
    licence = [info.licence] if info.licence != "unknown" else ["licence unknown"]
    cores = [format_count(torch.get_num_threads(), "core")] if info.device == "cpu" else []
    source = [f"from {info.source}"] if info.source else []
    return " · ".join([info.id, *licence, *source, info.dtype, info.device, *cores])


class ModelPool:
    """At most `limit` loaded models; the one not asked for longest makes room.

    Room is made for a model that was found, never for a name that was mistyped. Models are
    loaded one at a time: two at once would each find the memory free that only one can have.
    A run that holds a handle keeps it to its end, whatever the pool does. All methods can be
    called from any thread, and only `get` waits.

    Args:
        limit: models held at once; those given by `add` come on top.
        load: name and progress to a handle; None for `load_model`.
        names: names to offer; None for those `model_sources` knows.
    """

    def __init__(
        self,
        limit: int = 2,
        load: Callable[[str, Progress], ModelHandle] | None = None,
        names: Iterable[str] | None = None,
    ) -> None:
        self._limit = limit
        self._load = load or self._load_by_name
        self._names = None if names is None else list(names)
        self._guard = threading.Lock()
        self._turn = threading.Lock()
        self._slots: OrderedDict[str, _Slot] = OrderedDict()  # last asked for comes last

    def names(self) -> list[str]:
        """Names to offer: those given to `add`, then those that can be loaded."""
        with self._guard:
            added = [n for n, slot in self._slots.items() if slot.pinned and slot.listed]
        offered = offered_names() if self._names is None else self._names
        return list(dict.fromkeys([*added, *offered]))

    def add(self, name: str, handle: ModelHandle) -> None:
        """Keep a model that is loaded already, for good."""
        status = ModelStatus("ready", fraction=1.0, summary=summarise(handle.info))
        slot = _Slot(status=status, handle=handle, pinned=True)
        slot.done.set()
        with self._guard:
            self._slots[name] = slot

    def lend(self, name: str, handle: ModelHandle) -> None:
        """Have a model under a name that is not offered; of several the latest few are kept.

        Args:
            name: one that nobody guesses: whoever knows it can run the model.
            handle: it.
        """
        self.add(name, handle)
        with self._guard:
            self._slots[name].listed = False
            lent = [n for n, slot in self._slots.items() if not slot.listed]
            for old in lent[: max(0, len(lent) - MOST_LENT)]:
                del self._slots[old]

    def take_back(self, name: str) -> None:
        """A lent model is wanted no more; runs that hold it go on."""
        with self._guard:
            if not self._slots.get(name, _Slot()).listed:
                del self._slots[name]

    def lends(self, name: str) -> bool:
        """Whether a name is a lent model's."""
        with self._guard:
            return not self._slots.get(name, _Slot()).listed

    def status(self, name: str) -> ModelStatus:
        """How far a model is; never waits for a load."""
        with self._guard:
            slot = self._slots.get(name)
            return ABSENT if slot is None else slot.status

    def ready(self, name: str) -> ModelHandle | None:
        """The model if it is loaded, else None; never waits for a load."""
        with self._guard:
            slot = self._slots.get(name)
            if slot is not None:
                self._slots.move_to_end(name)
            return None if slot is None else slot.handle

    def start_loading(self, name: str) -> None:
        """Begin to load a model unless it is loaded or loading; tries again after a failure."""
        slot, is_new = self._claim(name)
        if is_new:
            threading.Thread(
                target=self._fill, args=(name, slot), name=f"load {name}", daemon=True
            ).start()

    def get(self, name: str) -> ModelHandle:
        """The model, loaded now if need be; callers at the same time share one load.

        Raises:
            ExplorerError: as the load raised it, for everybody who waited.
        """
        slot, is_new = self._claim(name)
        if is_new:
            self._fill(name, slot)
        slot.done.wait()
        if slot.handle is not None:
            return slot.handle
        failure = slot.failure
        assert failure is not None
        # Not the object itself: two threads would write their tracebacks into it.
        raise type(failure)(failure.message, failure.hint) from failure

    def _claim(self, name: str) -> tuple[_Slot, bool]:
        """The slot of a name, and whether the caller is the one to fill it."""
        with self._guard:
            slot = self._slots.get(name)
            if slot is not None and slot.failure is None:
                self._slots.move_to_end(name)
                return slot, False
            slot = self._slots[name] = _Slot()
            self._slots.move_to_end(name)
            return slot, True

    def _load_by_name(self, name: str, progress: Progress) -> ModelHandle:
        """Load a model; once it is known that there is one, the others make room for it."""
        room = Sources(afford=lambda _parameters: self._make_room(self._limit - 1))
        return load_model(name, progress=progress, sources=room)

    def _make_room(self, keep: int) -> None:
        """Forget the models asked for longest ago, but for `keep` of them."""
        with self._guard:
            loaded = [n for n, s in self._slots.items() if s.handle is not None and not s.pinned]
            for name in loaded[: max(0, len(loaded) - keep)]:
                LOG.info("%s makes room for another model", name)
                del self._slots[name]

    def _fill(self, name: str, slot: _Slot) -> None:
        """Load into a slot; whatever happens, those who wait are told."""

        def progress(what: str, fraction: float | None) -> None:
            # One assignment of a frozen value: readers see the old one or the new one.
            slot.status = ModelStatus("loading", what, fraction)

        progress("Waiting for another model to be loaded", None)
        try:
            with self._turn:
                progress("Starting", None)
                handle = self._load(name, progress)
        except ExplorerError as error:
            self._fail(name, slot, error)
        except Exception as error:  # a fault of ours or of a library: report it, keep serving
            LOG.exception("loading %s failed", name)
            self._fail(name, slot, _wrapped(name, error))
        else:
            with self._guard:
                slot.handle = handle
                slot.status = ModelStatus("ready", fraction=1.0, summary=summarise(handle.info))
            self._make_room(self._limit)
        finally:
            if slot.handle is None and slot.failure is None:  # an interrupt from the keyboard
                self._fail(name, slot, ModelUnavailable(f"Loading {name} was interrupted."))
            slot.done.set()

    def _fail(self, name: str, slot: _Slot, error: ExplorerError) -> None:
        LOG.warning("%s cannot be loaded: %s", name, str(error))
        with self._guard:
            # A copy: the error itself holds the frames of the load, and they half a model.
            slot.failure = type(error)(error.message, error.hint)
            slot.status = ModelStatus("failed", error=error.message, hint=error.hint)
            failed = [n for n, s in self._slots.items() if s.failure is not None]
            for old in failed[: max(0, len(failed) - FAILURES_KEPT)]:
                del self._slots[old]


def _wrapped(name: str, error: Exception) -> ModelUnavailable:
    return ModelUnavailable(
        f"{name} cannot be loaded: {type(error).__name__}: {error}",
        "The log has the details; please report it.",
    )
