"""Spaces of sentences: what a point says and where a sentence lies, whatever the method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from explorer.core.errors import InvalidParams
from explorer.latent.ariel import Ariel
from explorer.latent.laws import Place, TokenLaws
from explorer.latent.points import Point

Points = NDArray[np.float64]
"""[n, dimensions]."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a point says.

    Attributes:
        words: without the end.
        ended: False where the limit on words came before the end.
    """

    words: tuple[str, ...]
    ended: bool


class Space(Protocol):
    """A continuous space whose points are sentences."""

    @property
    def name(self) -> str:
        """One of "ariel", "ariel_lm", "vae", "ae", "transformer"."""

    @property
    def title(self) -> str:
        """The name for people."""

    @property
    def paper(self) -> str:
        """Where it was published; may be empty."""

    @property
    def dimensions(self) -> int:
        """Coordinates of a point."""

    @property
    def low(self) -> Points:
        """[dimensions]: lower corner of the box that uniform sampling fills and the map draws.

        The unit cube for AriEL; for the others the least code of the training sentences.
        """

    @property
    def high(self) -> Points:
        """[dimensions]: the upper corner."""

    @property
    def prior(self) -> str:
        """Either "uniform" in the box, or "gaussian" of mean 0 and variance 1."""

    def encode(self, sentences: Sequence[Sequence[str]]) -> Points:
        """Where sentences lie: [n, dimensions]; the mean where the code is a law.

        Raises:
            InvalidParams: naming the unknown word, or why the sentence has no place.
        """

    def decode(self, points: ArrayLike) -> list[Reading]:
        """What points say: the likeliest words, one after the other.

        What a point says does not depend on the points beside it.

        Args:
            points: [n, dimensions].

        Raises:
            InvalidParams: for another shape, NaN or an infinite coordinate.
        """


def checked_points(points: ArrayLike, dimensions: int) -> Points:
    """Points as float64 [n, dimensions].

    Raises:
        InvalidParams: for another shape, or a coordinate that is no finite number.
    """
    try:
        found = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidParams(
            "The points are not all rows of numbers.", f"Give {dimensions} numbers a point."
        ) from error
    if found.size == 0 and found.ndim <= 2:
        return np.empty((0, dimensions))
    if found.ndim != 2 or found.shape[1] != dimensions:
        given = f"{found.shape[-1]} coordinates" if found.ndim else "one number"
        raise InvalidParams(
            f"A point of {given} is none of this space.", f"Give {dimensions} numbers a point."
        )
    if not np.isfinite(found).all():
        row, column = np.argwhere(~np.isfinite(found))[0]
        raise InvalidParams(
            f"Coordinate {column + 1} of point {row + 1} is {found[row, column]}.",
            "Give finite numbers.",
        )
    return found


class Words:
    """Words and their ids: 0 is the end of a sentence, the words follow in their order.

    Args:
        vocabulary: each word once.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.by_id = ("", *vocabulary)
        self._ids = {word: number for number, word in enumerate(self.by_id) if word}

    def __len__(self) -> int:
        """Words and the end."""
        return len(self.by_id)

    def ids(self, words: Sequence[str], most: int) -> tuple[int, ...]:
        """Ids of a sentence.

        Raises:
            InvalidParams: for no word, more than `most`, or naming the first unknown word.
        """
        if not words or len(words) > most:
            said = f"{len(words)} words" if words else "no word"
            raise InvalidParams(
                f"The sentence has {said}; this space holds sentences of 1 to {most}.",
                "Shorten it." if words else "Write at least one word.",
            )
        for number, word in enumerate(words, 1):
            if word not in self._ids:
                raise InvalidParams(
                    f"Word {number}, '{word[:40]}', is no word of this language.",
                    f"It has {len(self.by_id) - 1} words.",
                )
        return tuple(self._ids[word] for word in words)

    def words(self, token_ids: Sequence[int]) -> tuple[str, ...]:
        """Words of ids."""
        return tuple(self.by_id[token_id] for token_id in token_ids)


class ArielSpace(Generic[Place]):
    """AriEL as a space of words: a sentence is a box, and its code is the box's centre.

    `ariel` has the exact boxes and points; here they are rounded to float64, which tells some
    53 bits of text a dimension (`Ariel.certain_tokens`).

    Args:
        laws: of the next word; id 0 is the end.
        words: ids and words.
        dimensions: 1 … 64.
        name: "ariel" or "ariel_lm".
        title: for people.
        max_words: longest sentence.
    """

    paper = "Celotti, Brodeur, Rouat, arXiv:2003.13600"
    prior = "uniform"

    def __init__(
        self,
        laws: TokenLaws[Place],
        words: Words,
        dimensions: int,
        *,
        name: str = "ariel",
        title: str = "AriEL",
        max_words: int = 200,
    ) -> None:
        self.ariel = Ariel(laws, dimensions, max_tokens=max_words)
        self.words, self.name, self.title = words, name, title
        self.dimensions = dimensions
        self.low, self.high = np.zeros(dimensions), np.ones(dimensions)

    def ids(self, words: Sequence[str]) -> tuple[int, ...]:
        """Token ids of a sentence, for `ariel`.

        Raises:
            InvalidParams: naming the unknown word, or for no words or too many.
        """
        return self.words.ids(words, self.ariel.max_tokens)

    def encode(self, sentences: Sequence[Sequence[str]]) -> Points:
        """The centres of sentences' boxes, rounded to float64 [n, dimensions].

        Raises:
            InvalidParams: naming an unknown word, or a sentence the law calls impossible.
        """
        centres = [self._centre(sentence) for sentence in sentences]
        return np.array(centres, dtype=np.float64).reshape(-1, self.dimensions)

    def _centre(self, sentence: Sequence[str]) -> Point:
        ids, cuts = self.ids(sentence), 0
        try:
            for _ in self.ariel.cuts(ids):
                cuts += 1
        except InvalidParams as error:
            what = f"Word {cuts + 1}, '{sentence[cuts]}'," if cuts < len(ids) else "The end"
            raise InvalidParams(
                f"{what} has probability 0 after '{' '.join(sentence[:cuts])}', so the sentence "
                "has no box.",
                "Write a sentence that the law allows.",
            ) from error
        return self.ariel.encode(ids)

    def decode(self, points: ArrayLike) -> list[Reading]:
        """The sentences in whose boxes points lie.

        Raises:
            InvalidParams: for another shape, or a coordinate outside 0 … 1.
        """
        found = self.ariel.decode_many(checked_points(points, self.dimensions).tolist())
        return [Reading(self.words.words(decoded.tokens), decoded.ended) for decoded in found]
