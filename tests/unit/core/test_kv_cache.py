"""The cache gives what a computation without a cache gives, row by row."""

from __future__ import annotations

import threading

import pytest
import torch
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from explorer.core import kv_cache
from explorer.core.errors import InvalidParams, NotCapable
from explorer.core.growing_cache import GrowingLayer, GrowingStore, new_cache
from explorer.core.kv_cache import KVBatch

VOCAB = 97
COMMON = {
    "vocab_size": VOCAB,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
}


def _llama():
    return LlamaForCausalLM(LlamaConfig(**COMMON))


def _gpt2():
    return GPT2LMHeadModel(
        GPT2Config(vocab_size=VOCAB, n_embd=64, n_layer=2, n_head=4, n_positions=512)
    )


def _mistral_with_a_window_of_8():
    return MistralForCausalLM(MistralConfig(**COMMON, sliding_window=8))


def _gemma2_half_sliding():
    config = Gemma2Config(**COMMON, head_dim=16, sliding_window=8, attn_implementation="eager")
    return Gemma2ForCausalLM(config)


MODELS = [_llama, _gpt2, _mistral_with_a_window_of_8, _gemma2_half_sliding]


@pytest.fixture(params=MODELS, ids=lambda make: make.__name__.strip("_"))
def model(request):
    torch.manual_seed(3)
    built = request.param().eval()
    for weight in built.parameters():  # the library's start values make nearly flat laws
        weight.data.mul_(4 if weight.dim() > 1 else 1)
    return built


@pytest.fixture
def llama():
    torch.manual_seed(3)
    return _llama().eval()


def _last(batch, prompt):
    return list(batch.prefill(prompt))[-1]


def _plain(model, history):
    """The law after `history`, with no cache at all."""
    with torch.inference_mode():
        return model(torch.tensor([history]), use_cache=False).logits[0, -1].float()


def test_every_row_equals_its_own_recomputation_through_any_selection(model):
    random = torch.Generator().manual_seed(5)
    prompt = torch.randint(0, VOCAB, (21,), generator=random).tolist()
    batch = KVBatch(model)
    laws = _last(batch, prompt)
    torch.testing.assert_close(laws[0], _plain(model, prompt), atol=1e-4, rtol=0)
    histories = [prompt]
    selections = [
        [0, 0, 0, 0],  # fan out
        [0, 1, 2, 3],  # nothing
        [1, 1, 0, 3],  # beams that branch
        [0, 1, 1, 3],  # one row moves, in place
        [3, 2, 1, 0],  # all move
        [0, 2],  # two retire
        [1, 0, 0],  # and one fans out again
    ]
    for selection in selections:
        batch.select(selection)
        tokens = torch.randint(0, VOCAB, (len(selection),), generator=random).tolist()
        histories = [[*histories[row], t] for row, t in zip(selection, tokens, strict=True)]
        laws = batch.step(tokens)
        assert batch.rows == len(selection)
        assert laws.shape == (batch.rows, VOCAB)
        assert laws.dtype == torch.float32
        for law, history in zip(laws, histories, strict=True):
            torch.testing.assert_close(law, _plain(model, history), atol=1e-4, rtol=0)


def test_long_runs_stay_right_where_the_stores_have_to_grow(model):
    batch = KVBatch(model)
    history = [1, 2, 3]
    law = _last(batch, history)[0]
    for _ in range(150):
        history.append(int(law.argmax()))
        law = batch.step([history[-1]])[0]
    torch.testing.assert_close(law, _plain(model, history), atol=1e-4, rtol=0)


def test_prefill_comes_in_chunks_that_change_nothing(model, monkeypatch):
    monkeypatch.setattr(kv_cache, "CPU_CHUNK", 16)
    prompt = [(7 * i) % VOCAB for i in range(50)]
    batch = KVBatch(model)
    chunks = list(batch.prefill(prompt))
    assert chunks[:-1] == [16, 32, 48]
    assert chunks[-1].shape == (1, VOCAB)
    torch.testing.assert_close(chunks[-1][0], _plain(model, prompt), atol=1e-4, rtol=0)


def test_a_long_prompt_can_be_stopped_often_and_reads_the_same_every_time(model):
    prompt = [(7 * i) % VOCAB for i in range(500)]
    first, second = list(KVBatch(model).prefill(prompt)), list(KVBatch(model).prefill(prompt))
    assert first[:-1] == [192, 384]
    assert first[:-1] == second[:-1]
    assert torch.equal(first[-1], second[-1])


def test_only_plain_layers_are_replaced():
    assert [type(x) for x in new_cache(_llama()).layers] == [GrowingLayer] * 2
    assert [type(x) for x in new_cache(_mistral_with_a_window_of_8()).layers] == [
        DynamicSlidingWindowLayer
    ] * 2
    assert [type(x) for x in new_cache(_gemma2_half_sliding()).layers] == [
        DynamicSlidingWindowLayer,
        GrowingLayer,
    ]


def test_the_layer_does_all_that_the_one_it_replaces_does():
    ours, theirs = GrowingLayer(), DynamicLayer()
    for tokens in (5, 1, 1, 80):
        keys, values = torch.randn(2, 3, tokens, 4), torch.randn(2, 3, tokens, 6)
        for got, expected in zip(
            ours.update(keys, values), theirs.update(keys, values), strict=True
        ):
            assert torch.equal(got, expected)
    actions = [
        ("crop", -3),
        ("batch_repeat_interleave", 2),
        ("batch_select_indices", torch.tensor([3, 0, 0])),
        ("reorder_cache", torch.tensor([0, 1, 1])),
    ]
    for name, argument in actions:
        for layer in (ours, theirs):
            getattr(layer, name)(argument)
        assert torch.equal(ours.keys, theirs.keys), name
        assert torch.equal(ours.values, theirs.values), name
        assert ours.get_seq_length() == theirs.get_seq_length()
        assert ours.get_mask_sizes(1) == theirs.get_mask_sizes(1)
    ours.reset()
    assert ours.get_seq_length() == 0
    assert torch.equal(ours.update(keys, values)[0], keys)


def test_appending_copies_the_new_tokens_only():
    store = GrowingStore(torch.zeros(1, 1, 1, 2))
    before = store.append(torch.ones(1, 1, 3, 2)).data_ptr()
    for _ in range(50):
        store.append(torch.ones(1, 1, 1, 2))
    assert store.view.data_ptr() == before
    assert store.view.shape == (1, 1, 53, 2)
    assert torch.equal(store.view, torch.ones(1, 1, 53, 2))


def test_selecting_all_rows_as_they_are_touches_nothing(llama):
    batch = KVBatch(llama)
    _last(batch, [1, 2, 3])
    batch.select([0, 0])
    keys = batch._cache.layers[0].keys
    batch.select([0, 1])
    assert batch._cache.layers[0].keys is keys


def test_a_row_that_is_not_there_changes_nothing(llama):
    batch = KVBatch(llama)
    _last(batch, [1, 2, 3])
    for rows in ([1], [-1], [0, 5]):
        with pytest.raises(IndexError, match="1 rows"):
            batch.select(rows)
    assert batch.rows == 1
    assert batch.step([4]).shape == (1, VOCAB)


def test_misuse_is_refused(llama):
    batch = KVBatch(llama)
    with pytest.raises(InvalidParams, match="no tokens"):
        list(batch.prefill([]))
    with pytest.raises(InvalidParams, match="Token id 97"):
        list(batch.prefill([1, VOCAB]))
    assert batch.rows == 0
    list(batch.prefill([1, 2]))
    with pytest.raises(ValueError, match="already"):
        list(batch.prefill([1, 2]))
    with pytest.raises(ValueError, match="2 tokens for 1 rows"):
        batch.step([1, 2])


def test_the_context_is_a_wall():
    batch = KVBatch(_llama().eval(), context_length=4)
    with pytest.raises(NotCapable, match=r"5 tokens .* at most 4"):
        list(batch.prefill([1] * 5))
    list(batch.prefill([1] * 3))
    batch.step([1])
    with pytest.raises(NotCapable, match="at most 4"):
        batch.step([1])
    assert batch.length == 4


def test_each_forward_takes_the_lock(llama):
    lock = threading.Lock()
    batch = KVBatch(llama, lock)
    steps = batch.prefill([1, 2])
    lock.acquire()
    done = threading.Event()
    thread = threading.Thread(target=lambda: (next(steps), done.set()))
    thread.start()
    assert not done.wait(0.1)
    lock.release()
    thread.join()
    assert done.is_set()
    assert not lock.locked()


def test_the_cache_keeps_the_dtype_of_the_model_and_laws_are_float32(llama):
    batch = KVBatch(llama.to(torch.bfloat16))
    assert _last(batch, [1, 2, 3]).dtype == torch.float32
    assert batch._cache.layers[0].keys.dtype == torch.bfloat16
    assert batch.step([1]).dtype == torch.float32
