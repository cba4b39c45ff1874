"""From a name to a handle, unless memory forbids it."""

from __future__ import annotations

import pytest
import torch
from model_folders import edit_json, write_model

from explorer.core.errors import ModelUnavailable, NotCapable
from explorer.services import devices, loading
from explorer.services.devices import choose_device
from explorer.services.loading import fetch_model, load_model, size_of
from explorer.services.model_sources import Sources


@pytest.fixture
def folder(tmp_path):
    return write_model(tmp_path / "model")


@pytest.fixture
def sources(tmp_path):
    return Sources(cache=tmp_path / "cache")


def test_a_model_is_loaded_with_its_record(folder, sources):
    told = []
    handle = load_model(
        str(folder), device="cpu", sources=sources, progress=lambda what, _s: told.append(what)
    )
    assert handle.info.id == str(folder)
    assert handle.info.source == f"folder {folder}"
    assert handle.info.digest.startswith("sha256:")
    assert told[-1] == "Loading the weights"


def test_a_model_that_does_not_fit_is_refused_with_figures(folder, sources, monkeypatch):
    monkeypatch.setattr(devices, "free_memory", lambda _device: 1_000_000)
    with pytest.raises(ModelUnavailable, match=r"needs 0\.\d\d GB of memory .* GB are free"):
        load_model(str(folder), device="cpu", sources=sources)


def test_rows_and_tokens_count(folder, sources, monkeypatch):
    monkeypatch.setattr(devices, "free_memory", lambda _device: 20_000_000)
    load_model(str(folder), device="cpu", sources=sources, rows=1, tokens=64)
    with pytest.raises(ModelUnavailable, match="for the cache"):
        load_model(str(folder), device="cpu", sources=sources, rows=64, tokens=2048)


def test_a_download_that_will_not_fit_is_refused_before(sources, monkeypatch):
    def find(_name, _progress, found):
        found.afford(10**9)

    monkeypatch.setattr(loading, "find_model", find)
    monkeypatch.setattr(devices, "free_memory", lambda _device: 10**9)
    with pytest.raises(ModelUnavailable, match=r"needs 4\.00 GB"):
        load_model("org/large", device="cpu", sources=sources)


def test_a_shared_output_layer_counts_twice_since_it_is_packed_by_itself(folder):
    tied = size_of(folder, 4)
    edit_json(folder / "config.json", tie_word_embeddings=False)
    assert tied.parameters - size_of(folder, 4).parameters == 324 * 64
    assert (tied.vocab_size, tied.kv_bytes_per_token) == (324, 2 * 2 * 2 * 16 * 4)


def test_what_is_no_language_model_is_refused_as_such(folder, sources):
    edit_json(folder / "config.json", model_type="bert", architectures=["BertForMaskedLM"])
    with pytest.raises(NotCapable, match="BertForMaskedLM"):
        load_model(str(folder), device="cpu", sources=sources)


def test_a_folder_without_a_config_is_refused(folder, sources):
    (folder / "config.json").unlink()
    with pytest.raises(ModelUnavailable, match=r"config\.json"):
        load_model(str(folder), device="cpu", sources=sources)


def test_fetching_does_not_load(folder, sources, monkeypatch):
    monkeypatch.setattr(loading, "load_local", lambda *_args, **_options: pytest.fail("loaded"))
    assert fetch_model(str(folder), sources=sources).path == folder


def test_the_device_is_the_best_there_is(monkeypatch):
    for cuda, mps, expected in ((True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=cuda: there)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda there=mps: there)
        assert choose_device() == expected
