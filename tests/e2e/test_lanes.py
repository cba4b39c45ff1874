"""Lanes are edited in place, and what is edited is what runs."""

from __future__ import annotations

from playwright.sync_api import Page, TimeoutError, expect
from ui.fake_services import FakeServices

from e2e.steps import box, lane, run, specs


def press_late(page: Page, index: int, button: str) -> None:
    """Press a button that a lane shows under the pointer; where lanes move, come again."""
    for _ in range(6):
        lane(page, index).hover()
        try:
            lane(page, index).locator(button).click(timeout=5_000)
        except TimeoutError:
            page.mouse.move(0, 0)
        else:
            return
    raise AssertionError(f"{button} of lane {index} cannot be pressed")


def test_a_slider_changes_the_spec_in_place(page: Page, shoot) -> None:
    before = box(lane(page, 3))
    lane(page, 3).locator(".gx-more").click()
    slider = lane(page, 3).locator('input[type="range"]')
    slider.focus()
    slider.press("Home")
    shoot(page, "editor")
    spec = specs(page)[3]
    assert spec.startswith("nucleus:p=0.")
    assert spec != "nucleus:p=0.95"
    expect(lane(page, 3).locator(".gx-spec")).to_have_value(spec)
    assert box(lane(page, 3)) == before
    lane(page, 3).locator('.gx-param button[aria-label^="Reset"]').click()
    assert specs(page)[3] == "nucleus:p=0.95"


def test_numbers_out_of_bounds_are_refused_in_words(page: Page) -> None:
    lane(page, 3).locator(".gx-more").click()
    lane(page, 3).locator(".gx-number").fill("1.5")
    expect(lane(page, 3).locator(".gx-problem")).to_have_text("nucleus: p is above 1.")
    assert specs(page)[3] == "nucleus:p=0.95"


def test_a_typed_spec_is_read_or_refused_with_the_nearest_name(page: Page) -> None:
    lane(page, 0).locator(".gx-more").click()
    box_ = lane(page, 0).locator(".gx-spec")
    box_.fill("nucleos:p=0.9")
    expect(lane(page, 0).locator(".gx-problem")).to_contain_text("nucleus")
    assert specs(page)[0] == "greedy"
    box_.fill("temperature:temperature=0.7+nucleus:p=0.9")
    expect(lane(page, 0).locator(".gx-problem")).to_be_empty()
    assert specs(page)[0] == "temperature:temperature=0.7+nucleus:p=0.9"
    assert lane(page, 0).locator(".gx-stage-item").count() == 2


def test_stages_are_added_moved_and_removed(page: Page) -> None:
    lane(page, 3).locator(".gx-more").click()
    lane(page, 3).get_by_role("button", name="+ Add stage").click()
    lane(page, 3).locator('.gx-method[data-name="min_p"]').click()
    first, second = specs(page)[3].split("+")
    assert (first, second) == ("nucleus:p=0.95", "min_p:p=0.05")
    lane(page, 3).locator('.gx-stage-item >> nth=1 >> button[aria-label$="up"]').click()
    assert specs(page)[3].split("+") == [second, first]
    lane(page, 3).locator('.gx-stage-item >> nth=0 >> button[aria-label^="Remove"]').click()
    assert specs(page)[3] == first


def test_a_chooser_stays_last(page: Page) -> None:
    lane(page, 0).locator(".gx-more").click()
    lane(page, 0).get_by_role("button", name="+ Add stage").click()
    lane(page, 0).locator('.gx-method[data-name="xtc"]').click()
    assert specs(page)[0].endswith("+greedy")
    up = lane(page, 0).locator('.gx-stage-item >> nth=1 >> button[aria-label$="up"]')
    expect(up).to_be_disabled()


def test_lanes_are_added_up_to_eight_duplicated_and_removed(page: Page) -> None:
    for _ in range(3):
        page.click(".gx-add")
    assert page.locator(".gx-lane").count() == 8
    expect(page.locator(".gx-add")).to_be_disabled()
    press_late(page, 1, ".gx-remove")
    assert page.locator(".gx-lane").count() == 7
    press_late(page, 0, ".gx-duplicate")
    assert specs(page)[:2] == ["greedy", "greedy"]


def test_what_is_edited_is_what_runs(page: Page, services: FakeServices) -> None:
    lane(page, 0).locator(".gx-more").click()
    lane(page, 0).locator(".gx-spec").fill("min_p:p=0.2")
    run(page, tokens=8)
    assert services.requests[-1].specs[0] == "min_p:p=0.2"
    lane(page, 0).locator(".gx-more").click()
    lane(page, 0).locator(".gx-spec").fill("min_p:p=0.3")
    expect(lane(page, 0).locator(".gx-sub")).to_have_text("edited · Run to refresh")


def test_a_preset_sets_the_lanes(page: Page) -> None:
    page.click("#gx-preset input")
    page.get_by_role("option", name="temperature ladder").click()
    page.wait_for_function("Explorer.specs().length === 4")
    assert all(spec.startswith("temperature:") for spec in specs(page))


def test_the_title_explains_the_method_on_hover(page: Page) -> None:
    lane(page, 3).locator(".gx-title").hover()
    card = page.locator(".gx-card.gx-on")
    expect(card).to_contain_text("Holtzman")
    expect(card).to_contain_text("nucleus:p=0.95")


def test_the_preset_box_says_custom_once_lanes_are_changed_by_hand(page: Page) -> None:
    preset = page.locator("#gx-preset input")
    expect(preset).to_have_value("classic five")
    lane(page, 3).locator(".gx-more").click()
    lane(page, 3).locator(".gx-spec").fill("nucleus:p=0.5")
    expect(preset).to_have_value("custom")
    page.click("#gx-preset input")
    page.get_by_role("option", name="temperature ladder").click()
    page.wait_for_function("Explorer.specs().length === 4")
    expect(preset).to_have_value("temperature ladder")
    page.click(".gx-add")
    expect(preset).to_have_value("custom")


def test_a_removed_lane_leaves_the_plot(page: Page) -> None:
    page.wait_for_selector("#gx-plot .main-svg")
    run(page, tokens=12)
    legend = page.locator("#gx-plot .legendtext")
    expect(legend).to_have_count(5)
    press_late(page, 1, ".gx-remove")
    expect(legend).to_have_count(4)
    assert not [text for text in legend.all_text_contents() if text.startswith("beam")]
    run(page, tokens=12)
    expect(legend).to_have_count(4)
