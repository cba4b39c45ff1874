"""Processors without a library to compare with: their formulas, written with lists."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from explorer.core.distribution import entropy, log_normalise
from explorer.processors.dynamic_temperature import dynamic_temperature
from explorer.processors.quadratic import quadratic
from explorer.processors.recency import recency_weights
from explorer.processors.tail_free import tail_free
from explorer.processors.top_a import top_a
from explorer.processors.top_h import top_h

SEEDS = range(8)


def random_logits(seed: int, vocab: int = 60) -> torch.Tensor:
    noise = torch.Generator().manual_seed(seed)
    return torch.randn(3, vocab, generator=noise) * (0.5 + seed)


def probs_of(row: torch.Tensor) -> list[float]:
    exps = [math.exp(x - max(row.tolist())) for x in row.tolist()]
    return [e / sum(exps) for e in exps]


@pytest.mark.parametrize("seed", SEEDS)
def test_dynamic_temperature(seed: int) -> None:
    logits = random_logits(seed)
    logits[0, :30] = -math.inf
    out = dynamic_temperature(logits, 0.5, 1.5, 0.7)
    for before, after in zip(logits, out, strict=True):
        probs = [p for p in probs_of(before) if p > 0]
        mean = -sum(p * math.log(p) for p in probs)
        heat = 0.5 + 1.0 * (mean / math.log(len(probs))) ** 0.7
        kept = before.isfinite()
        assert torch.allclose(after[kept], before[kept] / heat, atol=1e-4)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("curve", [1.0, 2.0, 3.0])
def test_quadratic(seed: int, curve: float) -> None:
    logits = random_logits(seed)
    out = quadratic(logits, 0.3, curve)
    for before, after in zip(logits.tolist(), out.tolist(), strict=True):
        best = max(before)
        for x, y in zip(before, after, strict=True):
            d = x - best
            bent = best - (3 - curve) / 2 * 0.3 * d * d + (curve - 1) / 2 * 0.3 * d**3
            assert y == pytest.approx(bent, rel=1e-4, abs=1e-4)
    assert torch.equal(out.argsort(dim=-1), logits.argsort(dim=-1))


@pytest.mark.parametrize("seed", SEEDS)
def test_top_a(seed: int) -> None:
    logits = random_logits(seed)
    for before, after in zip(logits, top_a(logits, 0.3), strict=True):
        probs = probs_of(before)
        assert after.isfinite().tolist() == [p >= 0.3 * max(probs) ** 2 for p in probs]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("z", [0.3, 0.8, 0.97])
def test_tail_free(seed: int, z: float) -> None:
    logits = random_logits(seed)
    for before, after in zip(logits, tail_free(logits, z), strict=True):
        probs = probs_of(before)
        order = sorted(range(len(probs)), key=lambda i: -probs[i])
        ranked = [probs[i] for i in order]
        slopes = [b - a for a, b in pairwise(ranked)]
        bends = [abs(b - a) for a, b in pairwise(slopes)]
        kept, behind = {order[0]}, 0.0
        for rank, bend in enumerate(bends, start=1):
            behind += bend / sum(bends)
            if behind > z:
                break
            kept.add(order[rank])
        assert set(after.isfinite().nonzero().flatten().tolist()) == kept


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("vocab", [60, 3000])
@pytest.mark.parametrize("h", [0.1, 0.4, 0.95])
def test_top_h_bounds_the_entropy_of_what_is_kept(seed: int, vocab: int, h: float) -> None:
    logits = random_logits(seed, vocab) / 3
    out = top_h(logits, h, "paper")
    whole, kept = entropy(log_normalise(logits)), entropy(log_normalise(out))
    assert (kept <= h * whole + 1e-4).all()
    for before, after in zip(logits, out, strict=True):  # and one token more would break it
        order = before.argsort(descending=True)
        count = int(after.isfinite().sum())
        assert after[order[:count]].isfinite().all()
        more = before.masked_fill(before < before[order[count]], -math.inf)
        assert (
            float(entropy(log_normalise(more))) > h * float(entropy(log_normalise(before))) - 1e-4
        )


def test_a_slope_is_a_bent_line_from_zero_to_one() -> None:
    for slope in (0.5, 1.0, 5.0):
        weights = recency_weights(21, slope)
        assert weights[0] == pytest.approx(0)
        assert weights[10] == pytest.approx(0.5)
        assert weights[-1] == pytest.approx(1)
        assert weights == sorted(weights)
