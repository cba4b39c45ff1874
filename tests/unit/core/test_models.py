"""Loading a folder, refusing what must be refused, and scoring."""

from __future__ import annotations

import threading

import pytest
import torch
from fakes import NumberTokenizer
from model_folders import byte_level_tokenizer, edit_json, random_llama, write_model
from transformers import BertConfig, BertForMaskedLM, T5Config

from explorer.core import models
from explorer.core.errors import InvalidParams, ModelUnavailable, NotCapable
from explorer.core.handle import Capability
from explorer.core.models import HFModel, HFTokenizer, Origin, choose_dtype, load_local
from explorer.core.weight_files import file_digest


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path / "model")


@pytest.fixture
def handle():
    return HFModel.from_parts(random_llama(), HFTokenizer(byte_level_tokenizer()), id="toy")


def test_a_folder_loads_and_says_what_it_is(saved):
    origin = Origin(revision="abc", licence="apache-2.0", source="a test")
    handle = load_local(saved, id="toy", origin=origin)
    info = handle.info
    weights = random_llama()
    assert (info.id, info.revision, info.licence, info.source) == (
        "toy",
        "abc",
        "apache-2.0",
        "a test",
    )
    assert info.digest == file_digest(saved / "model.safetensors")
    assert (info.dtype, info.device) == ("float32", "cpu")
    assert (info.vocab_size, info.context_length) == (324, 256)
    assert info.parameters == sum(p.numel() for p in weights.parameters())
    assert info.kv_bytes_per_token == 2 * 2 * 2 * 16 * 4
    assert handle.capabilities == set(Capability) - {Capability.HIDDEN_STATES, Capability.RECORDED}
    assert handle.tokenizer.eos_ids == {0, 2}
    assert not handle.model.training


@pytest.mark.parametrize("pack", [True, False])
def test_a_loaded_model_gives_the_laws_of_the_saved_one(saved, pack):
    law = list(load_local(saved, id="toy", pack=pack).open_batch().prefill([5, 6, 7]))[-1]
    with torch.inference_mode():
        expected = random_llama()(torch.tensor([[5, 6, 7]])).logits[:, -1]
    torch.testing.assert_close(law, expected, atol=1e-5, rtol=0)


def test_a_known_digest_is_not_computed_again(saved, monkeypatch):
    monkeypatch.setattr(models, "weights_digest", lambda _files: pytest.fail("computed"))
    assert load_local(saved, id="x", origin=Origin(digest="sha256:1")).info.digest == "sha256:1"


def test_a_dtype_can_be_asked_for(saved):
    info = load_local(saved, id="toy", dtype=torch.bfloat16).info
    assert (info.dtype, info.kv_bytes_per_token) == ("bfloat16", 2 * 2 * 2 * 16 * 2)


def test_the_dtype_follows_what_the_device_can_do(monkeypatch):
    assert choose_dtype(torch.device("cpu")) == torch.float32
    assert choose_dtype(torch.device("mps")) == torch.float32
    for native, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, ok=native: ok
        )
        assert choose_dtype(torch.device("cuda")) == expected
        assert choose_dtype(torch.device("cuda"), "bfloat16") == expected
    assert choose_dtype(torch.device("cuda"), "float16") == torch.float16  # a card without bfloat16
    assert choose_dtype(torch.device("cpu"), "float16") == torch.float32


def test_several_end_tokens_are_all_taken(folder):
    edit_json(folder / "generation_config.json", eos_token_id=[2, 9])
    edit_json(folder / "config.json", eos_token_id=7)
    assert load_local(folder, id="toy").tokenizer.eos_ids == {0, 2, 7, 9}


def test_a_digest_of_parts_follows_every_weight(handle):
    model = random_llama()
    same = HFModel.from_parts(model, NumberTokenizer())
    assert same.info.digest == handle.info.digest
    assert (handle.info.id, same.info.id) == ("toy", "in-memory")
    with torch.no_grad():
        model.model.norm.weight[3] += 1e-3
    assert HFModel.from_parts(model, NumberTokenizer()).info.digest != handle.info.digest


def test_scoring_gives_the_laws_of_a_forward_without_cache(handle, monkeypatch):
    monkeypatch.setattr(models, "SCORE_CHUNK", 8)
    monkeypatch.setattr(models, "DEVICE_CHUNK", 8)
    ids = [(11 * i) % 324 for i in range(60)]
    with torch.inference_mode():
        plain = handle.model(torch.tensor([ids]), use_cache=False).logits[0]
    for start in (1, 2, 20, 59):
        chunks = list(handle.score(ids, start))
        assert [position for position, _ in chunks] == list(range(start, 60, 8))
        assert all(len(laws) <= 8 for _, laws in chunks)
        laws = torch.cat([laws for _, laws in chunks])
        torch.testing.assert_close(laws, plain[start - 1 : -1], atol=1e-4, rtol=0)
    assert list(handle.score(ids, 60)) == []


@pytest.mark.parametrize("start", [0, -1, 4])
def test_scoring_starts_at_a_token_that_has_a_law(handle, start):
    with pytest.raises(InvalidParams, match=f"position {start} of 3"):
        list(handle.score([1, 2, 3], start))


def test_scoring_more_than_the_context_is_refused(handle):
    with pytest.raises(NotCapable, match="257 tokens"):
        list(handle.score([1] * 257, 1))


def test_two_batches_of_a_model_take_turns(handle):
    first, second = handle.open_batch(), handle.open_batch()
    assert first._lock is second._lock
    laws = {}

    def run(name, batch, token):
        list(batch.prefill([token]))
        laws[name] = [batch.step([token]) for _ in range(20)][-1]

    jobs = [("a", first, 3), ("b", second, 4)]
    threads = [threading.Thread(target=run, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name, token in (("a", 3), ("b", 4)):
        with torch.inference_mode():
            expected = handle.model(torch.tensor([[token] * 21])).logits[:, -1]
        torch.testing.assert_close(laws[name], expected, atol=1e-4, rtol=0)


def test_a_half_downloaded_file_is_named(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelUnavailable, match=r"model.safetensors is damaged or incomplete"):
        load_local(folder, id="toy")


def test_pickled_weights_are_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="pickled weights only"):
        load_local(folder, id="toy")


def test_tensors_that_are_missing_are_not_made_up(folder):
    edit_json(folder / "config.json", num_hidden_layers=3)
    with pytest.raises(ModelUnavailable, match=r"lack \d+ tensors of the model: model.layers.2"):
        load_local(folder, id="toy")


def test_models_that_do_not_continue_text_are_refused(tmp_path):
    bert = BertForMaskedLM(
        BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9)
    )
    bert.save_pretrained(tmp_path / "bert")
    T5Config(architectures=["T5ForConditionalGeneration"]).save_pretrained(tmp_path / "t5")
    for name, found in (("bert", "BertForMaskedLM"), ("t5", "T5ForConditionalGeneration")):
        with pytest.raises(NotCapable, match=f"holds a {found}, which does not continue"):
            load_local(tmp_path / name, id="x")


def test_a_model_that_brings_code_is_refused(folder):
    edit_json(folder / "config.json", model_type="mine", auto_map={"AutoConfig": "evil.Config"})
    (folder / "evil.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ModelUnavailable, match="brings its own code"):
        load_local(folder, id="x")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_an_unreadable_config_is_refused(folder, text):
    (folder / "config.json").write_text(text)
    with pytest.raises(ModelUnavailable, match=r"no readable config.json"):
        load_local(folder, id="x")


def test_a_folder_without_a_readable_tokenizer_is_refused(folder):
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="cannot be loaded"):
        load_local(folder, id="x")


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ModelUnavailable, match="gone"):
        load_local(tmp_path / "gone", id="x")
