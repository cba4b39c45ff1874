"""Near-loops: planted ones are found, and none where there is none."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.analyzers import paraphrase_loops as paraphrases
from explorer.analyzers.counting_loops import counting_loops
from explorer.analyzers.near_loops import edited_loops, nearest_prefix
from explorer.analyzers.paraphrase_loops import overlap, paraphrase_loops, sentences
from explorer.core.loops import LoopThresholds


def de_bruijn(letters: int, order: int) -> list[int]:
    """Every word of that order once, by always taking the highest letter that is new."""
    sequence, seen = [0] * order, {(0,) * order}
    while True:
        for letter in reversed(range(letters)):
            word = (*sequence[len(sequence) - order + 1 :], letter)
            if word not in seen:
                seen.add(word)
                sequence.append(letter)
                break
        else:
            return sequence


def levenshtein(a: list[int], b: list[int]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [i]
        for j, y in enumerate(b, 1):
            new.append(min(row[j - 1] + (x != y), row[j] + 1, new[-1] + 1))
        row = new
    return row[-1]


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.lists(st.integers(0, 3), max_size=14),
    st.integers(0, 5),
)
@settings(deadline=None, max_examples=200)
def test_the_nearest_prefix_is_levenshteins(unit, text, budget) -> None:
    distance, length = nearest_prefix(unit, text, budget)
    best = min(levenshtein(unit, text[:n]) for n in range(len(text) + 1))
    assert distance == min(best, budget + 1)
    if best <= budget:
        assert levenshtein(unit, text[:length]) == best


@given(
    period=st.integers(14, 128),
    noise=st.integers(0, 80),
    copies=st.integers(4, 7),
    seed=st.integers(0, 10**6),
)
@settings(deadline=None, max_examples=80)
def test_a_planted_near_loop_of_any_period_onset_and_noise_is_found(
    period, noise, copies, seed
) -> None:
    """Every copy is edited by itself, at a third of the budget: exchanged, added or left out."""
    draw = random.Random(seed)
    fresh = iter(range(10_000, 100_000))
    unit = list(range(period))
    text = [next(fresh) for _ in range(noise)]
    for copy in range(copies):
        mine = list(unit)
        for _ in range(int(0.05 * period) if copy else 0):
            place = draw.randrange(len(mine))
            kind = draw.randrange(3)
            mine[place : place + (kind != 1)] = [next(fresh)] if kind < 2 else []
        if copy == 1 and int(0.05 * period) == 0:
            mine[period // 2] = next(fresh)
        text += mine
    found = edited_loops(text)
    assert len(found) == 1
    loop = found[0]
    assert loop.copies >= copies - 1
    assert noise <= loop.onset < noise + period
    assert abs(loop.period - period) <= 0.15 * period
    assert 0.7 < loop.likeness < 1


@pytest.mark.parametrize(("letters", "order"), [(4, 5), (8, 4), (30, 2)])
def test_no_near_loop_in_a_de_bruijn_sequence(letters, order) -> None:
    """Of two or three letters there may be: 0 1111111 0 1111110 is nearly the same twice."""
    sequence = de_bruijn(letters, order)
    assert len(sequence) == letters**order + order - 1
    assert edited_loops(sequence) == ()


def test_an_exact_loop_is_no_near_loop_and_bad_shares_are_named() -> None:
    assert edited_loops([1, 2, 3, 4, 5, 6, 7, 8, 9, 10] * 12) == ()
    assert edited_loops([7] * 2_000) == edited_loops([]) == edited_loops([1]) == ()
    with pytest.raises(ValueError, match=r"share in \(0, 0.5\], got 0.9"):
        edited_loops([1], max_edits=0.9)


def lines(start: int, step: int, copies: int, joined: bool) -> list[str]:
    pieces: list[str] = []
    for n in range(start, start + step * copies, step):
        digits = [f" {n}"] if joined else [" ", *str(n)]
        pieces += ["Chapter", *digits, ":", " of", " the", " sea", "\n"]
    return pieces


@given(
    start=st.integers(0, 1200),
    step=st.sampled_from([1, 2, 5, 10]),
    copies=st.integers(8, 15),
    noise=st.integers(0, 30),
    joined=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_a_list_that_counts_is_found_whatever_the_tokenizer_makes_of_numbers(
    start, step, copies, noise, joined
) -> None:
    before = [f" w{i}x" for i in range(noise)]
    text = before + lines(start, step, copies, joined)
    (loop,) = counting_loops(text)
    assert (loop.kind, loop.onset, loop.end, loop.copies) == ("counting", noise, len(text), copies)
    assert loop.likeness < 1


def test_lists_that_do_not_count_are_none() -> None:
    same = lines(3, 1, 1, True) * 12
    assert counting_loops(same) == ()
    jumbled = [p for n in (4, 9, 1, 7, 30, 2, 5, 11) for p in lines(n, 1, 1, True)]
    assert counting_loops(jumbled) == ()
    assert counting_loops([]) == counting_loops(["7"]) == ()


def words(text: str) -> list[str]:
    return [f" {word}" if i else word for i, word in enumerate(text.split(" "))]


CYCLE = (
    "The house on the hill was very old .",
    "On the hill the old house was very quiet .",
    "The old house on the hill was very quiet .",
    "Very old was the house on the hill .",
    "The house was very old on the hill .",
    "The very old house was on the hill .",
)
UNLIKE = (
    "A ship left the harbour before dawn .",
    "Nobody had asked him about money since .",
    "Green apples fell behind our broken fence .",
    "My sister teaches chemistry to adults now .",
    "Two engineers measured how bridges bend .",
    "Rain is expected over most western islands .",
    "Their lawyer forgot every single document .",
    "Small birds sleep while standing upright .",
)


def test_a_paraphrase_cycle_is_found_and_unlike_sentences_are_none() -> None:
    before = words(UNLIKE[0])
    (loop,) = paraphrase_loops([*before, *(p for s in CYCLE for p in words(s))])
    assert (loop.kind, loop.onset, loop.copies) == ("paraphrase", len(before), len(CYCLE))
    assert 0.5 <= loop.likeness < 1
    assert paraphrase_loops([p for s in UNLIKE for p in words(s)]) == ()


def test_a_cycle_of_two_sentences_has_both_in_its_unit() -> None:
    pairs = [p for i in range(4) for p in (*words(CYCLE[i]), *words(UNLIKE[1]))]
    (loop,) = paraphrase_loops(pairs)
    assert (loop.onset, loop.copies, loop.end) == (0, 4, len(pairs))


def test_what_is_the_same_is_no_paraphrase() -> None:
    assert paraphrase_loops(words(CYCLE[0]) * 9) == ()
    assert paraphrase_loops([]) == paraphrase_loops(["x"]) == ()
    assert overlap([], []) == 0
    assert sentences(["Mr", ".", "A", "b", "c", "d", "."]) == [(0, 2), (2, 7)]
    loose = LoopThresholds(max_period=5, min_copies=2, min_tokens=2)
    assert paraphrase_loops([p for s in CYCLE for p in words(s)], loose) == ()


def test_a_long_text_is_compared_sentence_by_sentence_once(monkeypatch) -> None:
    """Units longer than the longest looked for: no loop, and no second look at any of them."""
    calls: list[int] = []
    monkeypatch.setattr(paraphrases, "overlap", lambda a, b: calls.append(1) or 0.9)
    assert paraphrase_loops(([f" w{i}" for i in range(150)] + ["."]) * 400) == ()
    assert len(calls) < 4 * 400
