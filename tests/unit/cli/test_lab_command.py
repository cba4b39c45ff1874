"""`lab` and `labs` from the terminal: lists, one run, files, and what cannot be run."""

from __future__ import annotations

import json

import pytest

from explorer.cli import main
from explorer.core.catalog import Catalog
from explorer.labs import CATALOG
from explorer.services.labs.catalog_view import claims_markdown
from explorer.services.labs.running import open_lab, run_lab
from explorer.services.loading import load_model

SMALL = ["--param", "questions=1", "--model", "tiny"]


def test_labs_are_listed_with_their_questions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labs"]) == 0
    out = capsys.readouterr().out
    assert "watermarks" in out
    assert "arXiv:2307.15593" in out
    assert main(["labs", "--json"]) == 0
    labs = json.loads(capsys.readouterr().out)
    assert {lab["name"] for lab in labs} >= {"watermarks", "human_or_machine", "set_prompting"}


def test_a_lab_prints_its_tables_and_claims(capsys: pytest.CaptureFixture[str], tmp_path) -> None:
    assert main(["lab", "set_prompting", *SMALL, "--out", str(tmp_path / "o")]) == 0
    out = capsys.readouterr().out
    assert "holds" in out
    assert "as a set" in out
    assert "largest |Δ log p| (nats)" in out
    assert (tmp_path / "o" / "page.html").exists()
    # no continuation is shown, so there are no traces
    assert not (tmp_path / "o" / "traces.jsonl").exists()
    assert main(["lab", "set_prompting", *SMALL, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["params"]["questions"] == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["lab", "watermark"], "Did you mean 'watermarks'"),
        (["lab", "set_prompting", "--param", "questions=9"], "whole number in [1, 6]"),
        (["lab", "set_prompting", "--param", "questions"], "Write name=value"),
        (["lab", "set_prompting", *SMALL, "--seed", "-3"], "seed"),
        (["lab"], "SLUG"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(argv, words, capsys) -> None:
    assert main(argv) == 2
    err = capsys.readouterr().err.strip().splitlines()
    assert words in err[-1]


def test_claims_as_markdown_are_one_row_each() -> None:

    run = run_lab(open_lab(CATALOG["set_prompting"], load_model("tiny"), {"questions": 1}))
    table = claims_markdown([run]).splitlines()
    assert len(table) == 2 + len(run.claims)
    assert all(line.count(" | ") == 6 for line in (table[0], *table[2:]))


def test_claims_are_written_between_their_marks(tmp_path, monkeypatch) -> None:
    few = Catalog("lab", [CATALOG["set_prompting"]])
    monkeypatch.setattr("explorer.labs.CATALOG", few)
    page = tmp_path / "labs.md"
    begin, end = "<!-- claims of tiny -->", "<!-- end of claims of tiny -->"
    page.write_text(f"# A\n{begin}\nwhat was here\n{end}\nB\n")
    assert main(["labs", "--check", "--model", "tiny", "--write", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("# A\n<!-- claims of tiny -->\n\n| lab | claim |")
    assert text.endswith("|\n\n<!-- end of claims of tiny -->\nB\n")
    assert "what was here" not in text


def test_a_file_without_a_place_for_claims_is_refused_before_the_work(tmp_path, capsys) -> None:
    page = tmp_path / "labs.md"
    page.write_text("# A\n<!-- claims of tiny -->\n")
    for model in ("tiny", "other"):
        assert main(["labs", "--check", "--model", model, "--write", str(page)]) == 2
        assert "has no place for the claims" in capsys.readouterr().err
    assert main(["labs", "--check", "--write", str(tmp_path / "none.md")]) == 2
