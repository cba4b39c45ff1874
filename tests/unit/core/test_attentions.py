"""Where a model looks: the weights of a plain eager forward, and nothing else is disturbed."""

from __future__ import annotations

import threading

import pytest
import torch
from fakes import NumberTokenizer, tiny_gpt2, tiny_llama
from transformers import MambaConfig, MambaForCausalLM

from explorer.core.attentions import stacked
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.handle import Capability
from explorer.core.models import HFModel

IDS = [5, 9, 13, 5, 9, 13, 5, 9, 13, 40, 41, 5, 9]


def attend(handle: HFModel, ids, last: int) -> torch.Tensor:
    batch = handle.open_batch()
    for _ in batch.prefill(ids[:-last]):
        pass
    return batch.attend(ids[-last:])


@pytest.mark.parametrize("make", [tiny_llama, tiny_gpt2])
@pytest.mark.parametrize("last", [1, 4, 12])
def test_the_weights_are_those_of_a_plain_eager_forward(make, last) -> None:
    found = attend(HFModel.from_parts(make(), NumberTokenizer()), IDS, last)
    plain = make()
    plain.set_attn_implementation("eager")
    with torch.inference_mode():
        whole = plain(torch.tensor([IDS]), output_attentions=True, use_cache=False).attentions
    expected = torch.stack([layer[0][:, -last:] for layer in whole])
    assert found.shape == (2, 4, last, len(IDS))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(found.sum(-1), torch.ones(found.shape[:-1]))


@pytest.mark.parametrize("make", [tiny_llama, tiny_gpt2])
def test_what_the_model_says_is_the_same_to_the_bit_before_and_after(make) -> None:
    handle = HFModel.from_parts(make(), NumberTokenizer())
    usual = handle.model.config._attn_implementation

    def laws() -> torch.Tensor:
        return torch.cat([logits for _, logits in handle.score(IDS, 1)])

    before = laws()
    attend(handle, IDS, 4)
    assert handle.model.config._attn_implementation == usual
    assert torch.equal(laws(), before)


def test_a_run_beside_it_has_the_same_numbers() -> None:
    handle = HFModel.from_parts(tiny_llama(), NumberTokenizer())

    def run(numbers: list[torch.Tensor]) -> None:
        batch = handle.open_batch()
        *_, logits = batch.prefill(IDS)
        for _ in range(60):
            token = int(logits.argmax())
            logits = batch.step([token])
            numbers.append(logits)

    alone: list[torch.Tensor] = []
    run(alone)
    beside: list[torch.Tensor] = []
    worker = threading.Thread(target=run, args=(beside,))
    worker.start()
    looks = 0
    while worker.is_alive():
        attend(handle, IDS, 4)
        looks += 1
    worker.join()
    assert looks > 1
    assert torch.equal(torch.stack(alone), torch.stack(beside))


def test_a_failure_leaves_the_usual_form_behind(monkeypatch) -> None:
    handle = HFModel.from_parts(tiny_llama(), NumberTokenizer())
    usual = handle.model.config._attn_implementation
    batch = handle.open_batch()
    for _ in batch.prefill(IDS):
        pass

    def broken(*args: object, **kwargs: object) -> None:
        raise RuntimeError("no memory")

    monkeypatch.setattr(handle.model, "forward", broken)
    with pytest.raises(RuntimeError):
        batch.attend([3])
    assert handle.model.config._attn_implementation == usual


def test_a_model_without_attention_says_so() -> None:
    config = MambaConfig(vocab_size=97, hidden_size=16, num_hidden_layers=1, state_size=4)
    handle = HFModel.from_parts(MambaForCausalLM(config), NumberTokenizer())
    assert Capability.ATTENTIONS not in handle.capabilities
    llama = HFModel.from_parts(tiny_llama(), NumberTokenizer())
    assert Capability.ATTENTIONS in llama.capabilities
    for weights in (None, (), (None,), (torch.zeros(1, 2, 1, 3), torch.zeros(1, 3, 1, 3))):
        with pytest.raises(NotCapable, match="does not show its attention"):
            stacked(weights, 3)


def test_layers_that_see_a_window_have_nothing_before_it() -> None:
    whole, window = torch.ones(1, 2, 1, 5), torch.ones(1, 2, 1, 3)
    found = stacked((whole, window), 5)
    assert found[1, 0, 0].tolist() == [0, 0, 1, 1, 1]


def test_bad_tokens_are_refused() -> None:
    handle = HFModel.from_parts(tiny_llama(), NumberTokenizer())
    batch = handle.open_batch()
    with pytest.raises(ValueError, match="0 rows"):
        batch.attend([3])
    for _ in batch.prefill(IDS):
        pass
    with pytest.raises(InvalidParams, match="97"):
        batch.attend([97])
    with pytest.raises(NotCapable, match="at most 512"):
        batch.attend([3] * 512)
