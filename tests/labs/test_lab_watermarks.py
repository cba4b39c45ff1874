"""Alignment against the authors' numbers and a slow reference; detection; the whole lab."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.core.results import Heatmap, Spans, Table
from explorer.labs.watermarks.alignment import Key, alignments, detect, green_p, least_p, statistic
from explorer.labs.watermarks.counts import kgw_p, synthid_p
from explorer.labs.watermarks.edits import Edits, edited
from explorer.labs.watermarks.experiment import INFO
from explorer.processors.kgw import KgwParams
from explorer.processors.synthid import SynthidParams
from explorer.services.generation import generate
from explorer.services.labs.running import LabRun, open_lab, run_lab
from explorer.services.loading import load_model

VOCAB = LetterTokenizer().vocab_size
SMALL = {"texts": 2, "tokens": 40, "key_length": 200, "other_keys": 19}

# The authors' code (jthickstun/watermark at 80d4ec8), run on small keys.
XI = np.array(
    [[0.1, 0.9, 0.5], [0.8, 0.2, 0.3], [0.4, 0.4, 0.95], [0.6, 0.7, 0.05], [0.3, 0.85, 0.2]]
)


def exp_costs(xi: np.ndarray, ids: list[int]) -> np.ndarray:
    return np.log1p(-xi[:, ids]).T[None].astype(np.float32)


def test_costs_without_edits_are_the_authors() -> None:
    found = alignments(exp_costs(XI, [2, 1, 1, 0]), math.inf)[0]
    assert found == pytest.approx([-2.343407, -2.428148, -6.202186, -5.860436, -3.259698], abs=1e-5)
    blocks = statistic(exp_costs(XI, [2, 1, 1, 0]), 2, math.inf)
    assert blocks[0] == pytest.approx(-4.199704, abs=1e-5)


@pytest.mark.parametrize(
    ("ids", "by_gamma"),
    [
        ([1, 2, 1], {0.0: -6.502290, 0.5: -6.002290, 1.0: -5.502290}),
        ([1, 0, 0, 2, 1], {0.0: -8.111728, 0.5: -7.611728, 1.0: -7.111728}),
    ],
)
def test_texts_shorter_and_longer_than_the_key_cost_what_the_authors_say(ids, by_gamma) -> None:
    for gamma, cost in by_gamma.items():
        found = alignments(exp_costs(XI[:4], ids), gamma, stretch=4)[0, 0]
        assert found == pytest.approx(cost, abs=1e-4)


def test_the_statistic_of_its_is_the_authors() -> None:
    xi = [0.62973636, 0.36531616, 0.85126835, 0.85494316, 0.55093521,
          0.28683900, 0.20631939, 0.44509017, 0.35928595, 0.72038043]  # fmt: skip
    order, tokens = [7, 0, 3, 4, 1, 5, 2, 6], [1, 0, 0, 3, 3, 1, 1, 3]
    rank = np.empty(8)
    rank[order] = np.arange(8) / 8
    costs = np.abs(np.array(xi)[None, :] - rank[tokens][:, None])[None].astype(np.float32)
    assert statistic(costs, 8, 0.4)[0] == pytest.approx(1.0639026, abs=1e-5)


def slowly(d: np.ndarray, gamma: float) -> float:
    """The recurrence as it is written, one cell after the other."""
    m, k = d.shape
    table = np.zeros((m + 1, k + 1))
    table[:, 0], table[0, :] = np.arange(m + 1) * gamma, np.arange(k + 1) * gamma
    for i in range(1, m + 1):
        for j in range(1, k + 1):
            table[i, j] = min(
                table[i - 1, j] + gamma,
                table[i, j - 1] + gamma,
                table[i - 1, j - 1] + d[i - 1, j - 1],
            )
    return float(table[m, k])


@given(st.integers(1, 5), st.integers(1, 7), st.integers(0, 10**6), st.sampled_from([0.0, 0.4, 2]))
@settings(deadline=None, max_examples=60)
def test_alignments_are_the_recurrence_at_every_offset(m, n, seed, gamma) -> None:
    draw = np.random.default_rng(seed)
    k = int(draw.integers(1, n + 1))
    costs = draw.normal(size=(2, m, n)).astype(np.float32)
    found = alignments(costs, gamma, stretch=k)
    for key in range(2):
        for offset in range(n):
            columns = (offset + np.arange(k)) % n
            wanted = slowly(costs[key][:, columns], gamma)
            assert found[key, offset] == pytest.approx(wanted, abs=1e-4)


@pytest.fixture(scope="module")
def flat() -> ScriptedModel:
    return ScriptedModel(hashed_script(VOCAB))


@pytest.mark.parametrize("scheme", ["exp", "its"])
def test_the_key_is_found_and_another_is_not(flat, scheme: str) -> None:
    (trace,) = generate(
        flat, "abc", [f"{scheme}_watermark:key=9,length=200"], max_new_tokens=60, seed=1
    )
    ids = trace.token_ids
    assert detect(Key(scheme, 9, 200, VOCAB), ids).p_value == least_p(100)
    assert detect(Key(scheme, 8, 200, VOCAB), ids).p_value > 0.05
    # the offset is where the text began to walk the key
    assert detect(Key(scheme, 9, 200, VOCAB), ids).offset == trace.steps[0].notes["key_position"]
    choices = list(range(1, VOCAB))
    torn = edited(ids, Edits(0.2, 0.05, 0.05), choices, 3)
    assert detect(Key(scheme, 9, 200, VOCAB), torn).p_value <= 0.05


def test_p_values_of_texts_without_the_key_are_no_smaller_than_they_say() -> None:
    draw = np.random.default_rng(0)
    key = Key("exp", 5, 200, 500)
    values = [
        detect(key, draw.integers(0, 500, 12).tolist(), keys=19, seed=i).p_value for i in range(120)
    ]
    for level in (0.05, 0.2, 0.5):
        share = sum(v <= level for v in values) / len(values)
        assert share <= level + 3 * math.sqrt(level * (1 - level) / len(values))
    assert min(values) >= least_p(19)


def test_a_text_longer_than_the_key_and_one_token_are_judged() -> None:
    key = Key("exp", 5, 200, 50)
    assert 0 < detect(key, [3] * 230, keys=19, block=20).p_value <= 1
    assert 0 < detect(key, [3], keys=19).p_value <= 1


def test_counts_find_what_the_classes_of_transformers_planted() -> None:
    model = load_model("tiny")
    specs = ["kgw:bias=4,key=77", "synthid:layers=30,key=3", "ancestral"]
    marked, synth, plain = generate(model, "Once", specs, max_new_tokens=60, seed=5)
    vocab = model.info.vocab_size
    before = marked.prompt.ids[-1]
    params, rounds = KgwParams(bias=4, key=77), SynthidParams(layers=30, key=3)
    assert kgw_p(marked.token_ids, before, vocab, params) < 1e-6
    assert kgw_p(plain.token_ids, before, vocab, params) > 0.001
    assert synthid_p(synth.token_ids, rounds) < 1e-4
    assert synthid_p(plain.token_ids, rounds) > 0.001
    assert synthid_p([1, 2], rounds) == 1.0


def test_a_binomial_tail_adds_up() -> None:
    # thousands of bits, as SynthID has them, overflow no float
    assert green_p(900, 1680, 0.5) == pytest.approx(0.0018399, rel=1e-3)
    assert green_p(0, 20, 0.25) == pytest.approx(1.0)
    values = [green_p(k, 20, 0.25) for k in range(21)]
    assert all(a > b for a, b in pairwise(values))


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=60),
    *[st.floats(0, 1)] * 4,
    st.integers(0, 99),
)
@settings(deadline=None)
def test_edits_touch_as_many_tokens_as_they_say(ids, a, b, c, d, seed) -> None:
    choices = list(range(100, 200))
    n = len(ids)
    changed = edited(ids, Edits(substituted=a), choices, seed)
    assert len(changed) == n
    assert sum(x != y for x, y in zip(ids, changed, strict=True)) == round(a * n)
    made = edited(ids, Edits(a, b, c, d), choices, seed)
    assert len(made) == n - round(b * n) + round(c * n)
    assert edited(ids, Edits(a, b, c, d), choices, seed) == made
    assert sorted(edited(ids, Edits(swapped=d), choices, seed)) == sorted(ids)


def test_shares_outside_a_share_are_refused() -> None:
    with pytest.raises(ValueError, match="shares of edits"):
        edited([1, 2], Edits(1.5), [3], 0)


@pytest.fixture(scope="module")
def run() -> LabRun:
    asked = {**SMALL, "text": "A text of mine.", "deleted": 0.1, "inserted": 0.2}
    return run_lab(open_lab(INFO, load_model("tiny"), asked))


def test_the_lab_shows_everything_it_promises(run: LabRun) -> None:
    kinds = [type(result) for result in run.results.values()]
    assert kinds.count(Spans) == 2
    assert Heatmap in kinds
    assert len(run.traces) == 5
    assert "p-value of your text under the EXP key" in run.results
    assert len(run.claims) == 3


def test_marks_are_found_unmarked_text_is_not_and_the_law_is_kept(run: LabRun) -> None:
    lines = {line.name: line.y for line in run.results["p-value by length"].lines}
    assert lines["EXP"][-1] == least_p(19)
    assert lines["no watermark"][-1] > least_p(19)
    table = next(r for r in run.results.values() if isinstance(r, Table) and "law" in r.name)
    distances = dict(table.rows)
    assert distances["EXP"] < 1.2 * distances["plain draws, as many"]
    assert distances["KGW, its law itself"] > 1.2 * distances["EXP"]
