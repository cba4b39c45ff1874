"""docs/scaling.md: its plans can be read, and its sums are those of its rates."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import explorer
from explorer.services.sweep.cells import count_cells
from explorer.services.sweep.plan import Plan, make_plan

PAGE = (Path(explorer.__file__).parent.parent / "docs" / "scaling.md").read_text(encoding="utf-8")
PLANS = [tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]


def test_the_plans_of_the_page_can_be_read(tmp_path) -> None:
    (tmp_path / "prompts.txt").write_text("\n".join(f"prompt {k}" for k in range(300)))
    made = [make_plan(plan, "scaling.md", tmp_path) for plan in PLANS]
    assert [count_cells(plan, len(prompts)) for plan, prompts in made] == [
        2 * 20 * (1 + 9 * 5),
        1_000_000,
    ]


def test_every_key_of_a_plan_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`\w+`.*?) \|", PAGE, re.M))))
    assert set(Plan.model_fields) <= explained


def test_a_million_traces_cost_what_the_rates_say() -> None:
    row = re.search(r"`smollm2-135m` \| 8 \| (\d+) \| ([\d.]+) \| ([\d.]+)", PAGE)
    rate, seconds, kilobytes = (float(number) for number in row.groups())
    assert 128 / rate == pytest.approx(seconds, abs=0.005)
    core_hours = 1e6 * seconds / 3600
    assert f"{seconds:.2f} million core-seconds = {core_hours:.0f} core-hours" in PAGE
    assert f"| {core_hours / 100:.1f} hours |" in PAGE
    assert f"| ${core_hours * 0.04:.0f} |" in PAGE
    assert f"| traces | {kilobytes:.0f} GB |" in PAGE
    assert f"| {1e3 * kilobytes / (core_hours / 100 * 3600):.1f} MB/s |" in PAGE
    assert 512 * seconds / 60 == pytest.approx(15, abs=1)  # "a quarter of an hour"
    assert 512 * kilobytes / 1e3 == pytest.approx(15, abs=0.5)  # "15 MB"
