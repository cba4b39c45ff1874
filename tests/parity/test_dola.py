"""DoLa against a slow reference after the authors' code, one row at a time, without a cache."""

from __future__ import annotations

import math

import pytest
import torch
from fakes import NumberTokenizer, tiny_llama
from torch.nn import functional

from explorer.core.models import HFModel
from explorer.processors.dola import candidate_layers
from explorer.services.generation import Run, RunOptions

PROMPT = [5, 17, 33, 4, 90, 17]


def reference(model, ids: list[int], bucket: str, alpha: float) -> int:
    with torch.no_grad():
        out = model(torch.tensor([ids]), output_hidden_states=True)
        final = out.logits[:, -1]
        layers = candidate_layers(model.config.num_hidden_layers, bucket)
        early = {i: model.lm_head(out.hidden_states[i][:, -1]) for i in layers}
    best, furthest = None, -math.inf
    for logits in early.values():
        p, q = functional.softmax(final, -1), functional.softmax(logits, -1)
        mean = 0.5 * (p + q)
        one = functional.kl_div(functional.log_softmax(final, -1), mean, reduction="none").mean(-1)
        two = functional.kl_div(functional.log_softmax(logits, -1), mean, reduction="none").mean(-1)
        if float(0.5 * (one + two)) > furthest:
            best, furthest = logits, float(0.5 * (one + two))
    last, base = final.log_softmax(-1), best.log_softmax(-1)
    scores = last - base
    scores[last < last.max() + math.log(alpha)] = -math.inf
    return int(scores.argmax())


@pytest.mark.parametrize("bucket", ["low", "high"])
@pytest.mark.parametrize("seed", range(3))
def test_dola_equals_the_reference(bucket: str, seed: int) -> None:
    def deep():
        return tiny_llama(seed, layers=8)

    handle = HFModel.from_parts(deep(), NumberTokenizer(), id="deep")
    run = Run(handle, PROMPT, ["ancestral", f"dola:layers={bucket}+greedy"], RunOptions(12))
    list(run.columns())
    found = list(run.traces()[1].token_ids)
    model, ids = deep().eval(), []
    while len(ids) < len(found):
        ids.append(reference(model, PROMPT + ids, bucket, 0.1))
    assert found == ids
