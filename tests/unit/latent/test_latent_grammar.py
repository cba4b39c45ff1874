"""Counting, reading and refusing grammars; what the toy language holds."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest
from latent_small import dogs, lists, small_toy, written_out

from explorer.core.errors import InvalidParams
from explorer.latent.automaton import Automaton, Weighting
from explorer.latent.grammar import Grammar, Rule
from explorer.latent.notation import grammar_of
from explorer.latent.reading import Reader
from explorer.latent.toy import toy_grammar


def test_the_toy_language_is_as_large_as_promised():
    grammar = toy_grammar()
    assert grammar.derivations == 6_488_672_622_166_376_789_884 > 10**9
    assert len(grammar.vocabulary) == 821
    lengths = grammar.counts.of((grammar.start,))
    assert [n for n in range(4, 21) if lengths[n]] == list(range(4, 21))
    assert len(grammar.rule_names) == 90


def test_no_toy_sentence_has_two_readings_so_derivations_are_sentences():
    assert Automaton(toy_grammar()).ambiguous_sentence() is None


def test_counts_are_those_of_the_language_written_out():
    grammar = small_toy()
    sentences = written_out(grammar)
    assert len(sentences) == len({*sentences}) == grammar.derivations > 10_000
    by_length = Counter(map(len, sentences))
    assert [by_length[n] for n in range(4, 21)] == [*grammar.counts.of((grammar.start,))[4:]]


@pytest.mark.parametrize("make", [dogs, lists])
def test_small_counts(make):
    grammar = make()
    assert grammar.derivations == len(written_out(grammar)) == (32 if make is dogs else 28)


def test_an_ambiguous_sentence_is_found_and_its_readings_counted():
    text = "join 1: s[] -> a s[]\nturn 1: s[] -> s2[] b\nleaf 1: s2[] -> a\nend 1: s[] -> b"
    grammar = grammar_of(text, {}, {})
    assert Automaton(grammar).ambiguous_sentence() == ["a", "b"]
    assert Reader(grammar, ["a", "b"]).readings() == 2
    assert [rule.name for rule in Reader(grammar, ["a", "b"]).rules()] == ["join", "end"]
    assert Reader(grammar, ["b", "b"]).rules() == ()


def test_weights_are_probabilities_and_are_shared_by_size_within_a_line():
    grammar = lists()
    automaton = Automaton(grammar, Weighting.RULES)
    # 2/3 end at once; of 3, 5 or 7 words remain 1/3 * 2/3, 1/9 * 2/3, 1/27 * 2/3
    assert sum(automaton.masses(automaton.start).values()) == 1
    three = grammar.probabilities.of(("list[]",))[3]
    assert three == Fraction(2, 9)
    text = "s 1: s[] -> an[S] word[S]\narticle 1: an[v] -> an\narticle 1: an[c] -> a"
    words = {"word[v]": ("ape",), "word[c]": ("bat", "cat", "dog")}
    shared = grammar_of(text, words, {"S": "vc"})
    assert [rule.weight for rule in shared.by_left["s[]"]] == [Fraction(1, 4), Fraction(3, 4)]


RULE = Rule("r", "s", ("a",))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Grammar("x", (RULE,), {}), "No rule says how to write 'x'"),
        (lambda: Grammar("s", (Rule("r", "s", ()),), {}), "The rule 'r' writes nothing"),
        (lambda: Grammar("s", (Rule("r", "s", ("a",), Fraction(0)),), {}), "weighs 0"),
        (lambda: Grammar("s", (RULE,), {"c": ()}), "'c' is empty"),
        (lambda: Grammar("s", (RULE,), {"s": ("b",)}), "'s' has rules and is a class"),
        (lambda: Grammar("s", (RULE, Rule("q", "s", ("s", "a"))), {}), "s -> s"),
        (lambda: Grammar("s", (Rule("r", "s", ("a", "s")),), {}), "'s' derives nothing"),
        (lambda: Grammar("s", (RULE,), {}, 3, 2), "No sentence has 3 to 2 words"),
        (lambda: grammar_of("nonsense", {}, {}), "Line 1 of the grammar is no rule: 'nonsense'"),
        (lambda: grammar_of("", {}, {}), "No rule says how to write ''"),
        (lambda: grammar_of("r x: s[] -> a", {}, {}), "Line 1 .*'r x: s\\[\\] -> a'"),
        (lambda: grammar_of("r 1: s[] -> b[] a", {}, {}), "how to write"),
    ],
)
def test_what_is_no_grammar_is_refused_in_words(make, said):
    with pytest.raises(InvalidParams, match=said):
        make()


def test_deep_left_recursion_names_the_circle():
    rules = (Rule("r", "s", ("t", "a")), Rule("q", "t", ("s",)), RULE)
    with pytest.raises(InvalidParams, match="s -> t -> s"):
        Grammar("s", rules, {})
