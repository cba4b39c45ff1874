"""What a decoder could have written: every decoder its own text, and few another's."""

from __future__ import annotations

import json
import math

import pytest
import torch
from fakes import LetterTokenizer, NumberTokenizer, ScriptedModel, hashed_script, tiny_llama
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.core.decoder import StepView
from explorer.core.errors import InvalidParams
from explorer.core.models import HFModel
from explorer.decoders import CATALOG
from explorer.decoders.spec import parse
from explorer.services.admitting import AT_MOST, PARAMS, what_admits
from explorer.services.could import LAYER_TOKENS, SEARCH_TOKENS, Could, could_have
from explorer.services.generation import Run, RunOptions, generate
from explorer.services.probe import probe
from explorer.services.scoring import score

VOCAB = LetterTokenizer().vocab_size


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(hashed_script(VOCAB))


@pytest.mark.parametrize("name", CATALOG)
def test_every_method_could_have_written_what_it_wrote(model, name) -> None:
    (trace,) = generate(model, "abc", [name], max_new_tokens=16, seed=5)
    (found,) = could_have(model, trace, [name]).chains
    assert found.decoder == trace.decoder
    if found.missing:
        assert parse(name).build().width > 1
        assert not parse(name).is_deterministic
        return
    assert found.first_impossible is None
    if found.is_search:
        assert found.total == 0
    elif not found.is_estimate:
        wanted = -sum(s.sampling_surprisal for s in trace.steps)
        assert found.total == pytest.approx(wanted, abs=1e-3)
    json.dumps(found.as_data(), allow_nan=False)


def test_the_first_impossible_token_is_named(model) -> None:
    (free,) = generate(model, "abc", ["ancestral"], max_new_tokens=40, seed=5)
    verdicts = could_have(model, free, ["greedy", "top_k:k=3", "ancestral", "beam:width=2"])
    greedy, few, pure, beam = verdicts.chains
    ranks = [s.rank for s in free.steps]
    assert greedy.first_impossible == next(i for i, r in enumerate(ranks) if r > 0)
    assert few.first_impossible == next(i for i, r in enumerate(ranks) if r > 2)
    assert few.total == -math.inf
    assert few.as_data()["total"] is None
    assert pure.total == pytest.approx(-sum(s.surprisal for s in free.steps), abs=1e-4)
    assert pure.log_q == pytest.approx(verdicts.log_p)
    assert beam.is_search
    assert len(beam.log_q) == beam.first_impossible + 1
    assert beam.as_data()["total"] is None


def test_a_search_says_one_text_and_where_another_leaves_it(model) -> None:
    for spec in ("beam:width=3", "contrastive_search:k=3", "diverse_beam"):
        (own,) = generate(model, "abc", [spec], max_new_tokens=20)
        ids = list(own.token_ids)
        ids[7] = 3 if ids[7] != 3 else 4
        changed = score(model, ids, prompt=own.prompt)
        same = score(model, own.token_ids, prompt=own.prompt)
        (yes,), (no,) = (could_have(model, t, [spec]).chains for t in (same, changed))
        assert (yes.first_impossible, yes.total) == (None, 0)
        assert (no.first_impossible, no.total) == (7, -math.inf)
    luck = could_have(model, own, ["best_of_n:n=2"]).chains[0]
    assert luck.missing.startswith("a search that draws")
    long = score(model, [3] * (SEARCH_TOKENS + 1), prompt=own.prompt)
    assert "at most 512 tokens" in could_have(model, long, ["beam"]).chains[0].missing


def test_what_reads_hidden_states_or_another_model_is_asked_too(model) -> None:
    net = HFModel.from_parts(tiny_llama(layers=4), NumberTokenizer())
    (trace,) = generate(net, [3, 5, 6], ["dola"], max_new_tokens=12, seed=2)
    (found,) = could_have(net, trace, ["dola"]).chains
    assert found.log_q == pytest.approx([-s.sampling_surprisal for s in trace.steps], abs=1e-3)
    long = score(net, [3] * (LAYER_TOKENS + 1), prompt=[3, 5])
    assert "at most 256 tokens" in could_have(net, long, ["dola"]).chains[0].missing
    other = ScriptedModel(lambda history: hashed_script(VOCAB)(list(history)[::-1]))
    spec = "contrastive_decoding:amateur=other"
    run = Run(model, "abc", [spec], RunOptions(max_new_tokens=12), second_models={"other": other})
    assert len(list(run.columns())) == 12
    (made,) = run.traces()
    (asked,) = could_have(model, made, [spec], {"other": other}).chains
    assert asked.log_q == pytest.approx([-s.sampling_surprisal for s in made.steps], abs=1e-3)
    assert "'other', which is not loaded" in could_have(model, made, [spec]).chains[0].missing


def test_a_chain_says_what_its_own_truncations_would_have_needed(model) -> None:
    """Behind a temperature the border of p is another; each stage set there lets the token pass."""
    (free,) = generate(model, "abc", ["temperature:temperature=1.3"], max_new_tokens=24, seed=5)
    before = "repetition_penalty:penalty=1.2+temperature:temperature=0.6"
    specs = [f"{before}+{name}" for name in PARAMS]
    verdicts = could_have(model, free, specs)
    for chain in verdicts.chains:
        (stage,) = chain.stages
        assert stage.stage == 2
        assert len(stage.values) == 24
        assert stage.hardest != pytest.approx(getattr(verdicts.hardest, stage.name), rel=1e-6)
        hair = {"top_k": 0, "top_n_sigma": 1e-4}.get(stage.name, 1e-4 * stage.hardest)
        sign = -1 if stage.name in AT_MOST else 1
        assert stage.hardest is not None
        border = stage.hardest + sign * hair
        worse = stage.hardest - (1 if stage.name == "top_k" else sign * hair)

        def ask(value: float, name: str = stage.name) -> Could:
            shown = int(value) if name == "top_k" else value
            (one,) = could_have(model, free, [f"{before}+{name}:{PARAMS[name]}={shown}"]).chains
            return one

        assert ask(border).first_impossible is None
        if worse < 1 or stage.name in ("top_k", "top_n_sigma"):
            assert ask(worse).first_impossible is not None


def test_a_token_that_a_stage_before_has_cut_needs_nothing_more(model) -> None:
    (free,) = generate(model, "abc", ["ancestral"], max_new_tokens=40, seed=5)
    (found,) = could_have(model, free, ["top_k:k=3+nucleus:p=0.5+min_p:p=0.2+temperature"]).chains
    k, p, least = found.stages
    assert [s.name for s in found.stages] == ["top_k", "nucleus", "min_p"]
    assert None not in k.values
    cut = [i for i, needed in enumerate(k.values) if needed > 3]
    assert [i for i, value in enumerate(p.values) if value is None] == cut
    assert {i for i, x in enumerate(least.values) if x is None} >= set(cut)
    assert found.first_impossible is not None
    json.dumps(found.as_data(), allow_nan=False)


def test_luck_inside_a_chain_is_averaged_over(model) -> None:
    (free,) = generate(model, "abc", ["greedy"], max_new_tokens=12)
    spec = "xtc:probability=0.5,threshold=0.05"
    (found,) = could_have(model, free, [spec]).chains
    assert found.is_estimate
    assert found.first_impossible is None  # half of the time nothing is cut
    (never,) = could_have(model, free, ["xtc:probability=1,threshold=0.01"]).chains
    assert never.first_impossible == 0


def test_memory_follows_the_text_and_not_the_luck(model) -> None:
    """Mirostat steers by what was said: along its own text its cut is what it was."""
    (trace,) = generate(model, "abc", ["mirostat:tau=2"], max_new_tokens=30, seed=8)
    (found,) = could_have(model, trace, ["mirostat:tau=2"]).chains
    assert found.log_q == pytest.approx([-s.sampling_surprisal for s in trace.steps], abs=1e-4)


laws = st.lists(st.integers(-600, 600).map(lambda x: x / 100), min_size=3, max_size=12, unique=True)


@given(laws, st.data())
@settings(deadline=None)
def test_what_admits_a_token_is_the_truncations_own_border(logits, data) -> None:
    values = torch.tensor(logits)
    token = data.draw(st.integers(0, len(logits) - 1))
    needed = what_admits(values, token)

    def admits(spec: str) -> bool:
        row = values.unsqueeze(0)
        view = StepView(row, row.log_softmax(-1), ([0],), 1, (0.5,))
        law = parse(spec).build().advance(view).logprobs
        return bool(law[0, token] > -math.inf)

    assert admits(f"top_k:k={needed.top_k}")
    assert needed.top_k == 1 or not admits(f"top_k:k={needed.top_k - 1}")
    hair = 1e-4
    for name, param, value in (
        ("nucleus", "p", needed.nucleus),
        ("locally_typical", "mass", needed.locally_typical),
        ("top_n_sigma", "n", needed.top_n_sigma),
    ):
        if hair < value < 1 - hair:
            assert admits(f"{name}:{param}={value + hair}")
            assert not admits(f"{name}:{param}={value - hair}")
    for name, param, value in (
        ("min_p", "p", needed.min_p),
        ("epsilon", "epsilon", needed.epsilon),
        ("eta", "epsilon", needed.eta),
        ("top_a", "a", needed.top_a),
    ):
        if hair < value < 1 - hair and needed.top_k > 1:
            assert admits(f"{name}:{param}={value * (1 - hair)}")
            assert not admits(f"{name}:{param}={value * (1 + hair)}")


def test_the_hardest_token_says_what_admits_the_text(model) -> None:
    trace = score(model, "hello abc")
    verdicts = could_have(model, trace, ["greedy"])
    k = verdicts.hardest.top_k
    assert k == max(s.rank for s in trace.steps) + 1
    passing, failing = could_have(model, trace, [f"top_k:k={k}", f"top_k:k={k - 1}"]).chains
    assert passing.first_impossible is None
    assert failing.first_impossible is not None
    assert json.loads(json.dumps(verdicts.as_data()))["needed"][0]["top_k"] >= 1


def test_a_probe_tells_a_token_at_every_place(model) -> None:
    trace = score(model, "hello abc")
    found = probe(model, trace, "e")
    assert found.is_whole
    assert len(found.log_p) == 9
    assert found.log_p[1] == pytest.approx(-trace.steps[1].surprisal, abs=1e-5)
    assert found.ranks[1] == trace.steps[1].rank
    assert found.log_p[found.best] == max(found.log_p)
    assert not probe(model, trace, "cat").is_whole
    json.dumps(found.as_data())
    with pytest.raises(InvalidParams, match="no token to ask for"):
        probe(model, trace, "")
