"""Laws as whole numbers, and what rounding them costs."""

from __future__ import annotations

import numpy as np
import pytest

from explorer.core.errors import InvalidParams, NumericalFailure
from explorer.latent.law import TOTAL_BITS, kl_bound, law_of, quantised


def kl(logits, law):
    p = np.exp(logits - np.logaddexp.reduce(logits))
    q = np.diff(np.asarray(law.cumulative, dtype=np.float64)) / law.total
    p = p[law.ids]
    return float((p * (np.log(p, where=p > 0, out=np.zeros_like(p)) - np.log(q))).sum())


@pytest.mark.parametrize("vocab", [2, 50, 821, 49_152])
@pytest.mark.parametrize("bits", [24, TOTAL_BITS])
@pytest.mark.parametrize("scale", [0.0, 1.0, 4.0, 30.0])
def test_quantisation_costs_at_most_what_is_said(vocab, bits, scale):
    logits = np.random.default_rng(vocab).normal(size=vocab) * scale
    law = quantised(logits, bits)
    assert law.total == 2**bits
    assert (np.diff(law.cumulative) >= 1).all()
    assert -1e-13 < kl(logits, law) <= kl_bound(vocab, bits) + 1e-13


def test_the_bound_in_numbers():
    assert kl_bound(49_152) == pytest.approx(1.746e-10, rel=1e-3)
    assert kl_bound(49_152, 24) == pytest.approx(2.93e-3, rel=1e-2)
    assert kl_bound(821) < 3e-12


def test_impossible_tokens_stay_impossible_and_rare_ones_possible():
    law = quantised(np.array([0.0, -np.inf, -5000.0, 1.0]))
    assert law.ids.tolist() == [0, 2, 3]
    assert law.share(1) == (0, 0)
    assert law.share(2)[1] == 1
    assert law.probability(3) == pytest.approx(np.e / (1 + np.e), abs=1e-11)


def test_a_certain_token_has_everything():
    law = quantised(np.array([-np.inf, 3.0]))
    assert (law.ids.tolist(), law.total, law.share(1)) == ([1], 2**48, (0, 2**48))


def test_float32_logits_and_their_float64_copy_are_the_same_law():
    logits = np.random.default_rng(1).normal(size=300).astype(np.float32)
    first, second = quantised(logits), quantised(logits.astype(np.float64))
    assert [*first.cumulative] == [*second.cumulative]


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: quantised(np.array([0.0, np.nan])), NumericalFailure, "NaN"),
        (lambda: quantised(np.array([0.0, np.inf])), NumericalFailure, "infinite"),
        (lambda: quantised(np.array([-np.inf])), NumericalFailure, "no possible token"),
        (lambda: quantised(np.zeros(9), 3), InvalidParams, "3 bits cannot hold .* 9 tokens"),
        (lambda: quantised(np.zeros(9), 60), InvalidParams, "60 bits"),
        (lambda: law_of({1: 0}), NumericalFailure, "no possible token"),
        (lambda: law_of({1: 3, 2: -1}), NumericalFailure, "negative"),
    ],
)
def test_what_is_no_law_is_refused(make, error, said):
    with pytest.raises(error, match=said):
        make()


def test_as_many_tokens_as_frequencies():
    law = quantised(np.random.default_rng(0).normal(size=8), 3)
    assert np.diff(law.cumulative).tolist() == [1] * 8
