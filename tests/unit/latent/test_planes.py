"""Planes, ways and orders, against what they mean."""

from __future__ import annotations

import sys
import threading
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm

from explorer.core.errors import InvalidParams
from explorer.latent import planes
from explorer.latent.meaning import meaning_order
from explorer.latent.planes import (
    Plane,
    along_axes,
    arc,
    beside,
    neighbour_map,
    principal,
    straight,
    through,
)

RANDOM = np.random.default_rng(5)


@given(st.integers(2, 20), st.integers(0, 2**31))
def test_places_and_points_are_inverse_on_any_plane(d: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    plane = Plane(random.normal(size=d), random.normal(size=d), random.normal(size=d))
    places = random.normal(size=(7, 2))
    assert plane.places(plane.points(places)) == pytest.approx(places, abs=1e-6)


def test_the_plane_of_two_axes_changes_nothing_else() -> None:
    anchor = np.array([0.1, 0.2, 0.3, 0.4])
    points = along_axes(4, 2, 0, anchor).points(np.array([[7.0, 8.0]]))
    assert points.tolist() == [[8.0, 0.2, 7.0, 0.4]]


@pytest.mark.parametrize(("axes", "words"), [((0, 4), "axis 5"), ((1, 1), "twice")])
def test_axes_that_cannot_be(axes, words) -> None:
    with pytest.raises(InvalidParams, match=words):
        along_axes(4, *axes, np.zeros(4))


def test_three_points_stand_where_they_should_and_distances_are_kept() -> None:
    corners = RANDOM.normal(size=(3, 9))
    plane = through(corners)
    places = plane.places(corners)
    assert places[:2] == pytest.approx(np.array([[0.0, 0.0], [1.0, 0.0]]), abs=1e-9)
    assert places[2, 1] > 0
    unit = np.linalg.norm(corners[1] - corners[0])
    for i, j in ((0, 2), (1, 2)):
        true = np.linalg.norm(corners[i] - corners[j])
        assert np.linalg.norm(places[i] - places[j]) * unit == pytest.approx(true)


def test_points_on_a_line_have_no_plane_of_their_own() -> None:
    with pytest.raises(InvalidParams, match="one line"):
        through(np.array([[0.0, 0], [1, 1], [3, 3]]))
    # But a walk along that line still has something to be drawn on.
    plane = beside(np.array([[0.0, 0], [1, 1]]), np.array([3.0, 3]))
    assert plane.places(np.array([[0.5, 0.5]])) == pytest.approx(np.array([[0.5, 0.0]]), abs=1e-9)


def test_two_equal_ends_have_a_plane() -> None:
    plane = beside(np.zeros((2, 5)), np.ones(5))
    assert np.isfinite(plane.u).all()
    assert np.isfinite(plane.v).all()


def test_the_principal_plane_is_that_of_the_covariance() -> None:
    points = RANDOM.normal(size=(400, 6)) * np.array([1, 9, 2, 5, 1, 1])
    plane = principal(points)
    values, vectors = np.linalg.eigh(np.cov(points.T))
    order = np.argsort(-values)
    assert abs(plane.u @ vectors[:, order[0]]) == pytest.approx(1)
    assert abs(plane.v @ vectors[:, order[1]]) == pytest.approx(1)
    assert principal(points).u.tolist() == principal(points[::-1]).u.tolist() or np.allclose(
        principal(points).u, principal(points[::-1]).u
    )


def test_few_points_have_no_principal_plane() -> None:
    with pytest.raises(InvalidParams, match="three points"):
        principal(np.zeros((2, 4)))


class BarOnly:
    """In place of umap-learn, whose compiler takes half a minute: its bar, and no map."""

    def __init__(self, *, init, tqdm_kwds, **_: object) -> None:
        self._init, self._bar = init, tqdm_kwds

    def fit_transform(self, points):
        for _ in tqdm(range(4), **self._bar):
            pass
        return self._init


def test_a_map_of_neighbours_tells_its_stages_and_shares(monkeypatch, capfd) -> None:
    monkeypatch.setattr(planes, "_BEAT_S", 0.0)
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=BarOnly))
    told: list[tuple[str, float | None]] = []
    points = RANDOM.normal(size=(30, 5))
    found = neighbour_map(points, points[:, :2], progress=lambda *stage: told.append(stage))
    assert found.shape == (30, 2)
    assert told[:2] == [("loading UMAP", None), ("comparing the points", None)]
    shares = [share for stage, share in told if stage == "moving the points"]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert len({*shares}) > 2
    assert capfd.readouterr() == ("", "")  # the bar itself is shown to nobody


def test_a_map_of_neighbours_is_given_up_where_its_progress_raises(monkeypatch) -> None:
    monkeypatch.setattr(planes, "_BEAT_S", 0.0)
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=BarOnly))

    def told(_stage: str, share: float | None) -> None:
        if share:
            raise InterruptedError

    points = RANDOM.normal(size=(30, 5))
    with pytest.raises(InterruptedError):
        neighbour_map(points, points[:, :2], progress=told)
    # another thread's bar, such as that of a model that is loaded, finds the lock free
    free: list[bool] = []

    def look() -> None:
        for lock in tqdm.get_lock().locks:
            free.append(lock.acquire(timeout=2))
            if free[-1]:
                lock.release()

    other = threading.Thread(target=look)
    other.start()
    other.join()
    assert free == [True, True]


def test_a_straight_way_has_equal_steps() -> None:
    way = straight(np.zeros(3), np.array([3.0, 0, 0]), 4)
    assert way[:, 0].tolist() == [0, 1, 2, 3]


@given(st.integers(2, 12), st.integers(0, 2**31))
def test_an_arc_keeps_its_distance_and_its_ends(d: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    centre = random.normal(size=d)
    a, b = random.normal(size=(2, d))
    a, b = centre + a / np.linalg.norm(a), centre + b / np.linalg.norm(b)
    way = arc(a, b, 9, centre)
    assert way[0].tolist() == a.tolist()
    assert way[-1].tolist() == b.tolist()
    if np.dot(a - centre, b - centre) > -0.99:
        assert np.linalg.norm(way - centre, axis=1) == pytest.approx(np.ones(9))
        steps = np.linalg.norm(np.diff(way, axis=0), axis=1)
        assert steps == pytest.approx(np.full(8, steps[0]), abs=1e-6)


def test_an_arc_through_opposite_ends_is_the_line() -> None:
    way = arc(np.array([1.0, 0]), np.array([-1.0, 0]), 5, np.zeros(2))
    assert way[:, 0].tolist() == [1, 0.5, 0, -0.5, -1]


def test_the_order_by_meaning_holds_every_word_once_and_groups_together() -> None:
    groups = RANDOM.normal(size=(4, 16)) * 5
    vectors = np.stack([groups[i % 4] + RANDOM.normal(size=16) * 0.1 for i in range(41)])
    order = meaning_order(vectors)
    assert sorted(order) == list(range(41))
    assert order[0] == 0
    changes = sum(a % 4 != b % 4 for a, b in pairwise(order[1:]))
    assert changes == 3
