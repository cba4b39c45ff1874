"""What has a name in the cache is whole; everything else is made again."""

from __future__ import annotations

import errno
import json
import logging
import threading
import time

import pytest
from model_folders import write_model

from explorer.core.errors import ModelUnavailable
from explorer.core.weight_files import file_digest
from explorer.services import disk_space, model_cache
from explorer.services.model_cache import ModelCache, Record


@pytest.fixture
def cache(tmp_path):
    return ModelCache(tmp_path / "cache")


class Maker:
    """Makes a model folder and counts how often."""

    def __init__(self, wait_s=0.0):
        self.calls, self.wait_s = 0, wait_s

    def __call__(self, folder):
        self.calls += 1
        time.sleep(self.wait_s)
        write_model(folder)
        return Record(source="a test", licence="mit", name="toy")


def build(cache, make, progress=lambda *_: None):
    return cache.build("toy", make, needed=1000, progress=progress)


def test_a_model_is_made_once_and_recorded(cache):
    make = Maker()
    assert cache.find("toy") is None
    made = build(cache, make)
    assert build(cache, make) == made == cache.find("toy")
    assert cache.all() == [made]
    assert make.calls == 1
    weights = made.path / "model.safetensors"
    assert made.record.digest == file_digest(weights)
    assert made.record.licence == "mit"
    assert json.loads((made.path / "record.json").read_text())["bytes"] == made.record.bytes > 0


def _cut_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def _drop_config(folder):
    (folder / "config.json").unlink()


def _break_record(folder):
    (folder / "record.json").write_text('{"source": 1')


def _other_weights(folder):
    record = json.loads((folder / "record.json").read_text())
    (folder / "record.json").write_text(json.dumps(record | {"bytes": 1}))


@pytest.mark.parametrize("damage", [_cut_weights, _drop_config, _break_record, _other_weights])
def test_a_damaged_model_is_found_out_and_made_again(cache, caplog, damage):
    make = Maker()
    damage(build(cache, make).path)
    with caplog.at_level(logging.WARNING, "explorer"):
        assert cache.find("toy") is None
    assert "toy in the cache is damaged and will be made again" in caplog.text
    assert build(cache, make) == cache.find("toy")
    assert make.calls == 2
    assert [p.name for p in cache.root.iterdir() if not p.name.endswith(".lock")] == ["toy"]


def test_a_half_written_model_leaves_nothing_and_is_never_used(cache):
    def fail(folder):
        write_model(folder)
        raise ModelUnavailable("The source dried up.")

    with pytest.raises(ModelUnavailable, match="dried up"):
        build(cache, fail)
    assert cache.find("toy") is None
    assert [p.name for p in cache.root.iterdir()] == [".toy.lock"]


def test_what_a_killed_process_left_is_cleared_away(cache):
    left = cache.root / ".toy-dead"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half")
    assert cache.all() == []
    build(cache, Maker())
    assert not left.exists()


def test_those_who_come_at_the_same_time_share_one_making(cache):
    make, told, found = Maker(wait_s=1.5), [], []

    def work():
        found.append(build(cache, make, lambda what, _share: told.append(what)))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert make.calls == 1
    assert found[0] == found[1] == found[2]
    assert any("Waiting for another process" in what for what in told)


def test_waiting_ends_some_day(cache, monkeypatch):
    monkeypatch.setattr(model_cache, "MAX_WAIT_S", 0.0)
    started, release = threading.Event(), threading.Event()

    def hold(folder):
        started.set()
        release.wait()
        return Maker()(folder)

    holder = threading.Thread(target=build, args=(cache, hold))
    holder.start()
    started.wait()
    with pytest.raises(ModelUnavailable, match="has held"):
        build(cache, Maker())
    release.set()
    holder.join()


def test_no_room_is_told_before_anything_is_made(cache, monkeypatch):
    def refuse(_place):
        return type("Usage", (), {"free": 10})()

    monkeypatch.setattr(disk_space.shutil, "disk_usage", refuse)
    make = Maker()
    with pytest.raises(ModelUnavailable, match="No disk space"):
        build(cache, make)
    assert make.calls == 0


def test_a_disk_that_runs_full_meanwhile_is_told(cache):
    def fill(_folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ModelUnavailable, match="No disk space is left") as caught:
        build(cache, fill)
    assert "EXPLORER_CACHE" in caught.value.hint


def test_a_cache_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelUnavailable, match="cannot be used"):
        build(ModelCache(tmp_path / "file"), Maker())
