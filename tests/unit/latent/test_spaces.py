"""Languages and spaces: found by name, read both ways, refused with the nearest right name."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from explorer.core.errors import InvalidParams, ModelUnavailable, UnknownName
from explorer.latent.language import dialogue_words, language
from explorer.latent.spaces import load_space, spaces


def test_a_sentence_of_the_toy_language_comes_back() -> None:
    space, toy = load_space("toy", "ariel", 2), language("toy")
    words = toy.split("Is it a red ball?")
    code = space.encode([words, ("where", "are", "the", "balls")])
    assert code.shape == (2, 2)
    assert space.decode(code)[0].words == words
    assert space.decode(code)[0].ended
    assert toy.join(words) == "Is it a red ball"


def test_uniform_points_of_the_toy_space_are_valid_sentences() -> None:
    space, judge = load_space("toy", "ariel", 16), language("toy").judge
    assert judge is not None
    points = np.random.default_rng(0).uniform(space.low, space.high, (50, 16))
    assert all(judge.judge(reading.words).valid for reading in space.decode(points))


@pytest.mark.parametrize("dimensions", [1, 3, 64])
def test_ariel_has_any_number_of_dimensions(dimensions: int) -> None:
    assert load_space("toy", "ariel", dimensions).dimensions == dimensions
    assert dimensions in spaces("toy")["ariel"]


@pytest.mark.parametrize("dimensions", [0, -1, 65, True])
def test_other_numbers_of_dimensions_are_refused(dimensions: int) -> None:
    with pytest.raises(InvalidParams, match="1 to 64"):
        load_space("toy", "ariel", dimensions)


def test_mistyped_names_are_answered_with_the_right_ones() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'toy'"):
        language("tooy")
    with pytest.raises(UnknownName, match="Did you mean 'ariel'"):
        load_space("toy", "areil", 2)


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([[0.5]], "1 coordinates"),
        ([0.5, 0.5, 0.5], "3 coordinates"),
        ([[0.5, float("nan")]], "Coordinate 2 of point 1 is nan"),
        ([[0.5, 0.5], [float("inf"), 0]], "Coordinate 1 of point 2 is inf"),
        ([[0.5, 1.5]], "1.5"),
        ([["a", "b"]], "rows of numbers"),
        ([[1.0], [1.0, 2.0]], "rows of numbers"),
    ],
)
def test_points_that_are_none_are_refused(points: list[object], said: str) -> None:
    with pytest.raises(InvalidParams, match=said):
        load_space("toy", "ariel", 2).decode(points)


def test_no_points_say_nothing() -> None:
    space = load_space("toy", "ariel", 2)
    assert space.decode([]) == []
    assert space.encode([]).shape == (0, 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no word"),
        (("is",) * 500, "500 words"),
        (("is", "it", "a", "quark"), "Word 4, 'quark', is no word"),
        (("is", "is", "it", "a", "ball"), "Word 2, 'is', has probability 0 after 'is'"),
        (("is", "it", "a"), "The end has probability 0"),
    ],
)
def test_sentences_without_a_place_are_refused(words: tuple[str, ...], said: str) -> None:
    with pytest.raises(InvalidParams, match=said):
        load_space("toy", "ariel", 2).encode([words])


def test_a_turn_is_split_at_its_marks() -> None:
    assert dialogue_words("No, it isn’t.") == ("no", ",", "it", "isn't", ".")


def test_turns_are_written_for_people() -> None:
    join = language("dialogue").join
    assert join(("i'm", "ok", ".", "is", "it", "red", ",", "i", "ask", "?")) == (
        "I'm ok. Is it red, I ask?"
    )
    assert join(()) == ""


def test_a_sentence_is_new_unless_a_network_read_it() -> None:
    toy = language("toy")
    assert not toy.is_novel(("is", "it", "a", "ball"))
    assert toy.is_novel(("is", "it", "a", "ball", "ball"))
    empty = dataclasses.replace(toy, seen=np.empty(0, np.uint64))
    assert empty.is_novel(("is", "it", "a", "ball"))
    last = dataclasses.replace(toy, seen=np.array([0], np.uint64))
    assert last.is_novel(("is", "it", "a", "ball"))


def test_a_language_without_its_files_says_so(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("explorer.latent.language.SHIPPED", tmp_path)
    language.cache_clear()
    with pytest.raises(ModelUnavailable, match="no list of words"):
        language("dialogue")
    assert len(language("toy").seen) == 0
    language.cache_clear()
