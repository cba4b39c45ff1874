"""Planes through a space of many dimensions, and ways that lead from point to point."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from explorer.core.errors import InvalidParams
from explorer.core.progress import Progress, quiet

Floats = NDArray[np.float64]
_SAME = 1e-9
_SHARE = re.compile(r"(\d+)/([1-9]\d*)")
_BEAT_S = 0.2
"""Seconds between two tellings of how far a map is."""


@dataclass(frozen=True, slots=True)
class Plane:
    """The points origin + a u + b v.

    Attributes:
        origin: [d].
        u: what a step of 1 along the map's first axis is, [d].
        v: along its second, [d].
    """

    origin: Floats
    u: Floats
    v: Floats

    def points(self, places: Floats) -> Floats:
        """Places of the map [n, 2] as points of the space [n, d]."""
        return self.origin + places[:, :1] * self.u + places[:, 1:] * self.v

    def places(self, points: Floats) -> Floats:
        """Where points [n, d] fall on the map [n, 2], seen at right angles."""
        basis = np.stack([self.u, self.v], axis=1)
        found, *_ = np.linalg.lstsq(basis, (points - self.origin).T, rcond=None)
        return np.ascontiguousarray(found.T)


def along_axes(dimensions: int, first: int, second: int, anchor: Floats) -> Plane:
    """The plane of two coordinates, all others as in `anchor`.

    Raises:
        InvalidParams: for axes that the space does not have, or one twice.
    """
    for axis in (first, second):
        if not 0 <= axis < dimensions:
            raise InvalidParams(
                f"There is no axis {axis + 1} in {dimensions} dimensions.",
                f"Choose from 1 to {dimensions}.",
            )
    if first == second:
        raise InvalidParams(f"Axis {first + 1} was named twice.", "Choose two different ones.")
    u, v, origin = np.eye(dimensions)[first], np.eye(dimensions)[second], anchor.copy()
    origin[[first, second]] = 0.0
    return Plane(origin, u, v)


def through(points: Floats) -> Plane:
    """The plane through three points [3, d]: the first at (0, 0), the second at (1, 0).

    The third has a first coordinate of its own, and a second one above 0; both axes have the
    same scale.

    Raises:
        InvalidParams: if they lie on a line.
    """
    origin, second, third = points
    u = second - origin
    length = float(np.linalg.norm(u))
    across = _upright(third - origin, u) if length > _SAME else u * 0
    height = float(np.linalg.norm(across))
    if length <= _SAME or height <= _SAME * max(1.0, length):
        raise InvalidParams(
            "The three sentences lie on one line of this space, so no plane is theirs alone.",
            "Choose another third sentence.",
        )
    return Plane(origin.copy(), u, across * (length / height))


def beside(ends: Floats, middle: Floats) -> Plane:
    """The plane of two points [2, d] and a middle [d]: the first at (0, 0), the second at (1, 0).

    Where the three lie on a line, the axis that the line follows least is taken for the middle.
    """
    origin, u = ends[0], ends[1] - ends[0]
    length = float(np.linalg.norm(u))
    if length <= _SAME:
        u, length = np.eye(len(u))[0], 1.0
    across = _upright(middle - origin, u)
    if np.linalg.norm(across) <= _SAME * max(1.0, length):
        across = _upright(np.eye(len(u))[int(np.abs(u).argmin())], u)
    return Plane(origin.copy(), u, across * (length / float(np.linalg.norm(across))))


def _upright(aim: Floats, u: Floats) -> Floats:
    """What of a direction [d] stands at right angles to another."""
    across: Floats = aim - u * (aim @ u) / (u @ u)
    return across


def principal(points: Floats) -> Plane:
    """The plane in which points [n, d] differ most (PCA), through their mean.

    Signs are fixed: the largest part of each axis is positive.

    Raises:
        InvalidParams: for fewer than three points, or fewer than two dimensions.
    """
    if len(points) < 3 or points.shape[1] < 2:
        raise InvalidParams("A plane needs three points and two dimensions.", "Sample more points.")
    mean = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - mean, full_matrices=False)
    chosen = [axis * np.sign(axis[np.abs(axis).argmax()] or 1.0) for axis in axes[:2]]
    return Plane(mean, chosen[0], chosen[1])


class _Epochs:
    """What a progress bar writes to: the share it has done is told, nothing is shown.

    Attributes:
        error: what whoever is told raised, to be raised at the bar's next beat: a bar that fails
            while it writes keeps a lock that all bars of this process share.
    """

    def __init__(self, told: Callable[[float], None]) -> None:
        self._told = told
        self.error: BaseException | None = None

    def write(self, text: str) -> None:
        """Read "done/all"; what else there is on a line of the bar says nothing."""
        found = _SHARE.search(text)
        if found is None or self.error is not None:
            return
        try:
            self._told(int(found[1]) / int(found[2]))
        except BaseException as error:  # noqa: BLE001  # raised at the next beat
            self.error = error

    def flush(self) -> None:
        """Nothing is held back."""


class _Beat(float):
    """Least seconds between two writings of a bar; looked at before each, where no lock is held."""

    def __new__(cls, seconds: float, _epochs: _Epochs) -> _Beat:
        return super().__new__(cls, seconds)

    def __init__(self, _seconds: float, epochs: _Epochs) -> None:
        self._epochs = epochs

    def __le__(self, passed: float) -> bool:
        """Whether so many seconds are enough; where somebody gave up, that is raised."""
        if self._epochs.error is not None:
            raise self._epochs.error
        return float(self) <= float(passed)


def neighbour_map(
    points: Floats, start: Floats, *, seed: int = 0, progress: Progress = quiet
) -> Floats:
    """UMAP of points [n, d] to [n, 2], begun from `start` [n, 2].

    Source: McInnes, Healy, Melville, "UMAP: Uniform Manifold Approximation and Projection for
    Dimension Reduction", arXiv:1802.03426; the implementation is umap-learn's.

    Args:
        points: the points.
        start: where they begin, for instance on the principal plane or in an earlier map.
        seed: of its chance; the same seed gives the same map.
        progress: told the stage, and of the last one, the moving of the points, its share done;
            may raise to give up.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own compiler and of a fixed seed's one thread
        progress("loading UMAP", None)
        # Imported here: it takes seconds, and only this file needs it.
        import umap  # type: ignore[import-untyped]  # it has no types

        progress("comparing the points", None)
        spread = np.abs(start).max() or 1.0
        told = _Epochs(lambda share: progress("moving the points", share))
        model = umap.UMAP(
            n_components=2,
            n_neighbors=min(15, len(points) - 1),
            init=(start / spread * 10).astype(np.float32),
            random_state=seed,
            n_jobs=1,
            tqdm_kwds={
                "disable": False,
                "file": told,
                "bar_format": "{n}/{total}",
                "mininterval": _Beat(_BEAT_S, told),
            },
        )
        found = np.asarray(model.fit_transform(points), dtype=np.float64)
    if told.error is not None:
        raise told.error
    return found


def straight(start: Floats, end: Floats, steps: int) -> Floats:
    """Points [steps, d] at equal distances on the line, both ends included."""
    share = np.linspace(0.0, 1.0, steps)[:, None]
    points: Floats = start + share * (end - start)
    return points


def arc(start: Floats, end: Floats, steps: int, centre: Floats) -> Floats:
    """Points [steps, d] on the great circle around a centre (spherical interpolation).

    Where the ends are not equally far from the centre, the distance changes evenly. Ends that
    lie in one direction, or in opposite ones, have no circle of their own: the line is taken.
    """
    a, b = start - centre, end - centre
    size_a, size_b = float(np.linalg.norm(a)), float(np.linalg.norm(b))
    if min(size_a, size_b) <= _SAME:
        return straight(start, end, steps)
    cosine = float(np.clip(a @ b / (size_a * size_b), -1.0, 1.0))
    angle = float(np.arccos(cosine))
    if angle < 1e-6 or np.pi - angle < 1e-6:
        return straight(start, end, steps)
    share = np.linspace(0.0, 1.0, steps)[:, None]
    direction = (
        np.sin((1 - share) * angle) * a / size_a + np.sin(share * angle) * b / size_b
    ) / np.sin(angle)
    found: Floats = centre + direction * (size_a + share * (size_b - size_a))
    found[0], found[-1] = start, end
    return found
