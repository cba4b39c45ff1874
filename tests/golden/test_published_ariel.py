"""AriEL against numbers of the authors' own code (published.json; sources stand there)."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from latent_small import dogs, written_out

from explorer.latent.ariel import Ariel, Edge
from explorer.latent.automaton import Automaton, Weighting
from explorer.latent.laws import FunctionLaws, GrammarLaws

GOLDEN = json.loads((Path(__file__).parent / "published.json").read_text())
LAWS = GrammarLaws(Automaton(dogs(), Weighting.WORDS))


@pytest.mark.parametrize("name", [name for name in GOLDEN if name.startswith("ariel_encode")])
@pytest.mark.parametrize("edge", Edge)
def test_encode(name, edge):
    case = GOLDEN[name]
    given, expected = case["inputs"], case["expected"]
    ariel = Ariel(LAWS, given["d"], edge=edge)
    tokens = LAWS.encode(given["sentence"].split())
    point = ariel.encode(tokens)
    assert [float(z) for z in point] == pytest.approx(expected["z"], abs=case["tolerance"])
    assert (ariel.decode(expected["z"]).tokens == tokens) is expected["roundtrip"]


def test_decode_points():
    case = GOLDEN["ariel_decode_points_d2"]
    ariel = Ariel(LAWS, case["inputs"]["d"], edge=Edge.BELOW)
    found = [" ".join(LAWS.words(d.tokens)) for d in ariel.decode_many(case["inputs"]["points"])]
    assert found == case["expected"]["sentences"]


def test_decode_points_with_half_open_intervals_differ_on_edges_only():
    case = GOLDEN["ariel_decode_points_d2"]
    points = case["inputs"]["points"]
    ariel = Ariel(LAWS, 2)
    found = [" ".join(LAWS.words(d.tokens)) for d in ariel.decode_many(points)]
    other = [
        p for p, a, b in zip(points, found, case["expected"]["sentences"], strict=True) if a != b
    ]
    assert other == [[0.5, 0.5]]


def test_coverage_falls_with_coarse_coordinates():
    """The authors' `coverage`: with d = 1 and one decimal 11 of the 32 sentences come back."""
    ariel = Ariel(LAWS, 1, edge=Edge.BELOW)
    kept = whole = 0
    for words in written_out(dogs()):
        tokens = LAWS.encode(words)
        point = ariel.encode(tokens)
        whole += ariel.decode(point).tokens == tokens
        kept += ariel.decode([round(z, 1) for z in point]).tokens == tokens
    assert (whole, kept / 32) == (32, 0.34375)


# The table whose sentences have the probabilities of the golden numbers: 0 is the end, A, B.
TABLE = {0: (2, 5, 3), 1: (3, 1, 6), 2: (1, 7, 2)}


def sentence(text: str) -> list[int]:
    return ["AB".index(letter) + 1 for letter in text.split()[:-1]]


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_table_and_uniform_sampling(dimensions):
    case = GOLDEN["ariel_uniform_sampling"]
    laws = FunctionLaws(lambda h: dict(enumerate(TABLE[h[-1] if h else 0])), 3)
    ariel = Ariel(laws, dimensions)
    points = np.random.default_rng(0).random((6000, dimensions)).tolist()
    observed = Counter(decoded.tokens for decoded in ariel.decode_many(points))
    for text, probability in case["expected"]["probabilities"].items():
        tokens = tuple(sentence(text))
        assert ariel.box(tokens).volume == Fraction(str(probability))
        # a tenth of the golden number of points: deviations grow by the root of ten
        assert observed[tokens] / 6000 == pytest.approx(probability, abs=3.2 * case["tolerance"])
