"""A sweep's report as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from explorer.core.atomic_file import replacing
from explorer.core.results import as_data
from explorer.render.palette import format_count
from explorer.render.results_page import sweep_page
from explorer.services.sweep.pictures import pictures, summary_table
from explorer.services.sweep.plan import Plan
from explorer.services.sweep.summary import Summary

HOW = (
    "Loop rate: the share of runs with an exact loop, Wilson's 95 % interval; runs of one prompt by"
    " several seeds count as independent. All else: the mean over prompts of each prompt's mean"
    " over its seeds, Student's 95 % interval over prompts (over runs where there is one prompt)."
    " Decoders that do not draw run once a prompt."
)


def report_data(plan: Plan, prompts: int, summary: Summary) -> dict[str, Any]:
    """What the page shows, as JSON has it."""
    asked = (
        f"{', '.join(plan.model_list)}: {format_count(prompts, 'prompt')},"
        f" {format_count(len(plan.seed_list), 'seed')},"
        f" {format_count(plan.max_new_tokens, 'new token')} at most;"
        f" {format_count(summary.cells, 'cell')}, of which {summary.failed:,} failed."
    )
    said = [asked, HOW, *said_of_numbers(summary)]
    said += [f"{format_count(n, 'cell')} failed: {why}" for why, n in summary.errors.items()]
    drawn = [
        {"metric": p.metric, "over": p.over, "result": as_data(p.result)} for p in pictures(summary)
    ]
    table = as_data(summary_table(summary))
    return {"title": "Sweep", "said": said, "table": table, "pictures": drawn}


def said_of_numbers(summary: Summary) -> list[str]:
    """A warning where cells were made in several number formats or on several devices."""
    if len(summary.held) < 2:
        return [f"Made in {held}." for held in summary.held]
    return [f"Cells were made in {' and in '.join(summary.held)}: these figures mix them."]


def write_report(path: Path, plan: Plan, prompts: int, summary: Summary) -> None:
    """Write the page, whole or not at all.

    Raises:
        OSError: where it cannot be written.
    """
    page = sweep_page(report_data(plan, prompts, summary))
    with replacing(path) as file:
        file.write_text(page, encoding="utf-8")
