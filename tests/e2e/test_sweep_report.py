"""A sweep's saved report in a browser: any metric over any parameter, without a network."""

from __future__ import annotations

from playwright.sync_api import expect
from unit.services.sweep.test_sweep_pictures import PLAN, counted

from explorer.services.sweep.plan import make_plan
from explorer.services.sweep.report import write_report


def test_metrics_are_chosen_and_drawn_with_intervals(open_page, tmp_path) -> None:
    plan, prompts = make_plan(PLAN, "p", None)
    summary, _ = counted()
    path = tmp_path / "report.html"
    write_report(path, plan, len(prompts), summary)
    page = open_page(f"file://{path}", wait=False)
    picture = page.locator(".gx-result-choice + .gx-result")
    expect(picture.locator("figcaption")).to_have_text("loop rate over temperature")
    expect(picture.locator("polyline")).to_have_count(3)
    expect(picture.locator("polygon")).to_have_count(3)
    page.get_by_label("over", exact=True).select_option("temperature x nucleus.p")
    page.get_by_label("metric", exact=True).select_option("mean entropy")
    cell = picture.locator("tbody tr").nth(1).locator("td").nth(0)
    bits = 5.5 / 0.6931471805599453
    expect(cell).to_contain_text(f"{bits:.3f}")
    expect(cell.locator("small")).to_contain_text("n = 3")
    expect(picture).to_contain_text("in bits")
    page.get_by_label("metric", exact=True).select_option("distinct-2")
    page.get_by_label("over", exact=True).select_option("nucleus.p")
    expect(picture).to_have_text("No run has a distinct-2 over nucleus.p.")
    expect(page.locator("[data-kind=table] tbody tr")).to_have_count(8)
