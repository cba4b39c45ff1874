"""The Latent page: map, sample, walk, round trip, over the shipped spaces themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from e2e.server import serve
from explorer.core.trace_io import read_traces
from explorer.services.compare import Services
from explorer.services.latent.tongues import TONGUES
from explorer.services.loading import load_model
from explorer.services.model_pool import ModelPool
from explorer.services.settings import Settings

OpenPage = Callable[..., Page]
SLOW = 30_000


@pytest.fixture
def latent(open_page: OpenPage, url: str) -> Page:
    """The page by its own address, the map drawn."""
    page = open_page(f"{url}#latent", wait=False)
    page.wait_for_selector(".gx-map", timeout=SLOW)
    expect(where(page)).to_contain_text("area is probability", timeout=SLOW)
    return page


def where(page: Page) -> Locator:
    return page.locator(".gx-where")


def said(page: Page) -> Locator:
    """The pinned sentence."""
    return page.locator(".gx-point .gx-here")


def choose(page: Page, label: str, value: str) -> None:
    page.locator(".gx-latent label.gx-labelled", has_text=re.compile(f"^{label}")).locator(
        "select"
    ).select_option(value)


def sample(page: Page, count: int = 60) -> None:
    page.locator(".gx-panel input[type=number]").first.fill(str(count))
    page.get_by_role("button", name="Sample", exact=True).click()
    expect(page.locator(".gx-panel:visible .gx-shares")).to_be_visible(timeout=SLOW)


def click_map(page: Page, across: float, up: float) -> None:
    box = page.locator(".gx-map").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + across * box["width"], box["y"] + (1 - up) * box["height"])


def test_the_address_opens_the_page_and_the_page_names_itself(latent: Page) -> None:
    latent.get_by_role("tab", name="Compare").click()
    expect(latent.locator("#gx-run")).to_be_visible()
    assert "#" not in latent.url
    latent.get_by_role("tab", name="Latent").click()
    expect(latent.locator(".gx-map")).to_be_visible()
    assert latent.url.endswith("#latent")


def test_a_click_on_the_map_says_a_sentence_of_the_language(latent: Page) -> None:
    expect(latent.locator(".gx-point")).to_contain_text("Click the map")
    click_map(latent, 0.3, 0.4)
    expect(said(latent)).to_have_text(re.compile(r"^Is it "), timeout=SLOW)
    expect(latent.locator(".gx-point")).to_contain_text("valid: asks")


def test_a_slider_reads_the_point_anew(latent: Page) -> None:
    click_map(latent, 0.3, 0.4)
    expect(said(latent)).to_have_text(re.compile("^Is"), timeout=SLOW)
    first = latent.locator(".gx-axis input").first
    first.focus()
    first.press("Home")
    expect(said(latent)).to_have_text(re.compile("^A "), timeout=SLOW)
    expect(first).to_be_focused()


def test_zoom_goes_into_a_box_and_back(latent: Page) -> None:
    canvas = latent.locator(".gx-map")
    click_map(latent, 0.55, 0.5)
    canvas.focus()
    for _ in range(14):
        canvas.press("+")
    expect(where(latent)).to_contain_text("within “the", timeout=SLOW)
    canvas.press("0")
    expect(where(latent)).to_contain_text("area is probability", timeout=SLOW)


def test_a_sample_is_counted_listed_searched_and_saved(latent: Page, tmp_path: Path) -> None:
    sample(latent)
    shares = latent.locator(".gx-panel:visible .gx-shares")
    expect(shares).to_contain_text("100.0%  (60 of 60)")
    items = latent.locator(".gx-panel:visible .gx-sentences > li")
    expect(items).to_have_count(60)
    latent.get_by_label("Find a word in the sentences").fill("the")
    expect(items).not_to_have_count(60)
    items.first.locator("button").click()
    expect(said(latent)).to_have_text(items.first.locator("span").first.inner_text())
    with latent.expect_download(timeout=SLOW) as download:
        latent.get_by_role("button", name="table, CSV").last.click()
    path = tmp_path / "sample.csv"
    download.value.save_as(path)
    lines = path.read_text("utf-8").splitlines()
    assert lines[0].startswith("point,z1,z2,ended,text")
    assert len(lines) == 61


def test_a_lasso_selects_what_it_holds(latent: Page) -> None:
    sample(latent, 200)
    latent.get_by_role("button", name="Draw around points").click()
    box = latent.locator(".gx-map").bounding_box()
    assert box is not None
    corners = [(0.02, 0.02), (0.5, 0.02), (0.5, 0.98), (0.02, 0.98), (0.02, 0.05)]
    for number, (across, down) in enumerate(corners):
        latent.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
        if number == 0:
            latent.mouse.down()
    latent.mouse.up()
    expect(latent.locator(".gx-panel:visible")).to_contain_text(re.compile(r"\d+ points of 200"))
    latent.get_by_role("button", name="Undo selection").click()
    expect(latent.locator(".gx-panel:visible")).to_contain_text("200 points")


def test_a_walk_shows_the_way_and_names_a_bad_end(latent: Page) -> None:
    latent.get_by_role("tab", name="Walk").click()
    latent.get_by_role("button", name="Walk", exact=True).click()
    panel = latent.locator(".gx-panel:visible")
    expect(panel).to_contain_text("0 holes among 60 points", timeout=SLOW)
    items = panel.locator(".gx-sentences > li")
    assert items.count() > 5
    expect(items.first).to_contain_text("Is it a red ball")
    panel.get_by_label("Where on the way").press("End")
    expect(panel.locator(".gx-here")).to_have_text(items.last.locator("span").first.inner_text())
    panel.get_by_label("to B").fill("is it a wug")
    panel.get_by_role("button", name="Walk", exact=True).click()
    expect(panel).to_contain_text("'wug', is no word of this language", timeout=SLOW)


def test_a_round_trip_comes_home_and_shows_what_each_word_keeps(latent: Page) -> None:
    latent.get_by_role("tab", name="Round trip").click()
    panel = latent.locator(".gx-panel:visible")
    panel.get_by_role("button", name="Encode").click()
    expect(panel).to_contain_text("Its point says the same sentence again", timeout=SLOW)
    rows = panel.locator("tbody tr")
    expect(rows).to_have_count(6)
    expect(rows.last).to_contain_text("(end)")
    rows.nth(2).click()
    expect(where(latent)).to_contain_text("within “is it", timeout=SLOW)
    panel.get_by_label("sentence").fill("is it it")
    panel.get_by_role("button", name="Encode").click()
    expect(panel.get_by_role("alert")).to_contain_text("cannot stand here", timeout=SLOW)


def test_a_trained_space_shows_patches_and_holes(latent: Page) -> None:
    choose(latent, "space", "vae")
    expect(where(latent)).to_contain_text("different sentences on 5,184 points", timeout=SLOW)
    click_map(latent, 0.5, 0.5)
    expect(said(latent)).to_be_visible(timeout=SLOW)
    sample(latent)
    expect(latent.locator(".gx-panel:visible .gx-shares")).to_contain_text("valid")


def test_hovering_reads_and_says_how_large_a_box_is(latent: Page) -> None:
    box = latent.locator(".gx-map").bounding_box()
    assert box is not None
    latent.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.6 * box["height"])
    card = latent.locator(".gx-map-card")
    expect(card).to_have_text(re.compile(r"^is it .*%\sof the space$"))
    assert float(re.findall(r"([\d.]+)%", card.inner_text())[0]) < 50


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        ("valid", "not valid"),
        ("novel", "trained on"),
        ("words", "20 words or more"),
        ("bits", "80 bits or more"),
        ("kind", "question"),
    ],
)
def test_colours_say_what_they_mean(latent: Page, colour: str, words: str) -> None:
    choose(latent, "colour", colour)
    expect(latent.locator(".gx-map-legend")).to_contain_text(words)


def test_a_sample_is_saved_as_traces(latent: Page, tmp_path: Path) -> None:
    sample(latent, 12)
    with latent.expect_download(timeout=SLOW) as download:
        latent.get_by_role("button", name="traces, JSONL").last.click()
    path = tmp_path / "sample.jsonl"
    download.value.save_as(path)
    traces = list(read_traces(path))
    assert len(traces) == 12
    assert {*traces[0].steps[0].notes} == {"z1", "z2"}


def test_a_plane_goes_through_three_sentences(latent: Page) -> None:
    choose(latent, "dimensions", "16")
    choose(latent, "map", "through")
    for name, text in zip(
        "ABC", ["is it a red ball", "is it a cup", "where are the balls"], strict=True
    ):
        latent.get_by_label(name, exact=True).fill(text)
    latent.get_by_role("button", name="Show the plane").click()
    expect(where(latent)).to_contain_text("plane through the three sentences", timeout=SLOW)
    expect(where(latent)).to_contain_text("on 5,184 points", timeout=SLOW)
    latent.get_by_label("C", exact=True).fill("is it a wug")
    latent.get_by_role("button", name="Show the plane").click()
    expect(where(latent)).to_contain_text("Sentence 3", timeout=SLOW)


@pytest.mark.timeout(400)
def test_pca_is_shown_at_once_and_umap_when_it_is_made(latent: Page) -> None:
    choose(latent, "space", "vae")
    choose(latent, "dimensions", "16")
    sample(latent, 120)
    choose(latent, "map", "umap")
    expect(where(latent)).to_contain_text("the map shows PCA meanwhile", timeout=SLOW)
    bar = latent.get_by_role("progressbar", name="UMAP")
    expect(bar).to_be_visible()
    expect(where(latent)).to_contain_text("UMAP: near points stay near", timeout=240_000)
    expect(bar).to_be_hidden()
    latent.locator(".gx-panel:visible .gx-sentences > li").first.locator("button").click()
    expect(said(latent)).to_be_visible(timeout=SLOW)


def test_more_dimensions_are_seen_on_planes(latent: Page) -> None:
    choose(latent, "dimensions", "16")
    expect(where(latent)).to_contain_text("all others in the middle", timeout=SLOW)
    choose(latent, "map", "pca")
    expect(where(latent)).to_contain_text("Sample first")
    sample(latent)
    expect(where(latent)).to_contain_text("(PCA)", timeout=SLOW)
    latent.get_by_role("tab", name="Walk").click()
    latent.get_by_role("button", name="Walk", exact=True).click()
    expect(where(latent)).to_contain_text("through A, B", timeout=SLOW)


@pytest.fixture
def tiny_url(browser: Browser) -> Iterator[str]:
    """The app with the shipped model, in memory."""
    pool = ModelPool(names=["tiny"])
    pool.add("tiny", load_model("tiny"))
    yield from serve(Services(Settings(model="tiny"), pool))
    TONGUES.models = None


def test_a_model_has_a_map_of_boxes_and_planes_of_many_dimensions(
    open_page: OpenPage, tiny_url: str, tmp_path: Path
) -> None:
    page = open_page(f"{tiny_url}#latent", wait=False)
    expect(where(page)).to_contain_text("area is probability", timeout=SLOW)
    choose(page, "language", "tiny")
    expect(where(page)).to_contain_text("area is probability", timeout=SLOW)
    choose(page, "dimensions", "16")
    expect(where(page)).to_contain_text("or click to read one", timeout=SLOW)
    click_map(page, 0.4, 0.6)
    expect(page.locator(".gx-point")).to_contain_text("bits", timeout=SLOW)
    sample(page, 20)
    expect(where(page)).to_contain_text("(PCA)", timeout=SLOW)
    with page.expect_download(timeout=SLOW) as download:
        page.get_by_role("button", name="traces, JSONL").last.click()
    path = tmp_path / "sample.jsonl"
    download.value.save_as(path)
    assert {trace.prompt.text for trace in read_traces(path)} == {"Once upon a time"}


def test_the_page_holds_on_a_phone(open_page: OpenPage, url: str, shoot: Any) -> None:
    page = open_page(f"{url}#latent", wait=False, viewport={"width": 390, "height": 844})
    expect(where(page)).to_contain_text("area is probability", timeout=SLOW)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    shoot(page, "latent-phone")


def test_the_table_of_the_paper_stands_on_the_page(latent: Page) -> None:
    latent.get_by_role("tab", name="Table").click()
    rows = latent.locator(".gx-paper-table tbody tr")
    assert rows.count() >= 8
    expect(rows.first).to_contain_text("ariel")
    expect(latent.locator(".gx-panel:visible")).to_contain_text("python -m explorer latent table")
