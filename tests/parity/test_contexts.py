"""Methods that compare two contexts, against recomputation without a cache and transformers."""

from __future__ import annotations

import math

import pytest
import torch
from fakes import NumberTokenizer, tiny_llama
from transformers.generation import logits_process as hf

from explorer.core.models import HFModel
from explorer.services.generation import Run, RunOptions

PROMPT = [5, 17, 33, 4, 90, 17]
OTHER = [9, 8, 7]


def handle(seed: int) -> HFModel:
    return HFModel.from_parts(tiny_llama(seed), NumberTokenizer(), id=f"tiny-{seed}")


def whole_law(seed: int, ids: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return tiny_llama(seed)(torch.tensor([ids])).logits[0, -1].log_softmax(-1)


def run(spec: str, tokens: int = 16, **second) -> list[int]:
    run = Run(handle(0), PROMPT, ["ancestral", spec, "greedy"], RunOptions(tokens), **second)
    list(run.columns())
    return list(run.traces()[1].token_ids)


def test_contrastive_decoding_equals_recomputation_from_two_models() -> None:
    found = run('contrastive_decoding:amateur="b"+greedy', second_models={"b": handle(1)})
    ids: list[int] = []
    while len(ids) < len(found):
        expert, amateur = whole_law(0, PROMPT + ids), whole_law(1, PROMPT + ids)
        scores = torch.where(expert >= expert.max() + math.log(0.1), expert - amateur, -math.inf)
        ids.append(int(scores.argmax()))
    assert found == ids


@pytest.mark.parametrize("scale", [0.0, 1.5, 4.0])
def test_guidance_equals_the_class_of_transformers(scale: float) -> None:
    text = "9 8 7"
    found = run(f'classifier_free_guidance:scale={scale},negative="{text}"+greedy')
    theirs = hf.UnbatchedClassifierFreeGuidanceLogitsProcessor(
        scale, tiny_llama(0), torch.tensor([OTHER]), use_cache=False
    )
    ids: list[int] = []
    while len(ids) < len(found):
        history = torch.tensor([PROMPT + ids])
        scores = tiny_llama(0)(history).logits[:, -1].detach()
        ids.append(int(theirs(history, scores)[0].argmax()))
    assert found == ids


def test_a_product_multiplies_probabilities() -> None:
    text = "9 8 7"
    found = run(f'product_of_experts:prompt="{text}",first_weight=1,second_weight=0.5+greedy')
    ids: list[int] = []
    while len(ids) < len(found):
        both = whole_law(0, PROMPT + ids).exp() * whole_law(0, OTHER + ids).exp().sqrt()
        ids.append(int(both.argmax()))
    assert found == ids


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_a_mixture_is_the_mean_of_probabilities(weight: float) -> None:
    found = run(f'mixture:model="b",weight={weight}+greedy', second_models={"b": handle(1)})
    ids: list[int] = []
    while len(ids) < len(found):
        first, second = whole_law(0, PROMPT + ids).exp(), whole_law(1, PROMPT + ids).exp()
        ids.append(int(((1 - weight) * first + weight * second).argmax()))
    assert found == ids


def test_two_lanes_with_the_same_second_context_share_its_forwards() -> None:
    model = handle(0)
    calls = []
    model.model.register_forward_hook(lambda *_: calls.append(1))
    specs = ["contrastive_decoding+greedy", "contrastive_decoding:alpha=0.5+greedy"]
    list(Run(model, PROMPT, specs, RunOptions(5, ignore_eos=True)).columns())
    assert len(calls) == 2 * 5  # one a context and token
