"""A digest is computed once for each version of a file."""

from __future__ import annotations

import os

import pytest

from explorer.services import weight_digest
from explorer.services.weight_digest import remembered_digest


@pytest.fixture
def counted(monkeypatch):
    calls, real = [], weight_digest.weights_digest
    monkeypatch.setattr(
        weight_digest, "weights_digest", lambda files: (calls.append(1), real(files))[1]
    )
    return calls


def test_the_same_file_is_read_once_and_a_changed_one_again(tmp_path, counted):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"one")
    first = remembered_digest([path], tmp_path / "cache")
    assert remembered_digest([path], tmp_path / "cache") == first
    assert len(counted) == 1
    path.write_bytes(b"two")
    os.utime(path, ns=(1, 1))
    assert remembered_digest([path], tmp_path / "cache") != first
    assert len(counted) == 2


def test_a_damaged_note_or_a_cache_that_cannot_be_written_costs_only_time(tmp_path, counted):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"one")
    first = remembered_digest([path], tmp_path / "cache")
    (note,) = (tmp_path / "cache" / "digests").glob("*.json")
    note.write_text("{")
    assert remembered_digest([path], tmp_path / "cache") == first
    assert remembered_digest([path], path) == first  # a file where the folder should be
    assert len(counted) == 3
