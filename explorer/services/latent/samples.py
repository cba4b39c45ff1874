"""Points drawn in a space, decoded bit by bit, so that a page can show how far it is and stop."""

from __future__ import annotations

import itertools
import math
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.intervals import wilson
from explorer.latent.language import LANGUAGES
from explorer.latent.planes import Floats, neighbour_map, principal, straight
from explorer.latent.space import ArielSpace, Reading, Space
from explorer.latent.table import drawn
from explorer.services import checks
from explorer.services.asked import whole
from explorer.services.latent.maps import encoded, held, plane_of, texts
from explorer.services.latent.worlds import Ref, facts, open_space, read, ref_of

MOST_POINTS = 10_000
CHUNK = 500
MOST_WORKERS = 2
"""Maps of neighbours made at once over all visitors: each is half a minute of one core."""
MODEL_CHUNK = 8
MOST_MODEL_POINTS = 300
NEIGHBOURS = 6
WAYS = ("uniform", "gaussian", "prior", "line", "sphere")


@dataclass
class Sample:
    """Points of one space and what is known of them.

    Attributes:
        number: names it on the page.
        ref: the space.
        how: one of `WAYS`.
        seed: of the points.
        points: [n, d].
        readings: of the first of them, in order.
        map: UMAP of them once it is made, [n, 2].
        stage: what is being done for it, and the share done where that is known.
        failure: why there is none.
        worker: makes the map.
        is_wanted: a tab still shows it; else its map need not be made.
        lock: held while points are read.
    """

    number: int
    ref: Ref
    how: str
    seed: int
    points: Floats
    readings: list[Reading] = field(default_factory=list)
    map: Floats | None = None
    stage: tuple[str, float | None] = ("waiting for its turn", None)
    failure: str = ""
    worker: threading.Thread | None = None
    is_wanted: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)


_WORKERS = threading.BoundedSemaphore(MOST_WORKERS)
_numbers = itertools.count(1)


def begin(asked: Mapping[str, Any]) -> Sample:
    """Draw the points of a question; none is decoded yet.

    Raises:
        InvalidParams: for a question that is none.
    """
    ref = ref_of(asked)
    space = open_space(ref)
    how = asked.get("how")
    if how not in WAYS:
        raise InvalidParams(f"'how' is {checks.shown(how)}.", f"Use {', '.join(WAYS)}.")
    most = MOST_POINTS if ref.language in LANGUAGES else MOST_MODEL_POINTS
    count = whole(asked, "count", 1, most)
    seed = whole(asked, "seed", 0, 2**53)
    if how == "line":
        ends = encoded(space, ref, texts([asked.get("from"), asked.get("to")], 2))
        points = straight(ends[0], ends[1], count)
    else:
        points = draw(space, how, count, seed)
    return Sample(next(_numbers), ref, how, seed, points)


def draw(space: Space, how: str, count: int, seed: int) -> Floats:
    """Random points [count, d], those of `latent sample` where it knows the way.

    uniform: in the space's box. gaussian: around its middle, its box six deviations wide, and
    cut off at the edges of a cube. prior: what the space was made for. sphere: the largest in
    a cube, or where a Gaussian's points lie, at the square root of d deviations.
    """
    if how in ("uniform", "prior"):
        return drawn(space, count, how, seed)
    d = space.dimensions
    middle, deviation = (space.low + space.high) / 2, (space.high - space.low) / 6
    is_cube = isinstance(space, ArielSpace)
    normal = np.random.default_rng((seed, d)).standard_normal((count, d))
    if how == "sphere":
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        return middle + normal * (0.5 if is_cube else deviation * math.sqrt(d))
    points = middle + normal * deviation
    return np.clip(points, space.low, space.high) if is_cube else points


def chunk(sample: Sample, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Decode some more points; see docs/wire.md, "latent: sample"."""
    with sample.lock:
        return _next_chunk(sample, asked)


def _next_chunk(sample: Sample, asked: Mapping[str, Any]) -> dict[str, Any]:
    space = open_space(sample.ref)
    done = len(sample.readings)
    # A model takes a forward a token and point.
    size = MODEL_CHUNK if sample.ref.language not in LANGUAGES else CHUNK
    block = sample.points[done : done + size]
    inside = held(space, block)
    if not inside.all():
        raise InvalidParams("Some points lie outside the space.", "Choose another way to sample.")
    new, rows = read(space, sample.ref, block)
    sample.readings += new
    answer: dict[str, Any] = {
        "sample": sample.number,
        "total": len(sample.points),
        "done": len(sample.readings),
        "rows": rows,
        "ended": [reading.ended for reading in new],
    }
    if done == 0:
        answer |= placed(sample, asked.get("plane"))
    if len(sample.readings) == len(sample.points):
        answer["summary"] = summary(sample)
    return answer


def placed(sample: Sample, wanted: Any) -> dict[str, Any]:
    """Where a sample's points fall on a plane of the map."""
    space = open_space(sample.ref)
    plane, window, about = plane_of(space, sample.ref, wanted, sample.points)
    places = plane.places(sample.points)
    if space.dimensions == 1:
        # A line has no height: the golden ratio spreads its points over the map's.
        places[:, 1] = (np.arange(len(places)) * 0.6180339887498949) % 1.0
    return {"places": np.round(places, 5).tolist(), "window": list(window), "about": about}


def summary(sample: Sample) -> list[dict[str, Any]]:
    """Shares of the sample with 95 % intervals (Wilson)."""
    spoken = sample.ref.language
    rows = [facts(spoken, reading.words, reading.ended) for reading in sample.readings]
    n = len(rows)
    counts = Counter(reading.words for reading in sample.readings)
    found = [
        ("different sentences", len(counts), n, "of all points: 1 is no sentence twice"),
    ]
    if rows and rows[0]["novel"] is not None:
        novel = sum(bool(r["novel"]) for r in rows)
        found.append(("novel", novel, n, "not among the sentences trained on"))
    if rows and rows[0]["valid"] is not None:
        valid = sum(bool(r["valid"]) for r in rows)
        found.insert(0, ("valid", valid, n, "sentences of the language, by its judge"))
    return [
        {"name": name, "count": k, "of": of, "about": about, "interval": _interval(k, of)}
        for name, k, of, about in found
    ]


def _interval(count: int, of: int) -> list[float]:
    found = wilson(count, of)
    return [found.low, found.high]


def neighbours(sample: Sample | None, ref: Ref, point: Floats) -> list[dict[str, Any]]:
    """The sampled points nearest to one, the nearest first, each sentence once."""
    if sample is None or sample.ref != ref or not sample.readings:
        return []
    known = sample.points[: len(sample.readings)]
    distances = np.linalg.norm(known - point, axis=1)
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for i in np.argsort(distances, kind="stable")[: 50 * NEIGHBOURS].tolist():
        words = sample.readings[i].words
        if words not in found:
            row = facts(ref.language, words, sample.readings[i].ended)
            found[words] = {"index": i, "distance": float(distances[i]), **row}
        if len(found) == NEIGHBOURS:
            break
    return list(found.values())


def umap_state(sample: Sample, earlier: Floats | None) -> dict[str, Any]:
    """UMAP of a sample: begun in a thread at the first call, asked for again until it is there."""
    if sample.map is not None:
        return {"state": "ready", "places": np.round(sample.map, 4).tolist()}
    if sample.failure:
        return {"state": "failed", "message": sample.failure}
    if sample.worker is None:
        if len(sample.points) < 20 or sample.points.shape[1] < 3:
            raise NotCapable(
                "UMAP needs 20 points of three dimensions or more.",
                "Sample more points, or choose a space of more dimensions.",
            )
        sample.worker = threading.Thread(target=_map, args=(sample, earlier), daemon=True)
        sample.worker.start()
    stage, share = sample.stage
    return {"state": "working", "stage": stage, "share": share}


class _UnwantedError(Exception):
    """Nobody waits for this map any more."""


def _map(sample: Sample, earlier: Floats | None) -> None:
    with _WORKERS:
        if sample.is_wanted:
            _make_map(sample, earlier)


def _make_map(sample: Sample, earlier: Floats | None) -> None:
    def told(stage: str, share: float | None) -> None:
        if not sample.is_wanted:
            raise _UnwantedError
        sample.stage = (stage, share)

    try:
        plane = principal(sample.points)
        start = plane.places(sample.points)
        if earlier is not None and earlier.shape == start.shape:
            start = earlier
        seed = sample.seed % 2**32
        sample.map = neighbour_map(sample.points, start, seed=seed, progress=told)
    except _UnwantedError:
        sample.failure = "It was given up: another sample was drawn."
    except Exception as error:  # noqa: BLE001  # the end of a thread: told where it is asked for
        sample.failure = f"UMAP failed: {type(error).__name__}."
