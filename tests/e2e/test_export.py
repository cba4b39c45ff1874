"""What is saved opens elsewhere, without this server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from e2e.conftest import OpenPage
from e2e.steps import lane, run, token


def save(page: Page, kind: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.click(f"#gx-save-{kind}")
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_the_first_click_saves_the_present_run(page: Page, tmp_path: Path, kind: str) -> None:
    for tokens in (8, 11):
        run(page, tokens=tokens)
        text = save(page, kind, tmp_path).read_text(encoding="utf-8")
        assert json.loads(text.splitlines()[0])["max_new_tokens"] == tokens


def test_the_page_opens_from_a_file(page: Page, open_page: OpenPage, tmp_path: Path, shoot) -> None:
    run(page, tokens=40)
    wanted = lane(page, 1).locator(".gx-text").inner_text()
    path = save(page, "html", tmp_path)
    saved = open_page(path.as_uri(), wait=False, offline=True)
    expect(lane(saved, 1).locator(".gx-text")).to_have_text(wanted, use_inner_text=True)
    assert saved.locator(".gx-more").count() == 0
    assert saved.locator(".gx-chart-line").count() == 10
    facts = "scripted · apache-2.0 · from a script · float32 · cpu · 9 prompt tokens · raw · seed 7"
    expect(saved.locator("[data-gx-facts]")).to_have_text(facts)
    token(saved, 2, 7).click()
    expect(saved.locator(".gx-pin-where")).to_contain_text("token 7")
    shoot(saved, "exported", full=True)
    saved.click("[data-gx-theme]")
    assert saved.evaluate("document.documentElement.classList.contains('dark')")
    shoot(saved, "exported-dark")


def test_saving_without_a_run_says_so(page: Page) -> None:
    page.click("#gx-save-csv")
    expect(page.locator(".toast-body")).to_contain_text("nothing to save")
