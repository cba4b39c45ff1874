"""What a Space offers is enough: Python 3.12 (and our own floor, 3.11) and torch 2.11."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest
import torch
from torch_names import ROOT, listed, sources, stands_in, used_names

FLOOR = (3, 11)


def test_every_file_parses_as_the_oldest_python() -> None:
    for path in sources():
        ast.parse(path.read_text(encoding="utf-8"), feature_version=FLOOR)


def test_that_check_can_fail() -> None:
    with pytest.raises(SyntaxError):
        ast.parse("type Names = list[str]", feature_version=FLOOR)


def test_every_name_of_torch_was_looked_up_in_the_oldest_torch_of_zero_gpu() -> None:
    new = used_names() - listed()
    assert not new, f"look them up: python tests/torch_names.py FOLDER ({', '.join(sorted(new))})"


def test_looking_up_finds_what_is_there_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "torch" / "cuda").mkdir(parents=True)
    (tmp_path / "torch" / "__init__.py").write_text("from torch._C import (\n    tensor,\n)\n")
    (tmp_path / "torch" / "cuda" / "__init__.py").write_text("def is_available():\n    ...\n")
    assert stands_in("torch.tensor", tmp_path)
    assert stands_in("torch.cuda.is_available", tmp_path)
    assert not stands_in("torch.cuda.is_gone", tmp_path)
    assert not stands_in("torch.tensors", tmp_path)


def test_the_names_are_there_in_the_installed_torch() -> None:
    for name in sorted(listed()):
        value = torch
        for part in name.split(".")[1:]:
            value = getattr(value, part, None) or importlib.import_module(name)
        assert value is not None


def test_the_front_matter_asks_for_what_zero_gpu_has() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    front = dict(re.findall(r"^(\w+): (.+)$", text.split("---")[1], re.MULTILINE))
    assert front["python_version"].strip('"').startswith("3.12")
    assert front["sdk"] == "gradio"
    assert front["app_file"] == "app.py"
    assert len(front["short_description"]) <= 60
    wanted = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    low, high = re.search(r"torch>=2\.(\d+),<2\.(\d+)", wanted).groups()
    assert int(low) <= 11 < int(high)
