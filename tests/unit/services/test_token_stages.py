"""Stage by stage at one token: the numbers are those of the run, and an order costs no forward."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.core.errors import InvalidParams
from explorer.core.types import Trace
from explorer.services.generation import RunOptions, generate
from explorer.services.token_stages import Asked, TokenStages

VOCAB = LetterTokenizer().vocab_size


class CountingModel(ScriptedModel):
    scored = 0

    def score(self, token_ids, start):
        self.scored += 1
        return super().score(token_ids, start)


def made(spec: str, tokens: int = 12, top: int = 10) -> tuple[CountingModel, Trace]:
    model = CountingModel(hashed_script(VOCAB, end=-9))
    options = RunOptions(top=top)
    return model, generate(model, "abc", [spec], tokens, seed=3, options=options)[0]


def asked(trace: Trace, index: int, *order: int) -> Asked:
    return Asked(trace, index, order, max_new_tokens=12)


CHAINS = (
    "temperature:temperature=0.7+nucleus:p=0.8",
    "repetition_penalty:penalty=1.4+top_k:k=6+temperature:temperature=2",
    "xtc:probability=0.6,threshold=0.05+min_p:p=0.1",
    "no_repeat_ngram:n=2+eta:epsilon=0.01",
    'classifier_free_guidance:scale=2,negative="cab"+top_k:k=9',
    'kgw+suppressed:containing="a"',
    "min_length:tokens=5+nucleus:p=0.9",
    "forced:end=true+top_k:k=30",
)


@pytest.mark.parametrize("spec", CHAINS)
def test_the_last_row_is_what_the_trace_says_of_q(spec: str) -> None:
    model, trace = made(spec)
    for index, step in enumerate(trace.steps):
        answer: dict[str, Any] = TokenStages().rows(asked(trace, index), model)
        last = answer["rows"][-1]
        assert answer["exact"]
        assert last["tokens"] == [step.support_size] * 2
        assert last["after"][0] == pytest.approx(step.sampling_entropy, abs=1e-4)
        assert answer["rows"][0]["before"][0] == pytest.approx(step.entropy, abs=1e-4)
        assert answer["taken"]["t"] == step.token_id


@pytest.mark.parametrize("spec", ["repetition_penalty+beam:width=3", "top_k:k=4+diverse_beam"])
def test_rows_of_beams_are_those_of_their_own_law(spec: str) -> None:
    model, trace = made(spec)
    for index, step in enumerate(trace.steps):
        answer: dict[str, Any] = TokenStages().rows(asked(trace, index), model)
        assert answer["rows"][-1]["tokens"][0] >= 1
        assert answer["taken"] is None
        assert answer["rows"][0]["before"][0] == pytest.approx(step.entropy, abs=1e-4)


def test_another_order_is_answered_from_the_same_logits() -> None:
    model, trace = made("temperature:temperature=3+nucleus:p=0.5")
    stages = TokenStages()
    usual: dict[str, Any] = stages.rows(asked(trace, 4), model)
    swapped: dict[str, Any] = stages.rows(asked(trace, 4, 1, 0), model)
    assert model.scored == 1
    assert swapped["spec"] == "nucleus:p=0.5+temperature:temperature=3"
    assert [row["stage"] for row in swapped["rows"]] == [1, 0]
    # Cut before the law is flattened, fewer tokens stay.
    assert swapped["rows"][-1]["tokens"][0] < usual["rows"][-1]["tokens"][0]


def test_an_order_that_is_none_is_refused() -> None:
    model, trace = made("temperature+nucleus")
    for order in ((0, 0), (0,), (1, 2), (-1, 0)):
        with pytest.raises(InvalidParams, match="none of this lane's 2 stages"):
            TokenStages().rows(asked(trace, 0, *order), model)


def test_without_the_model_the_stored_tokens_bound_it() -> None:
    model, trace = made("temperature:temperature=0.7+top_k:k=4", top=10)
    for index in range(len(trace.steps)):
        exact: dict[str, Any] = TokenStages().rows(asked(trace, index), model)
        bounds: dict[str, Any] = TokenStages().rows(asked(trace, index), None)
        assert not bounds["exact"]
        assert bounds["taken"] is None
        for row, true in zip(bounds["rows"], exact["rows"], strict=True):
            for name in ("tokens", "cut", "before", "after", "kl"):
                low, high = row[name]
                assert low - 1e-5 <= true[name][0] <= (math.inf if high is None else high) + 1e-5


def test_what_cannot_be_computed_again_says_so() -> None:
    model, trace = made("nucleus:p=0.9")
    for spec, words in (
        ("dola+nucleus", "hidden states"),
        ('contrastive_decoding:amateur="other"+nucleus', "second model"),
        ("xtc+best_of_n", "drew for this row"),
    ):
        other = _with_decoder(trace, spec)
        answer: dict[str, Any] = TokenStages().rows(asked(other, 0), model)
        assert words in answer["rows"][0]["missing"]
        assert all("missing" in row for row in answer["rows"])
    bounds: dict[str, Any] = TokenStages().rows(asked(_with_decoder(trace, "eta+top_k"), 0), None)
    assert "the model" in bounds["rows"][0]["missing"]


def _with_decoder(trace: Trace, spec: str) -> Trace:
    return replace(trace, decoder=spec)


def test_only_so_many_logits_are_kept() -> None:
    model, trace = made("nucleus:p=0.9")
    stages = TokenStages(kept=2)
    for index in (0, 1, 2, 2, 1, 0):
        stages.rows(asked(trace, index), model)
    assert model.scored == 4
