"""Boxes, volumes, points on edges, long sentences, the precision of floats, many points."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from latent_small import chi_square, dogs, written_out

from explorer.core.errors import InvalidParams
from explorer.latent.ariel import Ariel, Decoded, Edge
from explorer.latent.automaton import Automaton, Weighting
from explorer.latent.laws import FunctionLaws, GrammarLaws, Recent, Reordered
from explorer.latent.sampling import samples
from explorer.latent.toy import toy_grammar

END, A, B = 0, 1, 2
TABLE = {(): {A: 5, B: 3, END: 2}, A: {END: 3, B: 6, A: 1}, B: {END: 1, A: 7, B: 2}}


def table_laws() -> FunctionLaws:
    return FunctionLaws(lambda history: TABLE[history[-1] if history else ()], 3)


def irregular(history):
    """A law of 40 tokens with zeros, a function of the last tokens; the end never certain."""
    rng = np.random.default_rng([len(history), *history[-3:]])
    frequencies = np.floor(rng.pareto(0.7, 40) * rng.integers(0, 2, 40)).astype(int)
    return {0: 1, 5: 1} | {token: int(n) for token, n in enumerate(frequencies) if n}


def long_sentence(laws, length, seed=0):
    rng, tokens, place = np.random.default_rng(seed), [], laws.start
    while len(tokens) < length:
        law = laws.laws([place])[0]
        token = int(law.ids[rng.integers(len(law))])
        if token != laws.end_id:
            tokens.append(token)
            place = laws.after(place, token)
    return tuple(tokens)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 7])
def test_the_volume_is_the_probability_with_the_end(dimensions):
    ariel = Ariel(table_laws(), dimensions)
    assert ariel.box([A, B, A]).volume == Fraction(63, 1000)
    assert ariel.box([]).volume == Fraction(1, 5)
    assert ariel.box([A, B], ended=False).volume == Fraction(3, 10)
    assert ariel.box([A, B, A]).bits == pytest.approx(-math.log2(0.063))
    assert sum(ariel.box([A, B, A]).bits_by_dimension) == ariel.box([A, B, A]).bits


def test_the_box_of_the_table_by_hand():
    # order: the end, A, B; A takes [2/10, 7/10), then B [4/10, 1) of dimension 2, A [1/10, 8/10)
    box = Ariel(table_laws(), 2).box([A, B, A])
    assert box.low == (Fraction(1, 5) + Fraction(1, 2) * Fraction(1, 10), Fraction(2, 5))
    assert box.high[0] == Fraction(1, 5) + Fraction(1, 2) * Fraction(8, 10)
    assert box.width[1] == Fraction(6, 10) * Fraction(3, 10)
    assert box.holds(box.centre)
    assert box.holds(box.low)
    assert not box.holds(box.high)


@pytest.mark.parametrize("dimensions", [1, 2, 5])
def test_boxes_tile_the_cube(dimensions):
    laws = GrammarLaws(Automaton(dogs(), Weighting.RULES))
    ariel = Ariel(laws, dimensions)
    boxes = [ariel.box(laws.encode(words)) for words in written_out(dogs())]
    assert sum(box.volume for box in boxes) == 1
    for one, two in itertools.combinations(boxes, 2):
        pairs = zip(one.low, one.high, two.low, two.high, strict=True)
        assert any(high <= other or top <= low for low, high, other, top in pairs)


@pytest.mark.parametrize("dimensions", [1, 2, 16, 64])
@pytest.mark.parametrize("length", [0, 1, 3, 64, 200])
def test_two_hundred_tokens_come_back(dimensions, length):
    laws = FunctionLaws(irregular, 40)
    tokens = long_sentence(laws, length)
    ariel = Ariel(laws, dimensions)
    box = ariel.box(tokens)
    assert ariel.decode(box.centre) == Decoded(tokens, True)
    assert ariel.decode(box.low) == Decoded(tokens, True)
    assert Ariel(laws, dimensions, edge=Edge.BELOW).decode(box.high) == Decoded(tokens, True)
    assert ariel.decode_many([box.centre] * 2) == [Decoded(tokens, True)] * 2


def test_more_dimensions_than_tokens_leave_the_others_whole():
    box = Ariel(table_laws(), 64).box([A])
    assert box.width[2:] == (1,) * 62
    assert box.centre[2:] == (Fraction(1, 2),) * 62
    assert Ariel(table_laws(), 64).decode([*box.centre[:2], *[0.999] * 62]).tokens == (A,)


@pytest.mark.parametrize("dimensions", [1, 2, 64])
def test_the_corners_of_the_cube_are_read(dimensions):
    ariel = Ariel(table_laws(), dimensions, max_tokens=9)
    assert ariel.decode([0] * dimensions) == Decoded((), True)
    assert ariel.decode([1.0] * dimensions) == Decoded((B,) * 9, False)
    below = Ariel(table_laws(), dimensions, max_tokens=9, edge=Edge.BELOW)
    assert below.decode([0.0] * dimensions) == Decoded((), True)
    assert below.decode([1] * dimensions) == Decoded((B,) * 9, False)


def test_on_an_edge_the_side_is_the_one_asked_for():
    edge = [Fraction(7, 10), Fraction(1, 20)]
    assert Ariel(table_laws(), 2).decode(edge).tokens[:1] == (B,)
    assert Ariel(table_laws(), 2, edge=Edge.BELOW).decode(edge).tokens[:1] == (A,)


def test_tokens_of_probability_zero_are_never_chosen_and_have_no_box():
    laws = FunctionLaws(lambda h: {0: 0, 1: 2, 2: 0, 3: 2} if not h else {0: 1}, 5)
    ariel = Ariel(laws, 1)
    points = [[Fraction(n, 64)] for n in range(65)]
    assert {d.tokens for d in ariel.decode_many(points)} == {(1,), (3,)}
    with pytest.raises(InvalidParams, match=r"Token 1 \(id 2\) has probability 0"):
        ariel.encode([2])
    with pytest.raises(InvalidParams, match="The end of the sentence has probability 0"):
        ariel.encode([])


def test_the_same_law_gives_the_same_boxes_at_every_call(toy_laws):
    tokens = [toy_laws[Weighting.RULES].encode(["is", "it", "a", "red", "ball"])] * 2
    fresh = GrammarLaws(Automaton(toy_grammar(), Weighting.RULES))
    boxes = [Ariel(laws, 3).box(t) for laws in (toy_laws[Weighting.RULES], fresh) for t in tokens]
    assert len({*boxes}) == 1


@pytest.mark.parametrize("weighting", Weighting)
@pytest.mark.parametrize("dimensions", [1, 2, 16])
def test_toy_sentences_come_back(toy_laws, weighting, dimensions):
    laws = toy_laws[weighting]
    ariel = Ariel(laws, dimensions)
    drawn = samples(Automaton(toy_grammar(), Weighting.RULES), 5, 60)
    for tokens in {laws.encode(words) for words in drawn}:
        assert ariel.decode(ariel.encode(tokens)) == Decoded(tokens, True)


def test_all_toy_sentences_are_alike_where_sentences_are_counted(toy_laws):
    ariel = Ariel(toy_laws[Weighting.SENTENCES], 2)
    for text in ("is it a red ball", "the ball that is on the table is not heavier than this sofa"):
        box = ariel.box(toy_laws[Weighting.SENTENCES].encode(text.split()))
        assert box.volume == Fraction(1, toy_grammar().derivations)


@pytest.mark.parametrize("dimensions", [1, 2])
@pytest.mark.parametrize("weighting", Weighting)
def test_even_points_are_ancestral_samples(weighting, dimensions):
    laws = GrammarLaws(Automaton(dogs(), weighting))
    ariel = Ariel(laws, dimensions)
    points = np.random.default_rng(2).random((8000, dimensions)).tolist()
    found = Counter(decoded.tokens for decoded in ariel.decode_many(points))
    drawn = Counter(map(laws.encode, samples(Automaton(dogs(), weighting), 1, 8000)))
    expected = {tokens: 8000 * float(ariel.box(tokens).volume) for tokens in {*found, *drawn}}
    assert sum(expected.values()) == pytest.approx(8000)
    for observed in (found, drawn):
        statistic, limit = chi_square(observed, expected)
        assert statistic < limit


def test_many_points_are_read_as_one_by_one(toy_laws):
    ariel = Ariel(toy_laws[Weighting.WORDS], 2)
    points = np.random.default_rng(0).random((200, 2)).tolist()
    assert ariel.decode_many(points) == [ariel.decode(point) for point in points]
    assert ariel.decode_many([]) == []


def test_points_at_one_place_ask_for_its_law_once():
    asked = Counter()

    def law(history):
        asked[history] += 1
        return TABLE[history[-1] if history else ()]

    laws = FunctionLaws(law, 3, recent=1)
    Ariel(laws, 2, max_tokens=4).decode_many(np.random.default_rng(0).random((500, 2)).tolist())
    assert max(asked.values()) == 1


def test_a_float_tells_some_tokens_and_says_how_many():
    laws = FunctionLaws(irregular, 40)
    tokens = long_sentence(laws, 60)
    for dimensions in (1, 2, 16, 64):
        ariel = Ariel(laws, dimensions)
        rounded = [float(z) for z in ariel.encode(tokens)]
        decoded = ariel.decode(rounded)
        certain = ariel.certain_tokens(rounded, decoded)
        assert decoded.tokens[: min(certain, 60)] == tokens[:certain]
        bits = max(ariel.box(tokens[:certain], ended=False).bits_by_dimension)
        assert bits < 70
        if dimensions == 64:
            assert (certain, decoded.tokens) == (61, tokens)
        if dimensions == 1:
            assert certain < 60


def test_a_toy_sentence_fits_two_floats(toy_laws):
    laws = toy_laws[Weighting.SENTENCES]
    ariel = Ariel(laws, 2)
    for point in np.random.default_rng(4).random((50, 2)).tolist():
        decoded = ariel.decode(point)
        assert ariel.certain_tokens(point, decoded) == len(decoded.tokens) + 1
        assert ariel.decode([float(z) for z in ariel.encode(decoded.tokens)]) == decoded


def test_a_text_without_an_end_has_certain_tokens_too():
    laws = FunctionLaws(lambda _: {1: 1, 2: 1}, 3)
    ariel = Ariel(laws, 1, max_tokens=70)
    decoded = ariel.decode([0.3])
    assert not decoded.ended
    # Floats near 0.3 are 2^-54 apart: a cell that wide lies across the edges of 54 halvings.
    assert ariel.certain_tokens([0.3], decoded) == 53


def test_another_order_moves_boxes_and_keeps_volumes():
    laws = Reordered(table_laws(), [B, END, A])
    ariel, plain = Ariel(laws, 2), Ariel(table_laws(), 2)
    box = ariel.box([A, B])
    assert box.volume == plain.box([A, B]).volume
    assert box.low != plain.box([A, B]).low
    assert ariel.decode([0, 0.9]).tokens[:1] == (B,)
    assert ariel.decode(box.centre).tokens == (A, B)
    with pytest.raises(InvalidParams, match="An order of 2 ids is none of 3 tokens"):
        Reordered(table_laws(), [0, 1])


def test_laws_that_were_not_used_are_forgotten():
    recent = Recent(2)
    law = table_laws().laws([()])[0]
    for place in ("a", "b"):
        recent.put(place, law)
    recent.get("a")
    recent.put("c", law)
    assert (recent.get("b"), recent.get("a"), len(recent)) == (None, law, 2)


@pytest.mark.parametrize(
    ("point", "said"),
    [
        ([0.5], "The point has 1 coordinates, the space 2 dimensions"),
        ([], "has 0 coordinates"),
        ([0.5, math.nan], "Coordinate 2 of the point is nan"),
        ([math.inf, 0.5], "Coordinate 1 of the point is inf"),
        ([0.5, -1e-300], "Coordinate 2"),
        ([Fraction(3, 2), 0], r"Coordinate 1 of the point is Fraction\(3, 2\)"),
        (["0.5", 0.5], "Coordinate 1 of the point is '0.5'"),
        ([None, 0.5], "Coordinate 1 of the point is None"),
        ([True, 0.5], "Coordinate 1 of the point is True"),
    ],
)
def test_what_is_no_point_is_refused(point, said):
    with pytest.raises(InvalidParams, match=said):
        Ariel(table_laws(), 2).decode(point)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: Ariel(table_laws(), 0), "A space of 0 dimensions"),
        (lambda: Ariel(table_laws(), 65), "Use 1 to 64 dimensions"),
        (lambda: Ariel(table_laws(), 1.5), "A space of 1.5 dimensions"),
        (lambda: Ariel(table_laws(), True), "A space of True dimensions"),
        (lambda: Ariel(table_laws(), 2, max_tokens=0), "Sentences of 0 tokens"),
        (lambda: Ariel(table_laws(), 2).encode([A] * 500), "500 tokens, more than 200"),
        (lambda: Ariel(table_laws(), 2).encode([A, END, A]), "Token 2 of 3 is the end"),
        (lambda: Ariel(table_laws(), 2).encode([A, 9]), "Token 2 has id 9, of 3"),
        (lambda: Ariel(table_laws(), 2).encode([-1]), "Token 1 has id -1"),
    ],
)
def test_what_cannot_be_encoded_is_refused(call, said):
    with pytest.raises(InvalidParams, match=said):
        call()


def test_unknown_words_are_named(toy_laws):
    laws = toy_laws[Weighting.WORDS]
    with pytest.raises(InvalidParams, match="Word 2, 'zebra', is no word of this language"):
        laws.encode(["is", "zebra"])
    assert laws.words(laws.encode(["is", "it"])) == ("is", "it")


def test_numpy_coordinates_are_numbers():
    point = np.array([0.25, 1], dtype=np.float32)
    assert Ariel(table_laws(), 2).decode([*point]) == Ariel(table_laws(), 2).decode([0.25, 1])
