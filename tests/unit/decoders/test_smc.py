"""Particles on a small table model, against enumeration; the golden weights."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import pytest
import torch
from fakes import LetterTokenizer, ScriptedModel, table_script
from test_search import LENGTH, START, TABLE, model, texts

from explorer.core.decoder import StepView
from explorer.core.distribution import log_normalise
from explorer.decoders.power_smc import PowerSmc
from explorer.decoders.product_smc import ProductSmc, ProductSmcParams
from explorer.decoders.smc import effective_size, systematic
from explorer.services.generation import Run, RunOptions

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "published.json").read_text())
OTHER = {
    (): {1: 0.1, 2: 0.6, 0: 0.3},
    (1,): {1: 0.4, 2: 0.4, 0: 0.2},
    (2,): {1: 0.2, 2: 0.5, 0: 0.3},
}


def estimates(spec: str, runs: int, **second) -> dict[tuple[int, ...], list[float]]:
    """Of each run: evidence times the weight of every text; () holds the evidence itself."""
    found: dict[tuple[int, ...], list[float]] = {ids: [0.0] * runs for ids in [(), *texts()]}
    for seed in range(runs):
        run = Run(model(), START, [spec], RunOptions(LENGTH, seed=seed), **second)
        list(run.columns())
        (trace,) = run.traces()
        z = math.exp(float(trace.hypotheses[0].steps[-1].notes["log_evidence"]))
        found[()][seed] = z
        assert sum(h.score for h in trace.hypotheses) == pytest.approx(1, abs=1e-5)
        for h in trace.hypotheses:
            found[tuple(s.token_id for s in h.steps)][seed] += z * h.score
    return found


def assert_unbiased(found: dict[tuple[int, ...], list[float]], target: dict) -> None:
    """Every mean within 4.5 standard errors of what enumeration gives."""
    for ids, value in {**target, (): sum(target.values())}.items():
        if value < 1e-3 * sum(target.values()):
            continue  # too rare for so few runs to say anything
        mean, error = statistics.fmean(found[ids]), statistics.stdev(found[ids])
        assert abs(mean - value) < 4.5 * error / math.sqrt(len(found[ids])) + 1e-6, ids


@pytest.mark.parametrize(("alpha", "threshold"), [(0.5, 0.0), (2.5, 0.0), (2.5, 0.7), (1.7, 1.0)])
def test_particles_are_unbiased_for_every_text_of_the_power_law(alpha, threshold) -> None:
    target = {ids: p**alpha for ids, p in texts().items()}
    spec = f"power_smc:particles=6,alpha={alpha},threshold={threshold}"
    assert_unbiased(estimates(spec, 300), target)


def test_a_local_temperature_is_another_law() -> None:
    law = texts()
    total = sum(p**2 for p in law.values())
    local: dict[tuple[int, ...], float] = {}
    for ids in law:
        p = 1.0
        for i, token_id in enumerate(ids):
            step = TABLE[ids[max(0, i - 1) : i]]
            p *= step[token_id] ** 2 / sum(q**2 for q in step.values())
        local[ids] = p
    apart = sum(abs(local[ids] - law[ids] ** 2 / total) for ids in law) / 2
    assert apart > 0.02  # so that the test above could fail


def test_a_product_of_two_models() -> None:
    other = ScriptedModel(table_script(OTHER, LetterTokenizer().vocab_size), name="other")

    def law(table, ids) -> float:
        return math.prod(table[ids[max(0, i - 1) : i]][t] for i, t in enumerate(ids))

    target = {ids: law(TABLE, ids) * math.sqrt(law(OTHER, ids)) for ids in texts()}
    spec = 'product_smc:particles=6,model="other"'
    assert_unbiased(estimates(spec, 300, second_models={"other": other}), target)


def view_of(rows: list[list[float]], length: int, second: list[list[float]] | None = None):
    law = torch.tensor(rows).log()
    return StepView(
        law,
        log_normalise(law),
        tuple([0] * (1 + length) for _ in rows),
        1,
        (0.5,) * len(rows),
        second_logits=None if second is None else torch.tensor(second).log(),
    )


def test_the_golden_weights_of_the_power_law() -> None:
    case = GOLDEN["ar_smc_power_locally_tempered"]
    given, expected = case["inputs"], case["expected"]
    rows = [given["P0"], *(given["M"][token_id] for token_id in given["sequence"])]
    decoder = PowerSmc(1, given["alpha"], 0.0)
    before = 0.0
    for step, weight in enumerate(expected["incremental_log_weights"]):
        decoder.advance(view_of([rows[step]], step))
        assert decoder.log_evidence - before == pytest.approx(weight, abs=1e-6)
        before = decoder.log_evidence


def test_the_golden_weights_of_the_product() -> None:
    case = GOLDEN["ar_smc_poe"]
    given, expected = case["inputs"], case["expected"]
    rows = [given["P0"], *(given["M"][t] for t in given["sequence"])]
    others = [given["N0"], *(given["N"][t] for t in given["sequence"])]
    params = ProductSmcParams(particles=1, first_weight=1, second_weight=1, threshold=0)
    decoder = ProductSmc(params)
    before = 0.0
    for step, weight in enumerate(expected["incremental_log_weights"]):
        decoder.advance(view_of([rows[step]], step, [others[step]]))
        assert decoder.log_evidence - before == pytest.approx(weight, abs=1e-6)
        before = decoder.log_evidence


def test_systematic_resampling_and_the_effective_size() -> None:
    case = GOLDEN["smc_systematic_and_ess"]
    weights = case["inputs"]["weights"]
    for u, indices in case["expected"]["indices_by_u0"].items():
        assert systematic(weights, float(u)) == indices
    found = effective_size([math.log(w) for w in weights])
    assert found == pytest.approx(case["expected"]["ess"])
