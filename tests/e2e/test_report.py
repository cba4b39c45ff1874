"""A page made from a trace file alone opens from the disk, offline, with everything on it."""

from __future__ import annotations

from pathlib import Path

from fakes import LetterTokenizer, ScriptedModel, hashed_script
from playwright.sync_api import expect

from e2e.conftest import OpenPage
from e2e.steps import lane, token
from explorer.cli import main
from explorer.core.trace_io import write_traces
from explorer.services.generation import generate
from explorer.services.scoring import score


def test_a_trace_file_is_a_page_without_model_or_network(
    open_page: OpenPage, tmp_path: Path, shoot
) -> None:
    model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
    traces = generate(model, "abc", ["top_k:k=4", "beam:width=3"], max_new_tokens=30, seed=2)
    source, out = tmp_path / "run.jsonl", tmp_path / "run.html"
    write_traces(source, traces)
    assert main(["convert", str(source), "--out", str(out)]) == 0
    assert out.stat().st_size < 3_000_000
    page = open_page(out.as_uri(), wait=False, offline=True)
    for i, trace in enumerate(traces):
        shown = trace.text.replace("\n", "")
        text = lane(page, i).locator(".gx-text").inner_text()
        assert "".join(text.split()).replace("↵", "") == "".join(shown.split())
    token(page, 0, 7).click()
    expect(page.locator(".gx-pin-where")).to_contain_text("token 7")
    shoot(page, "report")


def test_a_scored_text_is_a_page_too(open_page: OpenPage, tmp_path: Path) -> None:
    model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
    source, out = tmp_path / "scored.jsonl", tmp_path / "scored.html"
    write_traces(source, [score(model, "hello there")])
    assert main(["convert", str(source), "--out", str(out)]) == 0
    page = open_page(out.as_uri(), wait=False, offline=True)
    expect(lane(page, 0).locator(".gx-text")).to_have_text("hello there", use_inner_text=True)
