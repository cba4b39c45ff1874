"""The estimate adds up, the limit of a container counts, and refusals show their figures."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from explorer.core.errors import ModelUnavailable
from explorer.services import model_memory
from explorer.services.model_memory import (
    MemoryNeed,
    ModelSize,
    cgroup_free,
    estimate_need,
    free_memory,
    require_memory,
)

SMOLLM2 = ModelSize(134_515_008, 4, 46_080, 49_152)


def test_smollm2_with_eight_rows_of_512_tokens():
    need = estimate_need(SMOLLM2, rows=8, tokens=512)
    assert need.weights == 538_060_032
    assert need.cache == 8 * 512 * 46_080 * 3 // 2
    assert need.logits == 8 * 49_152 * 4 * 6
    assert need.total == need.weights + need.cache + need.logits


def test_a_refusal_shows_all_figures():
    need = MemoryNeed(weights=5 * 10**9, cache=2 * 10**9, logits=10**9)
    with pytest.raises(ModelUnavailable) as caught:
        require_memory("org/large", need, free=9 * 10**9)
    for figure in ("org/large", "8.00 GB", "5.00", "2.00", "1.00", "9.00 GB are free", "80%"):
        assert figure in caught.value.message
    require_memory("org/large", need, free=10 * 10**9)


def test_memory_of_the_cpu_is_the_least_of_system_and_container(monkeypatch):
    monkeypatch.setattr(
        model_memory.psutil, "virtual_memory", lambda: SimpleNamespace(available=100)
    )
    for allowed, expected in ((None, 100), (40, 40), (400, 100)):
        monkeypatch.setattr(model_memory, "cgroup_free", lambda room=allowed: room)
        assert free_memory("cpu") == free_memory("mps") == expected


def test_memory_of_a_card_is_asked_of_the_card(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7, 9))
    assert free_memory("cuda:1") == 7


def _group(folder, limit, used, droppable, names=("memory.max", "memory.current")):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {droppable}\n")


def test_the_narrowest_group_limits(tmp_path):
    membership = tmp_path / "membership"
    membership.write_text("0::/outer/inner\n")
    root = tmp_path / "cgroup"
    _group(root / "outer", 1000, 600, 50)
    _group(root / "outer" / "inner", "max", 500, 0)
    assert cgroup_free(root, membership) == 450
    _group(root / "outer" / "inner", 700, 600, 100)
    assert cgroup_free(root, membership) == 200


def test_groups_of_version_1(tmp_path):
    membership = tmp_path / "membership"
    membership.write_text("3:cpu:/x\n4:memory:/jobs\n")
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
    _group(tmp_path / "memory" / "jobs", 300, 100, 0, names)
    assert cgroup_free(tmp_path, membership) == 200


def test_without_groups_nothing_limits(tmp_path):
    assert cgroup_free(tmp_path, tmp_path / "gone") is None
