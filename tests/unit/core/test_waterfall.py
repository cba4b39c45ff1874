"""The waterfall by hand, and bounds that hold whatever the tokens are that nobody stored."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.core.decoder import StepView
from explorer.core.types import Candidate, TokenStep
from explorer.core.waterfall import StagePart, Waterfall, make_view, waterfall
from explorer.core.waterfall_bounds import bounded_waterfall, from_step
from explorer.decoders.spec import Stage, parse

LAW = [0.5, 0.25, 0.125, 0.0625, 0.0625]


def stages(spec: str) -> list[Stage]:
    return list(parse(spec).processors)


def parts(spec: str) -> list[StagePart]:
    return [StagePart(i, s.info.build(s.params)) for i, s in enumerate(stages(spec))]  # type: ignore[call-arg,arg-type]


def view(law: list[float], history: tuple[int, ...] = (0,)) -> StepView:
    return make_view(torch.tensor(law).log(), history, 1, 0.5)


def run(spec: str, chosen: int = 0, law: list[float] = LAW) -> Waterfall:
    return waterfall(view(law), parts(spec), chosen)


def test_a_worked_example() -> None:
    # top_k 3 leaves 4/7, 2/7, 1/7; nucleus 0.8 then needs two of them: 2/3 and 1/3.
    top_k, nucleus = run("top_k:k=3+nucleus:p=0.8").rows
    assert top_k.tokens_left == (3, 3)
    assert top_k.mass_cut[0] == pytest.approx(0.125)
    assert top_k.entropy_before[0] == pytest.approx(1.875 * math.log(2))
    after = -sum(x * math.log(x) for x in (4 / 7, 2 / 7, 1 / 7))
    assert top_k.entropy_after[0] == pytest.approx(after)
    assert top_k.kl[0] == pytest.approx(math.log(8 / 7))  # the kept law is p / (7/8)
    assert nucleus.tokens_left == (2, 2)
    assert nucleus.mass_cut[0] == pytest.approx(1 / 7)
    assert nucleus.entropy_before[0] == pytest.approx(after)
    assert nucleus.kl[0] == pytest.approx(math.log(4 / 3))
    assert not top_k.cut_runner_up
    assert not nucleus.cut_runner_up


def test_it_says_which_stage_removed_the_runner_up() -> None:
    found = run("top_k:k=2+nucleus:p=0.7", chosen=0)
    assert found.runner_up == 1
    assert [row.cut_runner_up for row in found.rows] == [False, False]
    assert [r.cut_runner_up for r in run("top_k:k=2+min_p:p=0.9").rows] == [False, True]
    assert run("top_k:k=2", chosen=3).runner_up == 0


def test_the_order_matters_and_the_law_is_that_of_the_whole_chain() -> None:
    first = run("temperature:temperature=0.5+top_k:k=2").law
    assert first is not None
    assert first.exp().tolist() == pytest.approx([0.8, 0.2, 0, 0, 0])
    swapped = waterfall(view(LAW), parts("nucleus:p=0.6+temperature:temperature=2"), 0).rows
    assert [row.tokens_left[0] for row in swapped] == [2, 2]
    other = waterfall(view(LAW), parts("temperature:temperature=2+nucleus:p=0.6"), 0).rows
    assert [row.tokens_left[0] for row in other] == [5, 3]


def test_stages_that_read_the_past_get_the_real_one() -> None:
    seen = waterfall(view(LAW, history=(4, 1, 2, 1)), parts("no_repeat_ngram:n=2"), 0)
    assert seen.rows[0].cut_runner_up is False
    # After "1" came "2": token 2 would repeat the pair.
    assert seen.law is not None
    assert seen.law[2] == -math.inf


def test_from_a_stage_that_cannot_be_run_on_nothing_is_claimed() -> None:
    chain = [*parts("top_k:k=3"), StagePart(1, None, "hidden states"), parts("nucleus:p=0.5")[0]]
    found = waterfall(view(LAW), chain, 0)
    assert [row.missing for row in found.rows] == [
        "", "hidden states", "what the stage before it left",
    ]  # fmt: skip
    assert found.law is None


def stored(law: list[float], keep: int, chosen: int) -> TokenStep:
    order = sorted(range(len(law)), key=lambda i: -law[i])[:keep]
    top = tuple(Candidate(i, math.log(law[i]), 0.0) for i in order)
    return TokenStep(
        lane=0, row=0, parent_row=0, index=0, token_id=chosen, surprisal=-math.log(law[chosen]),
        entropy=0, varentropy=0, rank=0, sampling_surprisal=0, sampling_entropy=0,
        support_size=1, top=top,
    )  # fmt: skip


CHAINS = (
    "temperature:temperature=0.5",
    "temperature:temperature=2",
    "top_k:k=2",
    "nucleus:p=0.5",
    "nucleus:p=0.9",
    "min_p:p=0.2",
    "min_p:p=0.01",
    "epsilon:epsilon=0.02",
    "top_a:a=0.5",
    "temperature:temperature=1.7+min_p:p=0.05+nucleus:p=0.7",
    "top_k:k=3+temperature:temperature=0.4",
)


@settings(max_examples=300, deadline=None)
@given(
    weights=st.lists(st.floats(0.001, 1), min_size=8, max_size=24),
    keep=st.integers(2, 6),
    power=st.integers(1, 6),
    spec=st.sampled_from(CHAINS),
    data=st.data(),
)
def test_bounds_hold_for_every_law_that_fits_what_is_stored(
    weights: list[float], keep: int, power: int, spec: str, data: st.DataObject
) -> None:
    raised = [w**power for w in weights]
    law = [w / math.fsum(raised) for w in raised]
    chosen = data.draw(st.integers(0, len(law) - 1))
    p = from_step(stored(law, keep, chosen), len(law))
    triples = [
        (i, s.info.name, s.params.model_dump()) for i, s in enumerate(stages(spec))
    ]  # fmt: skip
    rows, second = bounded_waterfall(p, triples, chosen)
    exact = waterfall(view(law), parts(spec), chosen)
    for row, true in zip(rows, exact.rows, strict=True):
        if row.missing:
            continue
        for name in ("tokens_left", "mass_cut", "entropy_before", "entropy_after", "kl"):
            (low, high), value = getattr(row, name), getattr(true, name)[0]
            assert low - 1e-4 <= value <= high + 1e-4, (name, row, true)
        if second == exact.runner_up:
            assert row.cut_runner_up == true.cut_runner_up


def test_bounds_are_numbers_where_the_stored_tokens_decide() -> None:
    law = [0.5, 0.2, 0.1, 0.08, 0.06, 0.03, 0.02, 0.01]
    p = from_step(stored(law, 4, 0), len(law))
    (row,), _ = bounded_waterfall(p, [(0, "nucleus", {"p": 0.75})], 0)
    assert row.tokens_left == (3, 3)
    assert row.mass_cut == pytest.approx((0.2, 0.2))
    assert row.kl == pytest.approx((math.log(1 / 0.8), math.log(1 / 0.8)))
    (open_row,), _ = bounded_waterfall(p, [(0, "nucleus", {"p": 0.99})], 0)
    assert open_row.missing
    (other,), _ = bounded_waterfall(p, [(0, "eta", {"epsilon": 0.1})], 0)
    assert other.missing
