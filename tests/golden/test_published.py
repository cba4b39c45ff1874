"""Numbers from the authors' own code, copied with their source into published.json."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from explorer.analyzers.distinct import distinct_n
from explorer.analyzers.profile import surprise
from explorer.analyzers.repetition import diversity, rep_n
from explorer.core.circular_depth import circular_depth
from explorer.core.decoder import StepView
from explorer.core.distribution import entropy, log_normalise
from explorer.core.measure import Place, measure_block, measure_choices
from explorer.decoders.best_of_n import BestOfN, borda_votes
from explorer.decoders.exp_watermark import exp_pick
from explorer.decoders.its_watermark import its_pick
from explorer.decoders.momentum import Momentum
from explorer.processors.contrastive_exploration import contrastive_exploration
from explorer.processors.locally_typical import locally_typical

GOLDEN = json.loads((Path(__file__).parent / "published.json").read_text())


def named(prefix: str) -> list[str]:
    return [name for name in GOLDEN if name.startswith(prefix)]


@pytest.mark.parametrize("name", named("typical_"))
def test_locally_typical(name: str) -> None:
    case = GOLDEN[name]
    given, expected = case["inputs"], case["expected"]
    # float64, as the authors ran it: two cases end exactly on the threshold
    logits = torch.tensor([[float(x) for x in given["logits"]]] * 2, dtype=torch.float64)
    kept = locally_typical(logits, given["mass"], given["min_tokens_to_keep"])
    for row in kept:
        assert row.isfinite().nonzero().flatten().tolist() == expected["kept_token_ids"]
    mean = float(entropy(log_normalise(logits))[0])
    assert mean == pytest.approx(expected["entropy_nats"], abs=case["tolerance"])


@pytest.mark.parametrize("name", named("momentum_circular_depth"))
def test_circular_depth(name: str) -> None:
    case = GOLDEN[name]
    context = case["inputs"]["context"]
    for candidate, depth in case["expected"]["circular_depth"].items():
        assert circular_depth(context, int(candidate)) == depth


TABLES = {
    "first": "commit_2b58b6f_1_3_4_5_6",
    "paper": "commit_cac238b_1_3_4_5_5",
    "linear": "comment_1_2_3_4_5",
}


@pytest.mark.parametrize("name", named("momentum_step"))
@pytest.mark.parametrize("kind", TABLES)
def test_momentum_step(name: str, kind) -> None:
    case = GOLDEN[name]
    given, expected = case["inputs"], case["expected"][TABLES[kind]]
    law = torch.tensor([given["probs"]]).log()
    view = StepView(law, log_normalise(law), (given["context"],), 3, (0.5,))
    move = Momentum(given["k"], given["alpha"], kind).advance(view)
    assert move.token_ids == (expected["next_id"],)
    score = math.exp(float(law[0, expected["next_id"]])) - float(move.notes[0]["resistance"])
    assert score == pytest.approx(expected["scores"][str(expected["next_id"])], abs=1e-5)
    assert move.notes[0]["rerouted"] == (expected["is_greedy_label"] == 2)


def test_momentum_reroutes_when_the_circle_costs_more_than_the_runner_up() -> None:
    """The third label of the authors' step, which the two published steps do not reach."""
    law = torch.tensor([[0.02, 0.5, 0.4, 0.08]]).log()
    view = StepView(law, law, ([3, 1, 0, 3],), 3, (0.5,))
    move = Momentum(k=3, alpha=0.2, kind="paper").advance(view)
    # token 1 closes a circle of depth 2: 0.5 - 0.2 * 3 = -0.1 < 0.4
    assert move.token_ids == (2,)
    assert move.notes[0] == {"circular_depth": 0, "resistance": 0.0, "rerouted": True}


def test_repetition_and_diversity() -> None:
    case = GOLDEN["diversity_rep234"]
    (tokens,) = case["inputs"]["tokens"]
    expected = case["expected"]
    for n in (2, 3, 4):
        assert rep_n(tokens, n) == pytest.approx(expected[f"rep{n}"], abs=case["tolerance"])
        assert distinct_n(tokens, n) == pytest.approx(1 - expected[f"rep{n}"])
    assert diversity(tokens) == pytest.approx(expected["diversity"], abs=case["tolerance"])


def test_seq_rep_of_a_text_without_repetition() -> None:
    case = GOLDEN["ditto_seq_rep_fresh"]
    tokens = case["inputs"]["tokens"]
    for n in (1, 2, 3, 4):
        assert rep_n(tokens, n) == case["expected"][f"pct_repeat_{n}grams"] / 100
    assert rep_n([1], 2) is None
    assert diversity([1, 2, 3]) is None


def floats(values: list) -> torch.Tensor:
    return torch.tensor([-math.inf if v is None else float(v) for v in values])


@pytest.mark.parametrize("name", named("wm_exp_pick"))
def test_the_exp_pick(name: str) -> None:
    given, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    law, xi = floats(given["probs"]).log(), torch.tensor(given["xi"], dtype=torch.float64)
    assert exp_pick(law, xi) == expected["token"]


def test_the_its_tokens_of_a_key() -> None:
    given, expected = GOLDEN["wm_its_phi"]["inputs"], GOLDEN["wm_its_phi"]["expected"]
    law, order = floats(given["probs"]).log(), torch.tensor(expected["pi"])
    # the authors' sampler walks the order that is the inverse of the ranks they store
    tokens = [
        its_pick(law, order, expected["xi"][(given["shift"] + i) % given["n"]])
        for i in range(given["m"])
    ]
    assert tokens == expected["tokens"]


@pytest.mark.parametrize("name", named("cge_a"))
def test_contrastive_exploration(name: str) -> None:
    given, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    tuned, before = floats(given["logits_finetuned"]), floats(given["logits_pretrained"])
    scores = contrastive_exploration(tuned, before, given["alpha"], given["gamma"])
    kept = scores.isfinite()
    assert kept.nonzero().flatten().tolist() == expected["kept"]
    assert torch.allclose(scores[kept], floats(expected["score"])[kept], atol=1e-5)
    assert scores.softmax(-1).tolist() == pytest.approx(expected["sampling_probs"], abs=1e-5)


@pytest.mark.parametrize("name", named("selfcert_borda"))
def test_borda_votes(name: str) -> None:
    given, expected = GOLDEN[name]["inputs"], GOLDEN[name]["expected"]
    n = given["N"]
    votes = borda_votes(given["answers"][:n], given["self_certainty"][:n], given["p"])
    assert votes == pytest.approx(expected["votes"])
    assert max(votes, key=votes.__getitem__) == expected["winner_answer"]


def test_self_certainty_of_a_row() -> None:
    case = GOLDEN["selfcert_two_steps_masked"]
    decoder, history = BestOfN(1, "self_certainty", 0.5), [0]
    for probs in case["inputs"]["probs"][:2]:
        law = torch.tensor([probs]).log()
        move = decoder.advance(StepView(law, log_normalise(law), (list(history),), 1, (0.5,)))
        history.append(move.token_ids[0])
    assert move.scores[0] == pytest.approx(case["expected"]["self_certainty"], abs=1e-5)


@pytest.mark.parametrize("name", named("detect_stat_"))
def test_log_perplexity_against_mean_entropy(name: str) -> None:
    """Row i of the logits is the law of token i + 1; padding has none."""
    case = GOLDEN[name]
    given, expected = case["inputs"], case["expected"]
    length = sum(given["attention_mask"][0])
    block = measure_block(torch.tensor(given["logits"][0][: length - 1]), 1)
    measures = measure_choices(block, range(block.rows), given["ids"][0][1:length], block.logprobs)
    steps = [m.step(Place(0, 0, 0, i, 0)) for i, m in enumerate(measures)]
    found = surprise(steps)
    assert found is not None
    near = {"abs": case["tolerance"]}
    assert -found.log_perplexity == pytest.approx(expected["mean_loglik"], **near)
    assert found.mean_entropy == pytest.approx(expected["mean_entropy"], **near)
    assert found.statistic == pytest.approx(expected["T"], **near)
