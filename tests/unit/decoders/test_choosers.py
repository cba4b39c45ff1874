"""Choosers with a state or a key: the formulas with lists, and a law kept over keys."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.core.decoder import StepView
from explorer.core.distribution import inverse_cdf, log_normalise
from explorer.decoders.adaptive_p import AdaptiveP
from explorer.decoders.best_of_n import BestOfN, borda_votes, expected_f1, token_f1
from explorer.decoders.entropy_adaptive import EntropyAdaptive, EntropyAdaptiveParams
from explorer.decoders.exp_watermark import ExpWatermark, key_row
from explorer.decoders.its_watermark import ItsWatermark
from explorer.decoders.latent_point import LatentPoint, zoom
from explorer.decoders.mirostat import MirostatOne, MirostatTwo, tokens_for, zipf_exponent
from explorer.services.generation import generate

PROBS = [0.4, 0.3, 0.15, 0.1, 0.05]
VOCAB = LetterTokenizer().vocab_size


def view_of(probs: list[float], u: float = 0.5, history: list[int] | None = None) -> StepView:
    law = torch.tensor([probs]).log()
    return StepView(law, log_normalise(law), (history or [0],), 1, (u,))


def chi_square(counts: list[int], probs: list[float]) -> float:
    total = sum(counts)
    return sum((c - total * p) ** 2 / (total * p) for c, p in zip(counts, probs, strict=True))


# 99.9 % of the chi-square law with 4 degrees of freedom.
LIMIT_4 = 18.47


# Mirostat


def test_a_zipf_law_gives_its_exponent_back() -> None:
    for exponent in (0.7, 1.0, 1.6):
        logs = [-exponent * math.log(rank) for rank in range(1, 101)]
        assert zipf_exponent(logs) == pytest.approx(exponent)


def test_the_count_is_the_formula_of_the_authors() -> None:
    for s, mu in ((1.2, 3.0), (0.8, 5.0), (1.5, 2.0)):
        eps, n = s - 1, 50_000
        k = ((eps * 2**mu) / (1 - n ** (-eps))) ** (1 / s)
        assert tokens_for(s, n, mu) == max(1, min(n, round(k) + 1))


def test_mirostat_one_moves_mu_by_the_surprise_before_the_cut() -> None:
    decoder = MirostatOne(tau=2.0, eta=0.5)
    move = decoder.advance(view_of(PROBS, 0.99))
    kept = int(move.logprobs.isfinite().sum())
    assert kept == tokens_for(zipf_exponent([math.log(p) for p in PROBS]), 5, 4.0)
    surprise = -math.log2(PROBS[move.token_ids[0]])
    assert decoder.mu == pytest.approx(4.0 - 0.5 * (surprise - 2.0), abs=1e-5)


def test_mirostat_two_cuts_at_mu_bits_and_moves_it_by_the_surprise_after_the_cut() -> None:
    decoder = MirostatTwo(tau=1.0, eta=0.5)
    move = decoder.advance(view_of(PROBS, 0.99))
    assert move.logprobs.isfinite()[0].tolist() == [p >= 0.25 for p in PROBS]  # 2 bits
    assert move.token_ids == (1,)
    assert decoder.mu == pytest.approx(2.0 - 0.5 * (-math.log2(0.3 / 0.7) - 1.0), abs=1e-5)


def test_mirostat_holds_the_surprise_of_a_long_text() -> None:
    model = ScriptedModel(hashed_script(VOCAB, end=-30.0))
    for version in (1, 2):
        for tau in (2.0, 3.5):
            spec = f"mirostat:tau={tau},version={version}"
            (trace,) = generate(model, "abc", [spec], max_new_tokens=400)
            bits = [
                (s.surprisal if version == 1 else s.sampling_surprisal) / math.log(2)
                for s in trace.steps[100:]
            ]
            assert sum(bits) / len(bits) == pytest.approx(tau, abs=0.35), (version, tau)


# Adaptive-p


def test_adaptive_p_is_the_transform_of_llama_cpp_and_its_running_mean() -> None:
    decoder, weighted, weight = AdaptiveP(0.3, 0.8), 0.3 / 0.2, 1 / 0.2
    for u in (0.1, 0.5, 0.9, 0.3):
        aim = min(1.0, max(0.0, 2 * 0.3 - weighted / weight))
        distances = [abs(p - aim) / 0.3 for p in PROBS]
        logits = [5 - 10 * d * d / (1 + d) for d in distances]
        total = sum(math.exp(x) for x in logits)
        move = decoder.advance(view_of(PROBS, u))
        expected = [math.exp(x) / total for x in logits]
        assert move.logprobs[0].exp().tolist() == pytest.approx(expected, abs=1e-5)
        weighted = PROBS[move.token_ids[0]] + 0.8 * weighted
        weight = 1 + 0.8 * weight


# Entropy-adaptive


@pytest.mark.parametrize(
    ("probs", "mood"),
    [
        ([0.97, 0.01, 0.01, 0.005, 0.005], "sure"),
        ([0.2] * 5, "open"),
        ([0.8, *[0.0002] * 1000], "lost"),
        ([0.9, *[0.0001] * 1000], "split"),
    ],
)
def test_each_quadrant_has_its_mood(probs: list[float], mood: str) -> None:
    params = EntropyAdaptiveParams(entropy=1.5, varentropy=2.0)
    move = EntropyAdaptive(params).advance(view_of(probs))
    assert move.notes[0]["mood"] == mood
    if mood == "sure":
        assert move.token_ids == (0,)


# Watermarks


@pytest.mark.parametrize("kind", [ExpWatermark, ItsWatermark])
def test_over_keys_a_watermark_keeps_the_law(kind) -> None:
    counts = [0] * 5
    for key in range(3000):
        counts[kind(key, 4).advance(view_of(PROBS)).token_ids[0]] += 1
    assert chi_square(counts, PROBS) < LIMIT_4


@pytest.mark.parametrize("kind", [ExpWatermark, ItsWatermark])
def test_one_key_decides_the_token_and_walks_round(kind) -> None:
    decoder = kind(7, 3)
    tokens = []
    for length in range(1, 8):
        view = view_of(PROBS, 0.25, history=[0] * length)
        tokens.append(decoder.advance(view).token_ids[0])
    assert tokens[:3] == tokens[3:6]
    assert kind(7, 3).advance(view_of(PROBS, 0.25)).token_ids[0] == tokens[0]


def test_key_rows_are_uniforms_of_their_own() -> None:
    a, b = key_row(42, 0, 1000), key_row(42, 1, 1000)
    assert abs(float(np.corrcoef(a, b)[0, 1])) < 0.1
    assert 0 < a.min() < a.max() < 1
    assert (key_row(42, 0, 10) == a[:10]).all()


# Latent point


def test_a_zoom_is_inverse_sampling_and_what_is_left_of_the_coordinate() -> None:
    law = torch.tensor(PROBS).log()
    for u in np.linspace(0, 0.9999, 300):
        token_id, rest = zoom(law, Fraction(float(u)))
        assert token_id == inverse_cdf(law, float(u))
        low = sum(PROBS[:token_id])
        assert float(rest) == pytest.approx((u - low) / PROBS[token_id], abs=1e-5)
    assert zoom(law, Fraction(1)) == (4, Fraction(1))
    assert zoom(law, Fraction(0)) == (0, Fraction(0))


def test_uniform_points_give_the_law_of_two_tokens() -> None:
    second = [0.1, 0.2, 0.3, 0.25, 0.15]
    counts = [0] * 25
    stream = np.random.default_rng(3)
    for x in stream.random(6000):
        decoder = LatentPoint([Fraction(float(x))], 1)
        a = decoder.advance(view_of(PROBS)).token_ids[0]
        b = decoder.advance(view_of(second, history=[0, a])).token_ids[0]
        counts[5 * a + b] += 1
    joint = [p * q for p in PROBS for q in second]
    assert chi_square(counts, joint) < 51.2  # 99.9 %, 24 degrees of freedom


def test_a_point_decodes_by_dimension_in_turn() -> None:
    decoder = LatentPoint([Fraction(95, 100), Fraction(1, 100)], 2)
    tokens = [decoder.advance(view_of(PROBS, history=[0] * (1 + i))).token_ids[0] for i in range(2)]
    assert tokens == [3, 0]


# Best of N


def test_token_f1_and_its_mean_by_hand() -> None:
    assert token_f1([1, 2, 3], [3, 4]) == pytest.approx(2 / 5)
    assert expected_f1([[1, 2], [1, 2], [3]]) == pytest.approx([0.5, 0.5, 0.0])


def test_no_answer_casts_no_vote() -> None:
    votes = borda_votes(["a", None, "b"], [1.0, 3.0, 2.0], 1.0)
    assert votes == {"a": 1.0, "b": 2.0}


@pytest.mark.parametrize(
    "rule", ["log_probability", "mean_log_probability", "self_certainty", "borda", "mbr"]
)
def test_the_best_row_wins_and_every_row_says_why(rule: str) -> None:
    model = ScriptedModel(hashed_script(VOCAB, end=1.0))
    (trace,) = generate(model, "abc", [f"best_of_n:n=6,rule={rule}"], max_new_tokens=12, seed=3)
    assert len(trace.hypotheses) == 6
    values = [float(h.steps[-1].notes[rule]) for h in trace.hypotheses]
    assert values[0] == max(values)
    assert trace.hypotheses[0].text == trace.text
    for h in trace.hypotheses:
        total = -sum(s.surprisal for s in h.steps)
        assert h.steps[-1].notes["log_probability"] == pytest.approx(total, abs=1e-4)
    if rule == "mbr":
        rows = [[s.token_id for s in h.steps] for h in trace.hypotheses]
        assert values == pytest.approx(expected_f1(rows), abs=1e-6)


def test_rows_are_independent_draws_of_the_law() -> None:
    first: list[int] = [0] * 5
    for seed in range(600):
        decoder = BestOfN(4, "mbr", 0.5)
        for token_id in decoder.advance(view_of(PROBS, (seed + 0.5) / 600)).token_ids:
            first[token_id] += 1
    assert chi_square(first, PROBS) < LIMIT_4
