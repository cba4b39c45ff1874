from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.core.distribution import (
    entropy,
    entropy_and_varentropy,
    inverse_cdf,
    kl,
    log_normalise,
    one_hot,
    rank,
    support_size,
)
from explorer.core.units import to_bits


@pytest.mark.parametrize("vocab", [2, 7, 400])
@pytest.mark.parametrize("seed", range(4))
def test_inverse_cdf_reproduces_the_law_on_a_grid_of_a_thousand(vocab: int, seed: int) -> None:
    noise = torch.Generator().manual_seed(seed)
    law = log_normalise(torch.randn(vocab, generator=noise) * 2)
    law[seed % vocab] = -math.inf
    law = log_normalise(law)
    counts = torch.zeros(vocab)
    for i in range(1000):
        counts[inverse_cdf(law, (i + 0.5) / 1000)] += 1
    assert (counts - 1000 * law.exp()).abs().max() <= 1.0
    assert counts[seed % vocab] == 0


def test_inverse_cdf_takes_the_edges_and_never_an_impossible_token() -> None:
    law = torch.tensor([0.0, 0.5, 0.0, 0.5, 0.0]).log()
    assert inverse_cdf(law, 0.0) == 1
    assert inverse_cdf(law, 0.5) == 3
    assert inverse_cdf(law, math.nextafter(1.0, 0.0)) == 3
    unnormalised = law - 5.0
    assert inverse_cdf(unnormalised, math.nextafter(1.0, 0.0)) == 3


@pytest.mark.parametrize("u", [-0.1, 1.0, math.nan])
def test_inverse_cdf_refuses_what_is_no_uniform(u: float) -> None:
    with pytest.raises(ValueError, match="u must lie"):
        inverse_cdf(torch.zeros(3), u)


def test_inverse_cdf_refuses_an_empty_law() -> None:
    with pytest.raises(ValueError, match="no token is possible"):
        inverse_cdf(torch.full((3,), -math.inf), 0.5)


@given(st.lists(st.floats(-30, 30), min_size=1, max_size=40), st.floats(0, 1, exclude_max=True))
@settings(deadline=None)
def test_a_drawn_token_is_always_possible(logits: list[float], u: float) -> None:
    law = log_normalise(torch.tensor(logits))
    assert law[inverse_cdf(law, u)] > -math.inf


def test_a_worked_example_with_numbers() -> None:
    law = torch.tensor([[0.5, 0.25, 0.25, 0.0], [1.0, 0.0, 0.0, 0.0]]).log()
    mean, variance = entropy_and_varentropy(law)
    assert mean.tolist() == pytest.approx([1.5 * math.log(2), 0.0])
    # surprisals are 1, 2, 2 bits: mean 1.5, variance 0.25 bits squared
    assert variance.tolist() == pytest.approx([0.25 * math.log(2) ** 2, 0.0], abs=1e-6)
    assert entropy(law).tolist() == pytest.approx(mean.tolist())
    assert support_size(law).tolist() == [3, 1]
    assert rank(law, torch.tensor([1, 3])).tolist() == [1, 1]
    assert to_bits(float(mean[0])) == pytest.approx(1.5)


def test_rank_counts_strictly_likelier_tokens_only() -> None:
    assert rank(torch.zeros(1, 5), torch.tensor([4])).tolist() == [0]


def test_kl_has_a_direction_and_knows_what_cannot_happen() -> None:
    p, q = torch.tensor([0.9, 0.1]).log(), torch.tensor([0.5, 0.5]).log()
    assert float(kl(p, q)) == pytest.approx(0.9 * math.log(1.8) + 0.1 * math.log(0.2), abs=1e-6)
    assert float(kl(p, q)) != pytest.approx(float(kl(q, p)), abs=1e-3)
    assert float(kl(torch.tensor([1.0, 0.0]).log(), p)) == pytest.approx(-math.log(0.9), abs=1e-6)
    assert math.isinf(float(kl(p, torch.tensor([1.0, 0.0]).log())))


def test_one_hot_is_a_law_without_entropy() -> None:
    law = one_hot(torch.zeros(2, 4), torch.tensor([3, 0]))
    assert law.exp().sum(-1).tolist() == [1, 1]
    assert entropy(law).tolist() == [0, 0]
