"""Contrastive search against a slow reference that reads every candidate's text anew."""

from __future__ import annotations

import pytest
import torch
from fakes import NumberTokenizer, tiny_gpt2, tiny_llama

from explorer.core.models import HFModel
from explorer.core.types import StopReason
from explorer.services.generation import Run, RunOptions

PROMPT = [5, 17, 33, 4, 90, 17]


def reference(model, k: int, alpha: float, tokens: int) -> list[int]:
    def states(ids: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            out = model(torch.tensor([ids]), output_hidden_states=True)
        return out.logits[0, -1].softmax(-1), out.hidden_states[-1][0]

    ids: list[int] = []
    while len(ids) < tokens and (not ids or ids[-1] != 0):
        probs, context = states(PROMPT + ids)
        best, score = 0, -2.0
        for token_id in probs.topk(k).indices.tolist():
            _, extended = states([*PROMPT, *ids, token_id])
            near = torch.cosine_similarity(extended[-1:], context).max()
            value = float((1 - alpha) * probs[token_id] - alpha * near)
            if value > score:
                best, score = token_id, value
        ids.append(best)
    return ids


@pytest.mark.parametrize("make", [tiny_llama, tiny_gpt2])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("k", "alpha"), [(4, 0.6), (3, 0.2), (1, 0.5)])
def test_contrastive_search_equals_the_reference(make, seed: int, k: int, alpha: float) -> None:
    handle = HFModel.from_parts(make(seed), NumberTokenizer(), id="tiny")
    specs = ["ancestral", f"contrastive_search:k={k},alpha={alpha}", "beam:width=2"]
    run = Run(handle, PROMPT, specs, RunOptions(14))
    list(run.columns())
    trace = run.traces()[1]
    expected = reference(make(seed).eval(), k, alpha, 14)
    assert list(trace.token_ids) == expected
    ended = StopReason.EOS if expected[-1] == 0 else StopReason.MAX_NEW_TOKENS
    assert trace.stop_reason is ended


def test_one_forward_a_token_and_one_to_settle_the_last() -> None:
    handle = HFModel.from_parts(tiny_llama(0), NumberTokenizer(), id="tiny")
    calls = []
    handle.model.register_forward_hook(lambda *_: calls.append(1))
    options = RunOptions(9, ignore_eos=True)
    run = Run(handle, PROMPT, ["contrastive_search"], options)
    list(run.columns())
    assert len(run.traces()[0].token_ids) == 9
    assert len(calls) == 1 + 9


def test_a_loop_or_a_stop_string_ends_it_at_a_token_it_took() -> None:
    handle = HFModel.from_parts(tiny_llama(0), NumberTokenizer(), id="tiny")
    run = Run(handle, PROMPT, ["contrastive_search"], RunOptions(9, ignore_eos=True))
    list(run.columns())
    whole = run.traces()[0]
    stop = whole.pieces[whole.token_ids[4]]
    stopped = Run(
        handle, PROMPT, ["contrastive_search"], RunOptions(9, ignore_eos=True, stop_strings=(stop,))
    )
    list(stopped.columns())
    trace = stopped.traces()[0]
    assert trace.stop_reason is StopReason.STOP_STRING
    assert trace.token_ids == whole.token_ids[: len(trace.token_ids)]
    assert trace.pieces[trace.token_ids[-1]] == stop
