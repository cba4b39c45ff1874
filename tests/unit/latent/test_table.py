"""The table: shares with intervals, figures counted by hand, and a run of the whole."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from latent_nets import VOCABULARY, space_of

from explorer.cli.latent_table import as_json, as_markdown, as_text
from explorer.core.errors import InvalidParams
from explorer.core.intervals import covered, pooled, wilson
from explorer.latent.language import Language, digest_of, language
from explorer.latent.sampling import is_held_out
from explorer.latent.space import Reading
from explorer.latent.spaces import load_space
from explorer.latent.table import (
    drawn,
    exactly,
    held_out_sentences,
    measure,
    read_turns,
    return_figures,
    sampling_figures,
    usual_figure,
)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_wilson_intervals_are_the_published_ones(hits, n, low, high):
    found = wilson(hits, n)
    assert (round(found.low, 4), round(found.high, 4), found.n) == (low, high, n)


def test_shares_of_nothing_are_refused():
    for call in (lambda: wilson(0, 0), lambda: pooled([], []), lambda: covered([], 5)):
        with pytest.raises(InvalidParams):
            call()


def test_jackknife_intervals_hold_the_truth_about_as_often_as_they_say():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        sizes = random.integers(2, 10, 60)
        hits = random.binomial(sizes, random.beta(3, 2, 60))  # words of a sentence are alike
        found = pooled(hits.tolist(), sizes.tolist())
        held += found.low <= 0.6 <= found.high
    assert 0.88 < held / 300 <= 1


def test_kinds_are_counted_once_and_an_interval_of_repeats_has_no_width():
    once = covered([("a",), ("b",), ("a",), ("b",)], 4)
    assert (once.value, once.low, once.high) == (0.5, 0.5, 0.5)
    fresh = covered([(str(i),) for i in range(10)], 10)
    assert (fresh.value, fresh.low) == (1.0, 1.0)
    mixed = covered([("a",), ("a",), ("b",), ("c",)], 4)
    assert mixed.low < mixed.value == 0.75 < mixed.high


def test_figures_of_points_are_what_one_counts_by_hand():
    toy = language("toy")
    ball, lamp = ("is", "it", "a", "ball"), ("is", "it", "a", "lamp")
    spoken = dataclasses.replace(toy, seen=np.array([digest_of(ball)], np.uint64))
    readings = [
        Reading(ball, True),
        Reading(ball, True),
        Reading(lamp, True),
        Reading(lamp, False),  # cut off: no sentence, whatever its words
        Reading(("lamp", "is"), True),
    ]
    found = {name: figure.value for name, figure in sampling_figures(spoken, readings).items()}
    rules = len(set(toy.judge.judge(ball).rules) | set(toy.judge.judge(lamp).rules))
    assert found == {
        "valid": 3 / 5,
        "unique": 3 / 5,
        "novel": 3 / 5,
        "valid_unique": 2 / 5,
        "valid_novel": 1 / 5,
        "rules": rules / len(toy.judge.grammar.rule_names),
        "vocabulary": 5 / 821,
    }


def test_a_space_without_a_valid_sentence_covers_no_rule():
    found = sampling_figures(language("toy"), [Reading(("lamp",), True)])
    assert found["rules"].value == found["valid"].value == found["valid_unique"].value == 0


def test_sentences_come_back_from_ariel_and_words_are_counted_in_place():
    space, sentences = load_space("toy", "ariel", 16), held_out_sentences(language("toy"), 40)
    found = return_figures(space, sentences)
    assert {name: figure.value for name, figure in found.items()} == dict.fromkeys(
        ("reconstructed", "tokens", "predicted"), 1.0
    )
    assert exactly(space, sentences).value == 1


def test_one_float_cannot_hold_a_long_sentence_but_a_fraction_can():
    judge, narrow = language("toy").judge, load_space("toy", "ariel", 1)
    text = "two tiny grey belts that are under the present are between these tall green maps"
    long = [(*text.split(), "and", "every", "tall", "brown", "pan")]
    assert judge is not None
    assert judge.judge(long[0]).valid
    found = return_figures(narrow, long)
    assert found["reconstructed"].value == 0
    assert 0.4 < found["predicted"].value <= found["tokens"].value < 1
    assert exactly(narrow, long).value == 1
    assert return_figures(load_space("toy", "ariel", 16), long)["reconstructed"].value == 1


def test_a_trained_space_is_scored_by_its_own_law(tmp_path):
    space = space_of(tmp_path, "ae")
    sentences = [("a", "b", "c"), ("k",), tuple("abcdef")]
    found = return_figures(space, sentences)
    hits, _ = space.told(sentences)
    assert found["predicted"].value == sum(int(h.sum()) for h in hits) / 13
    back = [r.words for r in space.decode(space.encode(sentences))]
    same = sum(r == s for r, s in zip(back, sentences, strict=True))
    assert found["reconstructed"].value == same / 3


def test_points_fill_the_box_or_follow_the_prior(tmp_path):
    vae, ae = space_of(tmp_path, "vae"), space_of(tmp_path, "ae")
    inside = drawn(vae, 2000, "uniform", 0)
    assert (inside >= vae.low).all()
    assert (inside <= vae.high).all()
    assert inside.std(0) == pytest.approx(2 / 12**0.5, rel=0.05)
    assert drawn(vae, 2000, "prior", 0).std(0) == pytest.approx(1, rel=0.1)
    assert (drawn(ae, 10, "prior", 0) == drawn(ae, 10, "uniform", 0)).all()
    assert (drawn(vae, 5, "uniform", 3) == drawn(vae, 5, "uniform", 3)).all()
    for count, how in ((0, "uniform"), (5, "sideways")):
        with pytest.raises(InvalidParams):
            drawn(vae, count, how, 0)


def test_usual_sentences_are_those_that_surprise_no_more_than_held_out_ones():
    dialogue = language("dialogue")
    turns = held_out_sentences(dialogue)
    own = usual_figure(dialogue, [Reading(turn, True) for turn in turns], turns)
    assert own.value == pytest.approx(0.95, abs=0.01)
    odd = [Reading(tuple(reversed(turn)), True) for turn in turns]
    assert usual_figure(dialogue, [*odd, Reading((), True)], turns).value < 0.3


def test_held_out_sentences_were_in_no_training():
    toy, dialogue = language("toy"), language("dialogue")
    for sentence in held_out_sentences(toy, 50):
        assert is_held_out(sentence)
        assert toy.is_novel(sentence)
    turns = held_out_sentences(dialogue)
    assert len(turns) >= 150
    known = set(dialogue.vocabulary)
    assert all(dialogue.is_novel(turn) and known.issuperset(turn) for turn in turns)
    assert all(2 <= len(turn) <= 12 for turn in turns)


def test_typed_turns_are_kept_where_all_words_are_known():
    dialogue = language("dialogue")
    lines = ["Is it red?", "is it red ?", "", "Is it a xyzzy?", "yes " * 13]
    assert read_turns(dialogue, lines) == [("is", "it", "red", "?")]
    kept = read_turns(language("toy"), ["is it a ball", "ball a it is", "is it it a ball"])
    assert kept == [("is", "it", "a", "ball")]
    with pytest.raises(InvalidParams, match="none is one"):
        read_turns(dialogue, ["xyzzy"])


def test_the_whole_table_has_a_row_for_every_space(monkeypatch, tmp_path):
    toy = language("toy")
    small = Language("toy", "small", VOCABULARY, toy.split, toy.judge)
    made = {(kind, 2): space_of(tmp_path, kind) for kind in ("vae", "ae")}
    made["ariel", 2] = load_space("toy", "ariel", 2)
    names = {"ariel": (2,), "vae": (2,), "ae": (2,)}
    monkeypatch.setattr("explorer.latent.table.spaces", lambda _: names)
    monkeypatch.setattr("explorer.latent.table.load_space", lambda _, name, d: made[name, d])
    told: list[str] = []
    monkeypatch.setattr("explorer.latent.table.ArielSpace", ())
    made.pop(("ariel", 2))
    names.pop("ariel")
    table = measure(
        small, points=50, held_out=[("a", "b")], progress=lambda what, _: told.append(what)
    )
    assert [(row.name, row.how) for row in table.rows] == [
        ("vae", "uniform"),
        ("vae", "prior"),
        ("ae", "uniform"),
    ]
    assert told == ["toy: vae of 2", "toy: ae of 2"]
    for show in (as_text, as_markdown, as_json):
        said = show([table])
        assert "transformer" not in said
        assert "vae" in said
    assert "| vae | 2 | prior |" in as_markdown([table])
