"""The Latent page's questions, each answered by the one who can; what a tab sampled is kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from explorer.core.errors import InvalidParams, NotCapable
from explorer.latent.planes import Floats
from explorer.services import checks
from explorer.services.latent import maps, samples, trips, walks
from explorer.services.latent.samples import Sample
from explorer.services.latent.tongues import TONGUES, Models
from explorer.services.latent.worlds import ref_of, worlds

MOST_SESSIONS = 300


class LatentDesk:
    """Answers what the page asks; threads may share one.

    Args:
        models: those of the page, whose continuations have spaces too; None for none.
    """

    def __init__(self, models: Models | None = None) -> None:
        if models is not None:
            TONGUES.models = models
        self._lock = threading.Lock()
        self._samples: OrderedDict[str, Sample] = OrderedDict()
        self._maps: dict[str, Floats] = {}

    def worlds(self) -> list[dict[str, Any]]:
        """Languages and spaces."""
        return worlds()

    def answer(self, session: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one question; its `ask` says which.

        Raises:
            ExplorerError: for a question that cannot be answered.
        """
        kind = asked.get("ask")
        sample = self.sample(session)
        if kind == "cells":
            return maps.map_cells(asked)
        if kind == "patches":
            return maps.map_patches(asked, self._sampled(sample, asked))
        if kind == "sample":
            return self._more(session, sample, asked)
        if kind == "places":
            return samples.placed(self._named(sample, asked), asked.get("plane"))
        if kind == "umap":
            named = self._named(sample, asked)
            state = samples.umap_state(named, self._maps.get(session))
            if named.map is not None:
                self._maps[session] = named.map
            return state
        if kind == "point":
            return walks.at_point(asked, sample)
        if kind == "walk":
            return walks.walk(asked)
        if kind == "trip":
            return trips.round_trip(asked)
        raise InvalidParams(f"{checks.shown(kind)} is no question.", "Reload the page.")

    def sample(self, session: str) -> Sample | None:
        """What a tab sampled last."""
        with self._lock:
            return self._samples.get(session)

    def forget(self, session: str) -> None:
        """The tab was closed."""
        with self._lock:
            self._give_up(session)
            self._maps.pop(session, None)

    def _give_up(self, session: str) -> None:
        """A sample that nobody shows any more; the lock is held."""
        before = self._samples.pop(session, None)
        if before is not None:
            before.is_wanted = False

    def _more(
        self, session: str, sample: Sample | None, asked: Mapping[str, Any]
    ) -> dict[str, Any]:
        if asked.get("sample") is None:
            sample = samples.begin(asked)
            with self._lock:
                self._give_up(session)
                self._samples[session] = sample
                self._samples.move_to_end(session)
                while len(self._samples) > MOST_SESSIONS:
                    gone = next(iter(self._samples))
                    self._give_up(gone)
                    self._maps.pop(gone, None)
        else:
            sample = self._named(sample, asked)
        return samples.chunk(sample, asked)

    def _named(self, sample: Sample | None, asked: Mapping[str, Any]) -> Sample:
        if sample is None or sample.number != asked.get("sample"):
            raise NotCapable("This sample is not kept any more.", "Sample again.")
        return sample

    def _sampled(self, sample: Sample | None, asked: Mapping[str, Any]) -> Any:
        return sample.points if sample is not None and sample.ref == ref_of(asked) else None
