"""What every lab of the gallery must keep, whatever it shows."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from explorer.core.lab import FAMILIES, LabInfo
from explorer.core.params import describe
from explorer.labs import ALL, CATALOG
from explorer.services.labs.catalog_view import lab_json, method_code

ROOT = Path(__file__).parents[2]
LABS = ROOT / "explorer" / "labs"
IDS = [info.name for info in ALL]


def test_every_folder_is_in_the_gallery_and_every_card_has_its_folder() -> None:
    folders = {path.parent.name for path in LABS.glob("*/experiment.py")}
    assert folders == set(IDS)
    assert all(CATALOG[name] for name in IDS)


@pytest.mark.parametrize("info", ALL, ids=IDS)
def test_a_lab_is_complete(info: LabInfo) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", info.name)
    assert info.family in FAMILIES
    assert info.question.endswith("?")
    assert info.papers
    assert info.scaled_down
    assert info.seconds > 0
    readme = (LABS / info.name / "README.md").read_text(encoding="utf-8")
    for part in ("Claim", "Reproduced", "Scaled down", "Not done", "Numbers to expect"):
        assert f"**{part}" in readme, f"the README of {info.name} has no part “{part}”"
    assert (ROOT / "tests" / "labs" / f"test_lab_{info.name}.py").exists()
    assert lab_json(info)["question"] == info.question


@pytest.mark.parametrize("info", ALL, ids=IDS)
def test_parameters_have_bounds_and_sentences(info: LabInfo) -> None:
    info.params()
    for field in describe(info.params):
        assert field.description.rstrip(".")
        if field.type in ("int", "float"):
            assert field.minimum is not None
            assert field.maximum is not None
        if field.type == "text":
            assert field.max_length


@pytest.mark.parametrize("info", ALL, ids=IDS)
def test_the_method_can_be_read(info: LabInfo) -> None:
    assert all(entry["code"] for entry in method_code(info))
    for name in info.method:
        assert importlib.import_module(name).__doc__
