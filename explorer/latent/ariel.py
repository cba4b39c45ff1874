"""AriEL: a sentence is a box of the unit cube, and a point is the sentence whose box holds it.

Dimension j mod d is cut at token j into intervals as long as the tokens are likely; so the
volume of a sentence's box is its probability, its end included, and points spread evenly over
the cube give the law of the sentences. Everything is computed with whole numbers of any size:
what is encoded is decoded again, however long it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Generic

from explorer.core.errors import InvalidParams
from explorer.latent.box import Box
from explorer.latent.law import Law
from explorer.latent.laws import Place, TokenLaws
from explorer.latent.points import (
    Coordinate,
    Point,
    checked_dimensions,
    ratios,
    rounding_cell,
)

MAX_TOKENS = 200


class Edge(StrEnum):
    """To which side a point on the edge between two tokens belongs."""

    ABOVE = "above"
    """Intervals hold their lower end; the last also its upper one."""
    BELOW = "below"
    """Intervals hold their upper end; the first also its lower one: as in the authors' code."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a point says.

    Attributes:
        tokens: without the end.
        ended: False where the limit on tokens came before the end.
    """

    tokens: tuple[int, ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """What one token does to the box.

    Attributes:
        token_id: the token.
        dimension: the one that is cut.
        below: frequencies of the tokens below it, of `total`.
        own: its frequency.
        total: of all frequencies.
    """

    token_id: int
    dimension: int
    below: int
    own: int
    total: int


@dataclass(slots=True)
class _Walker(Generic[Place]):
    """One point on its way: its place within the box so far is above[k] / whole[k]."""

    number: int
    place: Place
    above: list[int]
    whole: list[int]
    tokens: list[int]


class Ariel(Generic[Place]):
    """The map between points of the unit cube and sentences.

    Source: Celotti, Brodeur, Rouat, "AriEL: Volume Coding for Sentence Generation",
        arXiv:2003.13600.
    Oracle: the authors' encoder and decoder (golden numbers); chi-square against the law.
    Differs: half-open intervals instead of closed ones, unless `Edge.BELOW` is asked for; no
        coordinate is ever rounded.

    Args:
        laws: of the next token.
        dimensions: of the cube, 1 … 64.
        max_tokens: longest sentence, its end not counted.
        edge: to which side a point on an edge belongs.

    Raises:
        InvalidParams: for dimensions or a length that cannot be used.
    """

    def __init__(
        self,
        laws: TokenLaws[Place],
        dimensions: int,
        *,
        max_tokens: int = MAX_TOKENS,
        edge: Edge = Edge.ABOVE,
    ) -> None:
        self.laws, self.dimensions = laws, checked_dimensions(dimensions)
        if max_tokens < 1:
            raise InvalidParams(f"Sentences of {max_tokens} tokens say nothing.", "Use 1 or more.")
        self.max_tokens, self.edge = max_tokens, edge

    def cuts(self, tokens: Sequence[int], *, ended: bool = True) -> Iterator[Cut]:
        """What each token does to the box, in order; the end too, unless `ended` is False.

        Raises:
            InvalidParams: for too many tokens, an unknown one, one that ends the sentence too
                early, or one that cannot stand where it stands.
        """
        if len(tokens) > self.max_tokens:
            raise InvalidParams(
                f"The sentence has {len(tokens)} tokens, more than {self.max_tokens}.",
                "Shorten it.",
            )
        place = self.laws.start
        whole = [*tokens, self.laws.end_id] if ended else list(tokens)
        for number, token_id in enumerate(whole):
            if token_id == self.laws.end_id and number < len(tokens):
                raise InvalidParams(
                    f"Token {number + 1} of {len(tokens)} is the end of a sentence.",
                    "Leave the end out: it is added behind the last token.",
                )
            law = self.laws.laws([place])[0]
            below, own = law.share(token_id)
            if not own:
                raise self._impossible(token_id, number, number == len(tokens))
            yield Cut(token_id, number % self.dimensions, below, own, law.total)
            if number + 1 < len(whole):
                place = self.laws.after(place, token_id)

    def box(self, tokens: Sequence[int], *, ended: bool = True) -> Box:
        """The box of a sentence; of everything that begins so where `ended` is False.

        Its volume is the probability of the tokens (and of the end behind them).

        Raises:
            InvalidParams: as `cuts`.
        """
        lows, widths, wholes = ([n] * self.dimensions for n in (0, 1, 1))
        for cut in self.cuts(tokens, ended=ended):
            k = cut.dimension
            lows[k] = lows[k] * cut.total + cut.below * widths[k]
            widths[k] *= cut.own
            wholes[k] *= cut.total
        return Box(
            tuple(map(Fraction, lows, wholes)),
            tuple(map(Fraction, widths, wholes)),
        )

    def encode(self, tokens: Sequence[int]) -> Point:
        """The centre of a sentence's box, exactly.

        Raises:
            InvalidParams: as `cuts`.
        """
        return self.box(tokens).centre

    def decode(self, point: Sequence[Coordinate]) -> Decoded:
        """The sentence whose box holds a point.

        Raises:
            InvalidParams: for a point that is none of the cube.
        """
        return self.decode_many([point])[0]

    def decode_many(self, points: Sequence[Sequence[Coordinate]]) -> list[Decoded]:
        """The sentences of many points: the same as one by one, each law asked for once a step.

        Points at the same place of the language go on together, whatever led them there.

        Raises:
            InvalidParams: for a point that is none of the cube; nothing is decoded then.
        """
        walkers = []
        for number, point in enumerate(points):
            above, whole = map(list, zip(*ratios(point, self.dimensions), strict=True))
            walkers.append(_Walker(number, self.laws.start, above, whole, []))
        block = self.laws.together or len(walkers)
        if block < len(walkers):
            # Neighbours begin alike: the laws that one computed are at hand for the next.
            walkers.sort(key=lambda w: [a / b for a, b in zip(w.above, w.whole, strict=True)])
        found: dict[int, Decoded] = {}
        for first in range(0, len(walkers), max(1, block)):
            found.update(self._walk(walkers[first : first + block]))
        return [found[number] for number in range(len(walkers))]

    def certain_tokens(self, point: Sequence[float], decoded: Decoded) -> int:
        """How many of a point's tokens float64 can tell: rounding the point changes none of them.

        A float64 has 53 bits: once a box is narrower than the gap between two floats, the digits
        that would choose the next token are not there, and the point reads on in zeros. That is
        some 53 bits of text a dimension; more dimensions carry more, a `Fraction` all.

        Args:
            point: floats.
            decoded: what the point says.

        Returns:
            From 0 to the number of its tokens, the end counted where it was reached.
        """
        ratios(point, self.dimensions)
        lows, highs = map(list, rounding_cell(point))
        number = 0
        for cut in self.cuts(decoded.tokens, ended=decoded.ended):
            k = cut.dimension
            # Zoom in on the token; the cell has to stay inside.
            low, high = lows[k] * cut.total - cut.below, highs[k] * cut.total - cut.below
            if low < 0 or high > cut.own:
                return number
            lows[k], highs[k] = low / cut.own, high / cut.own
            number += 1
        return number

    def _walk(self, walkers: list[_Walker[Place]]) -> Iterator[tuple[int, Decoded]]:
        for step in range(self.max_tokens + 1):
            together: dict[Place, list[_Walker[Place]]] = defaultdict(list)
            for walker in walkers:
                together[walker.place].append(walker)
            laws = self.laws.laws(list(together))
            walkers = []
            for (place, group), law in zip(together.items(), laws, strict=True):
                for token_id, chosen in self._split(law, group, step % self.dimensions).items():
                    if token_id == self.laws.end_id:
                        yield from ((w.number, Decoded(tuple(w.tokens), True)) for w in chosen)
                    elif step == self.max_tokens:
                        yield from ((w.number, Decoded(tuple(w.tokens), False)) for w in chosen)
                    else:
                        following = self.laws.after(place, token_id)
                        for walker in chosen:
                            walker.place = following
                            walker.tokens.append(token_id)
                        walkers += chosen
            if not walkers:
                return

    def _split(
        self, law: Law, group: list[_Walker[Place]], k: int
    ) -> dict[int, list[_Walker[Place]]]:
        """Who chooses which token; everybody's coordinate k is zoomed into."""
        chosen: dict[int, list[_Walker[Place]]] = defaultdict(list)
        below_edge = self.edge is Edge.BELOW
        for walker in group:
            scaled, whole = walker.above[k] * law.total, walker.whole[k]
            # The place on the scale 0 … total; on an edge between two, the one below if asked.
            place = law.find(max(0, -(-scaled // whole) - 1) if below_edge else scaled // whole)
            below, own = law.at(place)
            walker.above[k], walker.whole[k] = scaled - below * whole, whole * own
            chosen[int(law.ids[place])].append(walker)
        return chosen

    def _impossible(self, token_id: int, number: int, is_end: bool) -> InvalidParams:
        if not 0 <= token_id < self.laws.vocab_size:
            return InvalidParams(
                f"Token {number + 1} has id {token_id}, of {self.laws.vocab_size}.",
                f"Use ids from 0 to {self.laws.vocab_size - 1}.",
            )
        what = "The end of the sentence" if is_end else f"Token {number + 1} (id {token_id})"
        return InvalidParams(
            f"{what} has probability 0 after the {number} tokens before it, so it has no box.",
            "Choose a sentence that the law allows.",
        )
