"""Which tokens are read at which step: a pure function of the seed and the step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from explorer.core.deferred import torch

if TYPE_CHECKING:
    from torch import Tensor

TokenArray = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Mixture:
    """Token streams and the share of windows each gives.

    Attributes:
        streams: one array of ids a source, documents one after the other.
        weights: relative shares.
    """

    streams: tuple[TokenArray, ...]
    weights: tuple[float, ...]

    def batch(self, *, seed: int, step: int, windows: int, context: int) -> Tensor:
        """Token ids int64 [windows, context + 1] of one step.

        Each window lies at a random place of a random stream. Nothing is remembered between
        steps, so a run that is taken up again reads what it would have read.
        """
        random = np.random.default_rng((seed, step))
        shares = np.asarray(self.weights) / sum(self.weights)
        rows = []
        for source in random.choice(len(self.streams), size=windows, p=shares):
            stream = self.streams[source]
            first = int(random.integers(max(1, len(stream) - context)))
            rows.append(stream[first : first + context + 1].astype(np.int64))
        return torch.from_numpy(np.stack(rows))


def join(documents: Sequence[tuple[Sequence[int], bool]], eos_id: int) -> TokenArray:
    """Ids of (ids, ended) documents one after the other, `eos_id` after those that ended."""
    ids: list[int] = []
    for tokens, ended in documents:
        ids.extend(tokens)
        if ended:
            ids.append(eos_id)
    return np.asarray(ids, dtype=np.uint16)
