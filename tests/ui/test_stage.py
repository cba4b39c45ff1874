"""Values of the stage stay small, overlap, and end whole."""

from __future__ import annotations

import json

from explorer.ui.stage import StageParts
from ui.canned import Canned, columns, whole

WIDE = Canned(specs=tuple(f"nucleus:p=0.9{i}" for i in range(8)), tokens=200)


def read(value: str, known: list[str]) -> list[str]:
    """What the page's script does: lines it knows are passed over, a gap is not bridged."""
    first, _, rest = value.partition("\n")
    before = json.loads(first)["from"]
    assert before <= len(known)
    return known[:before] + [line for line in rest.split("\n") if line]


def test_parts_add_up_to_the_run() -> None:
    parts, text, known = StageParts(), "", list[str]()
    for column in columns(WIDE):
        text += column
        value = parts.next(text)
        assert len(value) <= 2 * StageParts.OVERLAP + 100
        known = read(value, known)
    assert parts.is_partial
    assert known == text.splitlines()


def test_a_page_that_missed_parts_is_made_whole_by_the_last() -> None:
    parts = StageParts()
    text = whole(WIDE)
    parts.next(text[: len(text) // 3])
    parts.next(text)
    assert read(parts.whole(), []) == text.splitlines()


def test_a_short_run_only_grows() -> None:
    parts = StageParts()
    first, second = parts.next("a\n"), parts.next("a\nb\n")
    assert second.startswith(first)
    assert not parts.is_partial


def test_parts_of_two_runs_are_told_apart_and_nothing_is_no_value() -> None:
    assert StageParts().next("a\n") != StageParts().next("a\n")
    assert StageParts().next("") == ""
