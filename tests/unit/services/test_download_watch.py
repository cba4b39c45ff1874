"""A folder that grows is a download that goes on."""

from __future__ import annotations

import pytest

from explorer.core.errors import ModelUnavailable
from explorer.services.download_watch import Download, folder_size, watch


def test_the_share_is_that_of_the_bytes_there(tmp_path):
    told, sizes = [], iter([0, 30, 60, 200])

    def finished(_seconds):
        size = next(sizes, None)
        if size is not None:
            (tmp_path / "part").write_bytes(b"x" * size)
        return size is None

    watch(Download("it", tmp_path, 120), finished, lambda *what: told.append(what))
    assert told == [("it", 0.0), ("it", 0.25), ("it", 0.5), ("it", 1.0)]


def test_without_a_size_there_is_no_share(tmp_path):
    told, ends = [], iter([False, True])
    watch(Download("it", tmp_path, 0), lambda _s: next(ends), lambda *what: told.append(what))
    assert told == [("it", None)]


def test_a_stalled_download_is_given_up(tmp_path):
    with pytest.raises(ModelUnavailable, match="it: nothing came for"):
        watch(Download("it", tmp_path, 9, stall_s=-1), lambda _s: False, lambda *_: None)


def test_an_endless_download_is_given_up(tmp_path):
    download = Download("it", tmp_path, 9, stall_s=99, limit_s=-1)
    with pytest.raises(ModelUnavailable, match="not done after"):
        watch(download, lambda _s: False, lambda *_: None)


def test_sizes_below_a_folder_add_up(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"12")
    (tmp_path / "c").write_bytes(b"345")
    assert folder_size(tmp_path) == 5
    assert folder_size(tmp_path / "gone") == 0
