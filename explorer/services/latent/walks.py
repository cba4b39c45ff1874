"""Ways through a space from sentence to sentence, and single points."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from explorer.core.errors import InvalidParams, NotCapable
from explorer.latent.planes import Floats, Plane, arc, straight
from explorer.latent.points import Point
from explorer.latent.space import ArielSpace, Reading, Space
from explorer.services.asked import numbers, whole
from explorer.services.latent.maps import encoded, held, plane_of, prefix_of, texts
from explorer.services.latent.samples import Sample, neighbours
from explorer.services.latent.worlds import facts, open_space, read, ref_of, verdict

MOST_STEPS = 400


def walk(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The sentences between two; see docs/wire.md, "latent: walk".

    Raises:
        InvalidParams: for a sentence that the space cannot hold, or a question that is none.
    """
    ref = ref_of(asked)
    space = open_space(ref)
    ends = encoded(space, ref, texts(asked.get("texts"), 2))
    steps = whole(asked, "steps", 2, MOST_STEPS)
    way = asked.get("way")
    if way not in ("straight", "arc"):
        raise InvalidParams("The way is neither straight nor an arc.", "Use straight or arc.")
    centre = (space.low + space.high) / 2 if space.prior == "uniform" else np.zeros(len(space.low))
    line = arc(ends[0], ends[1], steps, centre)
    points = line if way == "arc" else straight(ends[0], ends[1], steps)
    inside = held(space, points)
    told = iter(read(space, ref, points[inside])[1])
    rows = [next(told) if is_inside else None for is_inside in inside.tolist()]
    plane, window, about = plane_of(space, ref, asked.get("plane"), None)
    return {
        "places": np.round(plane.places(points), 5).tolist(),
        "points": np.round(points, 6).tolist(),
        "rows": rows,
        "window": list(window),
        "about": about,
        "distance": float(np.linalg.norm(ends[1] - ends[0])),
    }


def at_point(asked: Mapping[str, Any], sample: Sample | None) -> dict[str, Any]:
    """What one point says, and why; see docs/wire.md, "latent: point".

    The point is given by its coordinates, or as a place on a plane of the map.

    Raises:
        InvalidParams: for a point that the space does not have.
    """
    ref = ref_of(asked)
    space = open_space(ref)
    sampled = sample.points if sample is not None and sample.ref == ref else None
    plane, _, _ = plane_of(space, ref, asked.get("plane"), sampled)
    exact = None
    if asked.get("prefix") is not None and isinstance(space, ArielSpace):
        exact = place_in_box(space, asked)
        point = np.array(exact, dtype=np.float64)
    else:
        point = _point(asked, space, plane, sample)
    if not held(space, point[None])[0]:
        raise InvalidParams("This point lies outside the cube.", "Click inside it.")
    if exact is not None and isinstance(space, ArielSpace):
        reading = read_exactly(space, exact)
    else:
        reading = space.decode(point[None])[0]
    judged = verdict(ref.language, reading.words)
    own = space.encode([reading.words]) if _is_known(space, reading.words) else None
    return {
        **facts(ref.language, reading.words, reading.ended),
        "ended": reading.ended,
        "why": "" if judged is None else judged.reason,
        "point": point.tolist(),
        "place": plane.places(point[None])[0].tolist(),
        "code": None if own is None else own[0].tolist(),
        "code_place": None if own is None else plane.places(own)[0].tolist(),
        "neighbours": neighbours(sample, ref, point),
        "number": asked.get("number"),
    }


def _point(asked: Mapping[str, Any], space: Space, plane: Plane, sample: Sample | None) -> Floats:
    """The point that a question names: by coordinates, as a sampled one, or on a plane. [d]."""
    if asked.get("point") is not None:
        return np.array(numbers(asked["point"], "point", space.dimensions))
    if asked.get("number") is None:
        found = plane.points(np.array([numbers(asked.get("place"), "place", 2)]))
        number = 0
    elif sample is None or sample.number != asked.get("sample"):
        raise NotCapable("This sample is not kept any more.", "Sample again.")
    else:
        found = sample.points
        number = whole(asked, "number", 0, len(found) - 1)
    point: Floats = found[number]
    return point


def place_in_box(space: ArielSpace[Any], asked: Mapping[str, Any]) -> Point:
    """A place within the box of a prefix, exactly: as deep as one has zoomed.

    Raises:
        InvalidParams: outside the cube, or for a prefix that is none.
    """
    place = numbers(asked.get("place"), "place", 2)[: space.dimensions]
    box = space.ariel.box(prefix_of(asked), ended=False)
    exact = zip(box.low, box.width, place, strict=True)
    point = tuple(low + width * Fraction(share) for low, width, share in exact)
    if not all(0 <= z <= 1 for z in point):
        raise InvalidParams("This point lies outside the cube.", "Click inside it.")
    return point


def read_exactly(space: ArielSpace[Any], point: Point) -> Reading:
    """The sentence at an exact point."""
    decoded = space.ariel.decode(point)
    return Reading(space.words.words(decoded.tokens), decoded.ended)


def _is_known(space: Space, words: tuple[str, ...]) -> bool:
    """Whether the space can encode what it said: not everything it says has an end."""
    if not words:
        return False
    try:
        space.encode([words])
    except InvalidParams:
        return False
    return True
