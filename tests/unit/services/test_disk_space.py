"""Room is asked for before anything is written."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import pytest
from safetensors import SafetensorError

from explorer.core.errors import ModelUnavailable
from explorer.services import disk_space
from explorer.services.disk_space import is_full, require_space


def test_too_little_room_is_told_with_both_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(
        disk_space.shutil, "disk_usage", lambda _place: SimpleNamespace(free=120_000_000)
    )
    require_space(tmp_path, 120_000_000)
    with pytest.raises(ModelUnavailable, match=r"No disk space: 0\.70 GB .* 0\.12 GB") as caught:
        require_space(tmp_path / "not" / "there" / "yet", 700_000_000)
    assert "EXPLORER_CACHE" in caught.value.hint


def test_errors_of_a_full_disk_are_known():
    assert is_full(OSError(errno.ENOSPC, "No space left on device"))
    assert is_full(SafetensorError("I/O error: No space left on device (os error 28)"))
    assert not is_full(OSError(errno.EACCES, "Permission denied"))
