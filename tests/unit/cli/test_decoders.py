"""`decoders` says what the page says, to people by family and to programs as JSON."""

from __future__ import annotations

import json

import pytest

from explorer.cli import main
from explorer.core.params import describe
from explorer.decoders import CATALOG
from explorer.decoders.families import FAMILIES
from explorer.services.catalog_view import catalog_json


def test_json_holds_every_fact_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decoders", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert entries == json.loads(json.dumps(catalog_json()))
    assert [entry["name"] for entry in entries] == list(CATALOG)
    for entry in entries:
        info = CATALOG[entry["name"]]
        assert entry["heading"] == FAMILIES[entry["family"]]
        assert entry["formula"] == info.formula
        assert entry["paper"] == info.source
        assert entry["reads_second_context"] == (info.second is not None)
        assert entry["reads_layers"] == info.layers
        assert [p["name"] for p in entry["params"]] == [f.name for f in describe(info.params)]
        for param in entry["params"]:
            assert {"default", "minimum", "maximum", "choices", "max_length"} <= set(param)
    by_name = {entry["name"]: entry for entry in entries}
    assert {"top_p", "topp"} <= set(by_name["nucleus"]["aliases"])
    assert by_name["best_of_n"]["idle"][0]["other"] == "n"


def test_people_read_it_by_family_one_line_a_parameter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["decoders"]) == 0
    lines = capsys.readouterr().out.splitlines()
    headings = [line for line in lines if line and not line.startswith(" ")][:-1]
    assert headings == [f"{heading} ({family})" for family, heading in FAMILIES.items()]
    listed = [line.split()[0] for line in lines if line[:2] == "  " and line[2:3].strip()]
    assert sorted(listed) == sorted(CATALOG)
    assert any('breakers="\\n|:|\\"|*"' in line for line in lines)
    assert any("elsewhere called top_p" in line for line in lines)
