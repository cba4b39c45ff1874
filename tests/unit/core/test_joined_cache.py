"""Rows of several batches through one forward give what each gives alone."""

from __future__ import annotations

import copy
import threading

import pytest
import torch
from fakes import NumberTokenizer, tiny_llama
from small_families import SIZES, model_of
from transformers import AutoModelForCausalLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from explorer.core import joined_cache, shared_steps
from explorer.core.joined_cache import FAMILIES, can_join
from explorer.core.kv_cache import KVBatch
from explorer.core.models import HFModel
from explorer.core.shared_steps import Step
from explorer.services.generation import Run, RunOptions

PROMPTS = ([5, 17, 33], [9, 8, 7, 6, 5, 4, 3], [2])


def begun(model, prompt: list[int], rows: int) -> KVBatch:
    batch = KVBatch(model)
    list(batch.prefill(prompt))
    batch.select([0] * rows)
    return batch


@pytest.mark.parametrize("family", FAMILIES)
def test_a_joined_step_is_each_ones_own_step(family: str) -> None:
    model = model_of(family)
    alone = [begun(model, p, rows) for p, rows in zip(PROMPTS, (2, 1, 3), strict=True)]
    joined = [begun(model, p, rows) for p, rows in zip(PROMPTS, (2, 1, 3), strict=True)]
    assert all(can_join(model, batch._cache) for batch in joined)
    for number in range(4):
        tokens = [[(7 * number + i) % 90 + 1 for i in range(batch.rows)] for batch in alone]
        expected = [batch.step(ids) for batch, ids in zip(alone, tokens, strict=True)]
        steps = [Step(batch, ids) for batch, ids in zip(joined, tokens, strict=True)]
        found = KVBatch.step_together(steps)
        for batch, one, other in zip(joined, found, expected, strict=True):
            batch._length += 1
            assert torch.allclose(one, other, atol=1e-5)
    assert model.config._attn_implementation == "sdpa"


def test_what_attends_otherwise_is_not_joined() -> None:
    model = model_of("llama")
    batch = begun(model, PROMPTS[0], 1)
    model.set_attn_implementation("eager")
    assert not can_join(model, batch._cache)
    sliding = CONFIG_MAPPING["mistral"](**SIZES, sliding_window=4)
    narrow = AutoModelForCausalLM.from_config(sliding, attn_implementation="sdpa").train(False)
    assert not can_join(narrow, begun(narrow, PROMPTS[0], 1)._cache)


def test_runs_at_once_say_what_they_say_alone_and_share_forwards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shared_steps, "MOMENT_S", 2.0)  # whatever else this machine does
    model = HFModel.from_parts(tiny_llama(), NumberTokenizer(), id="tiny")
    specs = ["greedy", "nucleus:p=0.9", "beam:width=3"]

    def run(prompt: list[int], seed: int):
        made = Run(model, prompt, specs, RunOptions(24, seed=seed, ignore_eos=True))
        list(made.columns())
        return made.traces()

    alone = [run(prompt, seed) for seed, prompt in enumerate(PROMPTS)]
    sizes: list[int] = []
    joined = joined_cache.joined_logits
    counted = lambda *given: (sizes.append(len(given[2])), joined(*given))[1]  # noqa: E731
    monkeypatch.setattr(joined_cache, "joined_logits", counted)
    found: dict[int, object] = {}
    begin = threading.Barrier(len(PROMPTS))

    def work(seed: int) -> None:
        begin.wait()
        found[seed] = run(PROMPTS[seed], seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(len(PROMPTS))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(sizes) > len(PROMPTS) * 24 / 2, "most steps were taken together"
    for seed, traces in enumerate(alone):
        assert [t.token_ids for t in found[seed]] == [t.token_ids for t in traces]
        for one, other in zip(found[seed], traces, strict=True):
            for a, b in zip(one.steps, other.steps, strict=True):
                assert a.surprisal == pytest.approx(b.surprisal, abs=1e-4)


def test_a_copy_made_during_a_joined_step_reads_by_itself(monkeypatch) -> None:
    """Labs copy a model to tune it, and texts are scored, while others' steps are joined."""
    model = model_of("llama")
    ids = torch.tensor([[5, 6, 7, 8], [9, 8, 7, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    with torch.inference_mode():
        expected = model(input_ids=ids, attention_mask=mask).logits
    seen: list[torch.Tensor] = []
    steps = [Step(begun(model, PROMPTS[0], 2), [4, 4]), Step(begun(model, PROMPTS[1], 1), [3])]
    layer = model.model.layers[0]
    forward = layer.forward

    def meanwhile(*args, **kwargs):
        if not seen:
            seen.append(torch.empty(0))
            other = copy.deepcopy(model)
            other.model.layers[0].forward = type(layer).forward.__get__(other.model.layers[0])
            with torch.inference_mode():
                seen.append(other(input_ids=ids, attention_mask=mask).logits)
        return forward(*args, **kwargs)

    monkeypatch.setattr(layer, "forward", meanwhile)
    KVBatch.step_together(steps)
    assert torch.equal(seen[-1], expected)
