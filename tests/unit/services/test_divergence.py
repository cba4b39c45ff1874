"""Where lanes part: exact with the model, and bounds without it that hold the exact figures."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace

import pytest
import torch
from fakes import LetterTokenizer, NumberTokenizer, ScriptedModel, hashed_script, tiny_llama

from explorer.cli import main
from explorer.core.errors import InvalidParams
from explorer.core.models import HFModel
from explorer.core.trace_io import write_traces
from explorer.services import loading
from explorer.services import parity as parity_module
from explorer.services.divergence import first_divergence, law_at, parting
from explorer.services.generation import RunOptions, generate
from explorer.services.parity import load_as, parity
from explorer.services.scoring import score

VOCAB = LetterTokenizer().vocab_size
SPECS = [
    "greedy", "ancestral", "top_k:k=4", "nucleus:p=0.5", "mirostat:tau=2", "min_p:p=0.3",
    "repetition_penalty:penalty=2", 'classifier_free_guidance:negative="b"',
]  # fmt: skip


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(hashed_script(VOCAB))


@pytest.mark.parametrize("top", [3, 10, 60])
def test_bounds_hold_what_is_exact(model, top) -> None:
    options = RunOptions(top=top, coupled=True)
    traces = generate(model, "abc", SPECS, max_new_tokens=30, seed=3, options=options)
    compared = 0
    for a, b in itertools.combinations(traces, 2):
        exact, bound = parting(a, b, model), parting(a, b)
        if exact is None:
            assert a.token_ids == b.token_ids
            continue
        compared += 1
        assert exact.exact
        assert not bound.exact
        assert bound.index == exact.index == first_divergence(a, b)
        for name in ("kl", "kl_back", "js"):
            low, high = getattr(bound, name)
            assert low <= getattr(exact, name)[0] + 1e-9
            assert high >= getattr(exact, name)[0] - 1e-9
        assert exact.js[0] <= math.log(2) + 1e-9
        if top >= VOCAB:  # everything is stored: the bounds close
            assert bound.js == pytest.approx(exact.js, abs=1e-4)
        step = a.steps[exact.index]
        assert exact.first.own == pytest.approx(-step.sampling_surprisal, abs=1e-5)
        for side, seen in ((exact.first, bound.first), (exact.second, bound.second)):
            assert math.isnan(seen.other) or seen.other == pytest.approx(side.other, abs=1e-4)
        json.dumps(bound.as_data(a.pieces), allow_nan=False)
    assert compared > 10


def test_two_laws_by_hand(model) -> None:
    """Greedy says one token surely: KL(greedy || q) is what q gives for it."""
    greedy, pure = generate(model, "abc", ["greedy", "ancestral"], max_new_tokens=20, seed=1)
    found = parting(greedy, pure, model)
    step = pure.steps[found.index]
    assert found.kl[0] == pytest.approx(-step.top[0].logprob, abs=1e-4)
    assert found.kl_back[0] == math.inf
    assert found.as_data({})["kl_back"] == [None, None]
    assert found.first.would_say == ((greedy.token_ids[found.index], 0.0),)
    assert found.second.would_say[0][0] == greedy.token_ids[found.index]
    assert found.first.other == -math.inf


def test_lanes_that_never_part_and_lanes_that_only_end(model) -> None:
    (a,) = generate(model, "abc", ["greedy"], max_new_tokens=9)
    (b,) = generate(model, "abc", ["greedy"], max_new_tokens=5)
    assert parting(a, a) is None
    assert first_divergence(a, b) == 5
    open_end = parting(a, b)
    assert (open_end.first.token_id, open_end.second.token_id) == (a.token_ids[5], None)
    assert open_end.js == (0.0, math.log(2))
    exact = parting(a, b, model)
    assert exact.kl == (0.0, 0.0)  # the same law: only the length was another
    json.dumps(exact.as_data(a.pieces), allow_nan=False)
    json.dumps(open_end.as_data(a.pieces), allow_nan=False)


def test_searches_have_bounds_and_given_text_has_the_models_law(model) -> None:
    beam, pure = generate(model, "abc", ["beam:width=3", "ancestral"], max_new_tokens=9, seed=2)
    assert law_at(beam, 2, model) is None
    assert not parting(beam, pure, model).exact
    text = score(model, "xyz", prompt="abc")
    assert parting(text, pure, model).exact


def test_what_cannot_be_compared_is_refused(model) -> None:
    (a,) = generate(model, "abc", ["greedy"], max_new_tokens=3)
    (b,) = generate(model, "abe", ["greedy"], max_new_tokens=3)
    with pytest.raises(InvalidParams, match="different prompts"):
        parting(a, b)
    c = replace(a, steps=a.steps[:1], model=replace(a.model, digest="sha256:1"))
    with pytest.raises(InvalidParams, match="did not make both"):
        parting(a, c, model)


def test_the_command_lists_every_pair(model, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(loading, "load_model", lambda name, **_: model)
    path = tmp_path / "run.jsonl"
    write_traces(path, generate(model, "abc", SPECS[:3], max_new_tokens=9, seed=1))
    assert main(["diverge", str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert main(["diverge", str(path), "--model", "scripted", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert [entry["traces"] for entry in data] == [[0, 1], [0, 2], [1, 2]]
    assert data[0]["parting"]["exact"]
    write_traces(path, ())
    assert main(["diverge", str(path)]) == 2


# --- the parity light


def net(dtype=torch.float32) -> HFModel:
    return HFModel.from_parts(tiny_llama().to(dtype), NumberTokenizer())


def test_the_light_tells_types_apart() -> None:
    ids = [i * 7 % 90 + 1 for i in range(200)]
    same = parity(net(), net(), [5], ids)
    assert (same.light, same.flipped, same.first_flipped) == ("green", 0, None)
    assert same.largest < 1e-4
    half = parity(net(), net(torch.bfloat16), [5], ids)
    assert half.light in ("amber", "red")
    assert half.second == "bfloat16 on cpu"
    assert half.largest > 1e-3
    assert half.mean_kl > same.mean_kl
    by_hand = [
        (i, float((a.log_softmax(-1) - b.log_softmax(-1))[0, ids[i]].abs()))
        for i in (half.largest_at,)
        for (_, a), (_, b) in [
            (
                next(iter(net().score([5, *ids[: i + 1]], i + 1))),
                next(iter(net(torch.bfloat16).score([5, *ids[: i + 1]], i + 1))),
            )
        ]
    ]
    assert by_hand[0][1] == pytest.approx(half.largest, rel=0.5)


def test_a_flipped_argmax_is_red() -> None:
    base = hashed_script(VOCAB)

    def nudged(history):
        law = list(base(history))
        if len(history) == 4:
            law[7] = 30.0
        return law

    found = parity(ScriptedModel(base), ScriptedModel(nudged), [1], [2, 3, 4, 5, 6])
    assert (found.light, found.flipped, found.first_flipped) == ("red", 1, 3)
    small = [x + 0.002 * (i % 2) for i, x in enumerate(base([1]))]
    found = parity(ScriptedModel(lambda h: base([1])), ScriptedModel(lambda h: small), [1], [2, 3])
    assert found.light == "amber"


def test_what_is_no_pair_is_refused() -> None:
    scripted = ScriptedModel(hashed_script(VOCAB))
    with pytest.raises(InvalidParams, match="different vocabularies"):
        parity(scripted, net(), [5], [6])
    with pytest.raises(InvalidParams, match="no text"):
        parity(scripted, scripted, [5], [])
    with pytest.raises(InvalidParams, match="'int3' is no type"):
        load_as("tiny", "int3")


def test_the_parity_command(monkeypatch, capsys) -> None:
    made = {"float32": net(), "bfloat16": net(torch.bfloat16)}
    monkeypatch.setattr(parity_module, "load_as", lambda name, dtype, device, **_: made[dtype])
    text = ["parity", "--text", " ".join(str(i * 7 % 90 + 1) for i in range(60))]
    assert main([*text, "--as", "float32", "float32@cpu"]) == 0
    assert "green" in capsys.readouterr().out
    status = main([*text, "--json"])
    (data,) = json.loads(capsys.readouterr().out)
    assert status == (data["light"] == "red")
    assert data["second"] == "bfloat16 on cpu"
    assert main([*text, "--as", "float32"]) == 2
