"""What is fetched from the Hub, what is refused, and how soon one gives up. No network."""

from __future__ import annotations

import shutil
import threading
import time
from types import SimpleNamespace

import pytest
from huggingface_hub import errors
from huggingface_hub.errors import LocalEntryNotFoundError
from model_folders import write_model

from explorer.core.errors import ModelUnavailable
from explorer.core.weight_files import file_digest
from explorer.services import hub_source
from explorer.services.hub_source import (
    HubClient,
    from_hub,
    from_hub_cache,
    hub_answers,
    is_offline,
    wanted_files,
)

COMMIT = "0123456789abcdef"


class FakeHub:
    """A Hub with one repository, made by `write_model`, and the client to it."""

    def __init__(self, tmp_path, **settings):
        self.model = write_model(tmp_path / "origin")
        (self.model / "README.md").write_text("---\nlicense: mit\n---\n")
        self.root = tmp_path / "hub"
        self.folder = self.root / "models--org--toy" / "snapshots" / COMMIT
        self.calls = []
        self.settings = settings
        self.client = HubClient(
            info=self.info,
            snapshot=self.snapshot,
            answers=lambda: settings.get("answers", True),
            offline=lambda: settings.get("offline", False),
            root=self.root,
        )

    def info(self, repo, **options):
        self.calls.append(("info", repo, options))
        if "error" in self.settings:
            raise self.settings["error"]
        files = [
            SimpleNamespace(rfilename=p.name, size=p.stat().st_size) for p in self.model.iterdir()
        ]
        return SimpleNamespace(
            sha=COMMIT,
            siblings=[*files, SimpleNamespace(rfilename="modeling_evil.py", size=9)],
            safetensors=SimpleNamespace(total=70_000),
            card_data=SimpleNamespace(license="apache-2.0"),
        )

    def snapshot(self, repo, *, local_files_only=False, allow_patterns=(), **options):
        self.calls.append(("snapshot", repo, {"allow_patterns": allow_patterns, **options}))
        if local_files_only:
            if not self.folder.is_dir():
                raise LocalEntryNotFoundError("not there")
            return str(self.folder)
        if "broken" in self.settings:
            raise self.settings["broken"]
        self.folder.mkdir(parents=True)
        for name in allow_patterns:
            shutil.copy(self.model / name, self.folder)
        return str(self.folder)

    def fetch(self, tmp_path, progress=lambda *_: None, afford=lambda _n: None):
        return from_hub("org/toy", tmp_path / "cache", progress, self.client, afford)


def test_a_model_is_fetched_and_described(tmp_path):
    hub, afforded, told = FakeHub(tmp_path), [], []
    found = hub.fetch(tmp_path, lambda what, _share: told.append(what), afforded.append)
    assert found.path == hub.folder
    assert found.record.revision == COMMIT
    assert found.record.licence == "apache-2.0"
    assert found.record.source == "Hugging Face Hub, org/toy"
    assert found.record.digest == file_digest(hub.folder / "model.safetensors")
    assert afforded == [70_000]
    assert told[0] == "Asking the Hub"
    assert not (hub.folder / "modeling_evil.py").exists()


def test_no_token_is_ever_sent_and_the_revision_is_main(tmp_path):
    hub = FakeHub(tmp_path)
    hub.fetch(tmp_path)
    (_, _, options) = hub.calls[-1]
    assert options["token"] is False
    assert options["revision"] == "main"
    assert HubClient().info.__self__.token is False


def test_what_was_fetched_is_found_again_without_a_network(tmp_path):
    hub = FakeHub(tmp_path)
    assert from_hub_cache("org/toy", tmp_path / "cache", hub.client) is None
    fetched = hub.fetch(tmp_path)
    hub.settings["answers"] = False
    again = from_hub_cache("org/toy", tmp_path / "cache", hub.client)
    assert again.path == fetched.path
    assert again.record.digest == fetched.record.digest
    assert again.record.licence == "mit"  # of the README: nobody was asked


def test_a_snapshot_without_weights_is_not_there(tmp_path):
    hub = FakeHub(tmp_path)
    hub.fetch(tmp_path)
    (hub.folder / "model.safetensors").unlink()
    assert from_hub_cache("org/toy", tmp_path / "cache", hub.client) is None


def test_offline_and_out_of_reach_are_told_at_once(tmp_path):
    for settings, reason in (
        ({"offline": True}, "HF_HUB_OFFLINE is set"),
        ({"answers": False}, "did not answer within 4 s"),
    ):
        hub = FakeHub(tmp_path / reason[:3], **settings)
        with pytest.raises(ModelUnavailable, match=reason):
            hub.fetch(tmp_path)
        assert hub.calls == []


def _http_error(kind, message):
    """These errors want a whole answer of the Hub; their type is all that matters here."""
    return kind.__new__(kind, message)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("GatedRepoError", "open only to those who accepted"),
        ("RepositoryNotFoundError", "no public model org/toy"),
        ("HfHubHTTPError", "could not be fetched"),
    ],
)
def test_refusals_of_the_hub_are_told(tmp_path, kind, reason):
    error = _http_error(getattr(errors, kind), "no")
    with pytest.raises(ModelUnavailable, match=reason):
        FakeHub(tmp_path, error=error).fetch(tmp_path)


def test_a_download_that_breaks_off_is_told(tmp_path):
    hub = FakeHub(tmp_path, broken=TimeoutError("the line went dead\nand more"))
    with pytest.raises(ModelUnavailable, match="could not be fetched") as caught:
        hub.fetch(tmp_path)
    assert caught.value.message == "org/toy could not be fetched: the line went dead"
    assert caught.value.hint == "Try again later."


def test_a_model_one_cannot_afford_is_not_fetched(tmp_path):
    def refuse(parameters):
        raise ModelUnavailable(f"{parameters} are too many.")

    hub = FakeHub(tmp_path)
    with pytest.raises(ModelUnavailable, match="70000 are too many"):
        hub.fetch(tmp_path, afford=refuse)
    assert [call[0] for call in hub.calls] == ["info"]


def test_too_little_disk_is_told_before_fetching(tmp_path, monkeypatch):
    def refuse(_folder, needed):
        raise ModelUnavailable(f"No room for {needed}.")

    monkeypatch.setattr(hub_source, "require_space", refuse)
    hub = FakeHub(tmp_path)
    with pytest.raises(ModelUnavailable, match="No room for"):
        hub.fetch(tmp_path)
    assert [call[0] for call in hub.calls] == ["info"]


def test_only_safetensors_configuration_and_tokenizer_are_wanted():
    names = [
        "config.json",
        "model.safetensors",
        "pytorch_model.bin",
        "modeling_x.py",
        "tokenizer.json",
        "tokenizer.model",
        "chat_template.jinja",
        "README.md",
        "onnx/model.safetensors",
        "merges.txt",
    ]
    assert wanted_files("x/y", names) == [
        "README.md",
        "chat_template.jinja",
        "config.json",
        "merges.txt",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer.model",
    ]


def test_of_several_sets_of_weights_the_indexed_one_is_wanted():
    names = ["model.safetensors.index.json", "consolidated.safetensors"]
    names += ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    assert wanted_files("x/y", names) == sorted(n for n in names if "consolidated" not in n)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["pytorch_model.bin"], "only pickled weights"),
        (["model.gguf"], r"no safetensors\."),
        (["deep/model.safetensors"], r"no safetensors\."),
    ],
)
def test_a_repository_without_safetensors_is_refused(names, reason):
    with pytest.raises(ModelUnavailable, match=reason):
        wanted_files("x/y", names)


def test_the_hub_has_a_bound_on_its_time_to_answer(monkeypatch):
    release = threading.Event()
    session = SimpleNamespace(head=lambda *_args, **_options: release.wait())
    monkeypatch.setattr(hub_source, "get_session", lambda: session)
    began = time.monotonic()
    assert not hub_answers(0.1)
    assert time.monotonic() - began < 2
    release.set()
    assert hub_answers(2.0)
    monkeypatch.setattr(hub_source, "get_session", lambda: SimpleNamespace(head=1 / 3))
    assert not hub_answers(0.1)


def test_the_environment_can_keep_us_offline(monkeypatch):
    monkeypatch.setattr(hub_source.constants, "is_offline_mode", lambda: False)
    for value, expected in (("1", True), ("yes", True), ("0", False), ("", False)):
        monkeypatch.setenv("HF_HUB_OFFLINE", value)
        assert is_offline() is expected
