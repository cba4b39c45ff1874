"""Random grammars, random laws, random points: what holds for all of them."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from latent_small import written_out

from explorer.core.errors import InvalidParams
from explorer.latent.ariel import Ariel, Decoded, Edge
from explorer.latent.automaton import Automaton, Weighting
from explorer.latent.grammar import Grammar, Rule
from explorer.latent.judge import Judge
from explorer.latent.laws import FunctionLaws, GrammarLaws
from explorer.latent.reading import Reader
from explorer.latent.space import ArielSpace, Words

WORDS = "abcd"
dimensions = st.integers(1, 64)


@st.composite
def grammars(draw) -> Grammar:
    """Layers of symbols, with repetition on the right now and then; three words in two classes."""
    layers = draw(st.integers(1, 3))
    rules = []
    for layer in range(layers):
        lower = [f"s{n}" for n in range(layer + 1, layers)]
        first = st.sampled_from([*WORDS, "class", *lower])
        rest = st.sampled_from([*WORDS, "class", *lower, f"s{layer}"])
        for number in range(draw(st.integers(1, 3))):
            right = (draw(first), *draw(st.lists(rest, max_size=2)))
            weight = Fraction(draw(st.integers(1, 9)))
            rules.append(Rule(f"r{layer}{number}", f"s{layer}", right, weight))
    try:
        return Grammar("s0", tuple(rules), {"class": ("b", "e")}, 1, draw(st.integers(1, 6)))
    except InvalidParams:
        assume(False)
        raise


@settings(max_examples=150, deadline=None)
@given(grammars())
def test_counts_readings_and_verdicts_are_those_of_the_language(grammar):
    derivations = Counter(written_out(grammar))
    assert grammar.derivations == sum(derivations.values())
    automaton, judge = Automaton(grammar), Judge(grammar)
    double = automaton.ambiguous_sentence()
    assert (double is None) == (max(derivations.values()) == 1)
    for words, readings in list(derivations.items())[:40]:
        assert Reader(grammar, words).readings() == readings
        state, good = automaton.read(words)
        assert (good, automaton.ending(state)) == (len(words), readings)
        assert judge.judge(words).valid


@settings(max_examples=150, deadline=None)
@given(grammars(), st.lists(st.sampled_from([*WORDS, "e", "f"]), max_size=7))
def test_the_judge_names_the_first_word_after_which_nothing_goes_on(grammar, words):
    language = {*written_out(grammar)}
    beginnings = {sentence[:n] for sentence in language for n in range(len(sentence) + 1)}
    verdict = Judge(grammar).judge(words)
    good = max(n for n in range(len(words) + 1) if tuple(words[:n]) in beginnings)
    assert (verdict.valid, verdict.good) == (tuple(words) in language, good)
    if not verdict.valid:
        before = tuple(words[:good])
        follow = {s[good] for s in language if s[:good] == before and len(s) > good}
        assert {word for kind in verdict.expected for word in kind.words} == follow
        assert verdict.reason


@settings(max_examples=100, deadline=None)
@given(grammars(), dimensions, st.sampled_from(Weighting))
def test_every_sentence_of_a_grammar_comes_back(grammar, d, weighting):
    laws = GrammarLaws(Automaton(grammar, weighting))
    ariel = Ariel(laws, d)
    sentences = {*written_out(grammar)}
    boxes = {words: ariel.box(laws.encode(words)) for words in sentences}
    assert sum(box.volume for box in boxes.values()) == 1
    for words in sorted(sentences)[:30]:
        assert laws.words(ariel.decode(boxes[words].centre).tokens) == words


def weights_by_rules(grammar: Grammar) -> dict[tuple[str, ...], Fraction]:
    laws = GrammarLaws(Automaton(grammar, Weighting.RULES))
    ariel = Ariel(laws, 1)
    return {words: ariel.box(laws.encode(words)).volume for words in {*written_out(grammar)}}


@settings(max_examples=80, deadline=None)
@given(grammars())
def test_laws_by_rules_are_the_products_of_their_probabilities(grammar):
    def weight(symbol: str, words: tuple[str, ...]) -> Fraction:
        choices = grammar.choices(symbol)
        if choices is None:
            share = Fraction(1, len(grammar.words(symbol)))
            return share if words in {(word,) for word in grammar.words(symbol)} else Fraction(0)
        return sum((p * row(right, words) for p, right in choices), Fraction(0))

    def row(right: tuple[str, ...], words: tuple[str, ...]) -> Fraction:
        if len(right) == 1:
            return weight(right[0], words)
        cuts = range(1, len(words) - len(right) + 2)
        heads = ((weight(right[0], words[:n]), n) for n in cuts)
        return sum((p * row(right[1:], words[n:]) for p, n in heads if p), Fraction(0))

    sentences = {*written_out(grammar)}
    assume(len(sentences) < 200)
    products = {words: weight(grammar.start, words) for words in sentences}
    whole = sum(products.values())
    assert weights_by_rules(grammar) == {words: p / whole for words, p in products.items()}


@st.composite
def tables(draw) -> FunctionLaws:
    """Laws of six tokens that depend on the last one, with zeros; every token can be left."""
    rows = []
    for _ in range(6):
        row = draw(st.lists(st.integers(0, 2**40) | st.just(0), min_size=6, max_size=6))
        rows.append({**dict(enumerate(row)), 0: row[0] + 1})
    return FunctionLaws(lambda history: rows[history[-1] if history else 0], 6)


@settings(max_examples=150, deadline=None)
@given(tables(), dimensions, st.data())
def test_every_possible_sentence_of_a_random_law_comes_back(laws, d, data):
    tokens, place = [], laws.start
    for choice in data.draw(st.lists(st.integers(0, 5), max_size=200)):
        possible = [int(i) for i in laws.laws([place])[0].ids if i != laws.end_id]
        if not possible:
            break
        tokens.append(possible[choice % len(possible)])
        place = laws.after(place, tokens[-1])
    ariel = Ariel(laws, d)
    box = ariel.box(tokens)
    assert ariel.decode(box.centre) == Decoded(tuple(tokens), True)
    assert ariel.decode(box.low) == Decoded(tuple(tokens), True)
    probability = Fraction(1)
    for cut in ariel.cuts(tokens):
        probability *= Fraction(cut.own, cut.total)
    assert box.volume == probability


@settings(max_examples=150, deadline=None)
@given(tables(), st.integers(1, 5), st.sampled_from(Edge), st.data())
def test_every_point_lies_in_the_box_of_what_it_says(laws, d, edge, data):
    coordinate = st.floats(0, 1) | st.fractions(0, 1, max_denominator=999) | st.integers(0, 1)
    points = data.draw(st.lists(st.lists(coordinate, min_size=d, max_size=d), max_size=5))
    ariel = Ariel(laws, d, max_tokens=20, edge=edge)
    for point, decoded in zip(points, ariel.decode_many(points), strict=True):
        box = ariel.box(decoded.tokens, ended=decoded.ended)
        assert ariel.decode(point) == decoded
        for z, low, high in zip(point, box.low, box.high, strict=True):
            assert low <= z <= high
        if edge is Edge.ABOVE:
            assert box.holds(tuple(point)) or 1 in point
        if all(isinstance(z, float) for z in point):
            assert 0 <= ariel.certain_tokens(point, decoded) <= len(decoded.tokens) + 1


@pytest.mark.parametrize("weighting", Weighting)
def test_a_grammar_of_one_sentence_fills_the_cube(weighting):
    grammar = Grammar("s", (Rule("only", "s", ("a", "b")),), {})
    laws = GrammarLaws(Automaton(grammar, weighting))
    ariel = Ariel(laws, 3)
    assert ariel.box((1, 2)).volume == 1
    assert {d.tokens for d in ariel.decode_many([[0, 0, 0], [1, 1, 1], [0.5, 0, 1]])} == {(1, 2)}


@settings(max_examples=80, deadline=None)
@given(grammars(), dimensions, st.data())
def test_spaces_of_random_grammars_give_sentences_back_and_corners_sentences(grammar, d, data):
    laws = GrammarLaws(Automaton(grammar, Weighting.RULES))
    space = ArielSpace(laws, Words(grammar.vocabulary), d)
    sentences = sorted({*written_out(grammar)})[:30]
    codes = space.encode(sentences)
    assert [reading.words for reading in space.decode(codes)] == sentences
    for code, words in zip(codes, sentences, strict=True):
        # A dimension beyond the last token, the end included, is not cut: its middle.
        assert all(code[len(words) + 1 :] == 0.5)
    corner = data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=d, max_size=d))
    [reading] = space.decode([corner])
    assert reading.ended
    assert space.ariel.box(space.ids(reading.words)).holds(tuple(map(Fraction, corner)))
    assert Judge(grammar).judge(reading.words).valid
