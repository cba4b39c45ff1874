"""Valid or not, and why not, in words."""

from __future__ import annotations

import time

import pytest
from latent_small import lists, small_toy, written_out

from explorer.latent.judge import Judge
from explorer.latent.toy import describe, toy_grammar


@pytest.fixture(scope="module")
def judge():
    return Judge(toy_grammar(), describe)


@pytest.mark.parametrize(
    "text",
    [
        "Is it a red ball?",
        "the ball that is on the table is red",
        "the old orange orange is in the kitchen",
        "how many wooden boxes does the fox have?",
        "these knives are not heavier than one axe",
        "  Two   mice carry some cherries. ",
    ],
)
def test_valid_sentences(judge, text):
    verdict = judge.judge(text)
    assert verdict.valid
    assert verdict.good == len(verdict.words)
    assert verdict.rules[0] in ("statement", "question")
    assert not verdict.reason


@pytest.mark.parametrize(
    ("text", "good", "said"),
    [
        ("is it a orange ball", 3, "Word 4, 'orange', cannot stand here. After 'is it a' may come"),
        ("is it an red ball", 3, "with a vowel first"),
        ("the dog hold a ball", 2, "a verb in the singular (brings, buys, carries, …)"),
        ("the dogs holds a ball", 2, "a verb in the plural (bring, buy, carry, …)"),
        ("the balls is red", 2, "may come 'are'"),
        ("two ball are red", 1, "in the plural"),
        ("is it a redd ball", 3, "Word 4, 'redd', is no word of this language. Is it 'red'?"),
        ("zzz is red", 0, "Word 1, 'zzz', is no word of this language. A sentence may begin with"),
        ("the dogs", 2, "The sentence is not finished. Next may come"),
        ("is it red", 3, "Next may come 'or'."),
        ("it is a ball ball", 4, "After 'it is a ball' the sentence ends."),
        ("the ball is on the table table", 6, "cannot stand here"),
        ("is it in the hall or", 5, "After 'it in the hall' the sentence ends."),
        ("", 0, "There is no word. A sentence may begin with 'the' or"),
        (" ?! ", 0, "There is no word."),
    ],
)
def test_the_first_bad_word_and_the_reason(judge, text, good, said):
    verdict = judge.judge(text)
    assert not verdict.valid
    assert verdict.good == good
    assert said in verdict.reason
    assert verdict.rules == ()


def test_a_feature_that_makes_no_difference_is_not_said(judge):
    verdict = judge.judge("is the")
    assert "vowel" not in verdict.reason
    kinds = {expected.kind: expected.words for expected in verdict.expected}
    assert "apple" in kinds["a thing in the singular"]
    assert "ball" in kinds["a thing in the singular"]


def test_five_hundred_words_are_judged_at_once(judge):
    started = time.perf_counter()
    verdict = judge.judge("the " * 500)
    assert (verdict.valid, verdict.good) == (False, 1)
    assert "x" * 41 not in judge.judge("x" * 10_000).reason
    assert time.perf_counter() - started < 2


def test_too_many_words_where_only_the_number_is_wrong():
    verdict = Judge(lists()).judge("a and b and a and b and a")
    assert (verdict.valid, verdict.good) == (False, 7)
    assert verdict.reason == "9 words are too many: a sentence has at most 7."
    short = Judge(lists()).judge("a")
    assert short.reason == "The sentence is not finished. Next may come 'and'."


def test_it_agrees_with_the_language_written_out():
    judge = Judge(small_toy(), describe)
    sentences = {*written_out(judge.grammar)}
    for sentence in sorted(sentences)[::37]:
        assert judge.judge(sentence).valid
        for cut in range(len(sentence)):
            shorter = sentence[:cut]
            assert judge.judge(shorter).valid == (shorter in sentences)
            assert judge.judge(shorter).good == cut
