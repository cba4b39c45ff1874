"""Searches over a small table model, against enumeration of all its texts."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import pytest
from fakes import LetterTokenizer, ScriptedModel, table_script

from explorer.core.types import Trace
from explorer.services.generation import RunOptions, generate

# Tokens 1 and 2 or the end (0); what comes depends on the token before.
TABLE = {
    (): {1: 0.5, 2: 0.3, 0: 0.2},
    (1,): {1: 0.2, 2: 0.5, 0: 0.3},
    (2,): {1: 0.55, 2: 0.15, 0: 0.3},
}
LENGTH = 3
START = (3,)  # a token that no rule mentions


def model() -> ScriptedModel:
    return ScriptedModel(table_script(TABLE, LetterTokenizer().vocab_size))


def texts() -> dict[tuple[int, ...], float]:
    """Probability of every text: ended by 0 or cut at LENGTH tokens."""
    found: dict[tuple[int, ...], float] = {}

    def grow(ids: tuple[int, ...], p: float) -> None:
        if len(ids) == LENGTH or (ids and ids[-1] == 0):
            found[ids] = p
            return
        for token_id, q in TABLE[ids[-1:]].items():
            grow((*ids, token_id), p * q)

    grow((), 1.0)
    return found


def runs(spec: str, seeds: range, tokens: int = LENGTH) -> list[Trace]:
    options = RunOptions()
    return [generate(model(), START, [spec], tokens, seed, options)[0] for seed in seeds]


def rows_of(trace: Trace) -> list[tuple[int, ...]]:
    return [tuple(s.token_id for s in h.steps) for h in trace.hypotheses]


def test_the_texts_sum_to_one() -> None:
    assert sum(texts().values()) == pytest.approx(1)


def test_a_stochastic_beam_samples_ordered_texts_without_replacement() -> None:
    law, n = texts(), 600
    traces = runs("stochastic_beam:width=2", range(n))
    firsts, pairs = Counter(), Counter()
    for trace in traces:
        rows = rows_of(trace)
        assert len(rows) == len(set(rows)) == 2
        assert trace.token_ids == rows[0]
        firsts[rows[0]] += 1
        pairs[rows[0], rows[1]] += 1
    for text, p in law.items():
        assert abs(firsts[text] - n * p) < 4.5 * math.sqrt(n * p) + 3
    for a, b in itertools.permutations(law, 2):
        p = law[a] * law[b] / (1 - law[a])
        assert abs(pairs[a, b] - n * p) < 4.5 * math.sqrt(n * p) + 3


def test_a_stochastic_beam_as_wide_as_the_tree_holds_every_text() -> None:
    law = texts()
    (trace,) = runs(f"stochastic_beam:width={len(law)}", range(1))
    assert set(rows_of(trace)) == set(law)
    for h in trace.hypotheses:
        ids = tuple(s.token_id for s in h.steps)
        assert h.steps[-1].notes["log_probability"] == pytest.approx(math.log(law[ids]), abs=1e-4)


def test_beam_sampling_includes_children_as_drawing_without_replacement_does() -> None:
    # one step, one prefix: width 1 draws 2 of the 3 children and keeps the likelier living one
    law, n = TABLE[()], 800
    seen = Counter(t.token_ids[0] for t in runs("beam_sampling:width=1", range(n), tokens=1))
    expected = dict.fromkeys(law, 0.0)
    for a, b in itertools.permutations(law, 2):
        p = law[a] * law[b] / (1 - law[a])
        expected[max((a, b), key=law.__getitem__)] += p
    for token_id, p in expected.items():
        assert abs(seen[token_id] / n - p) < 4 * math.sqrt(p * (1 - p) / n) + 1e-3


def test_the_scores_of_beam_sampling_are_sums_of_log_q() -> None:
    for trace in runs(
        "temperature:temperature=2+beam_sampling:width=3,length_penalty=0", range(20)
    ):
        for h in trace.hypotheses:
            ids = [s.token_id for s in h.steps]
            total = 0.0
            for i, token_id in enumerate(ids):
                law = TABLE[tuple(ids[max(0, i - 1) : i])]
                z = sum(math.sqrt(p) for p in law.values())
                total += math.log(math.sqrt(law[token_id]) / z)
            assert h.score == pytest.approx(total, abs=1e-4)


@pytest.mark.parametrize("phrase", ["#2", "#1", "#2 #1"])
def test_a_constrained_beam_finds_the_best_text_that_holds_the_phrase(phrase: str) -> None:
    wanted = [int(part[1:]) for part in phrase.split()]
    phrases = "|".join(phrase.split())
    spec = f'constrained_beam:phrases="{phrases}",width=16,length_penalty=0'
    (trace,) = runs(spec, range(1))
    fitting = {ids: p for ids, p in texts().items() if all(token_id in ids for token_id in wanted)}
    best = max(fitting, key=fitting.__getitem__)
    assert trace.token_ids == best
    assert trace.hypotheses[0].score == pytest.approx(math.log(fitting[best]), abs=1e-4)


def test_without_phrases_it_is_a_beam() -> None:
    (constrained,) = runs("constrained_beam:width=3", range(1))
    (plain,) = runs("beam:width=3", range(1))
    assert constrained.token_ids == plain.token_ids
