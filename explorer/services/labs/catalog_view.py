"""Labs as plain data: what the gallery, `labs --json` and docs/labs.md read."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from explorer.core.errors import InvalidParams
from explorer.core.lab import FAMILIES, LabInfo
from explorer.core.params import describe
from explorer.services.labs.running import LabRun


def lab_json(info: LabInfo) -> dict[str, Any]:
    """A lab's card and form."""
    return {
        "name": info.name,
        "title": info.title,
        "question": info.question,
        "family": info.family,
        "heading": FAMILIES[info.family],
        "papers": [
            {"citation": p.citation, "url": f"https://arxiv.org/abs/{p.arxiv}" if p.arxiv else ""}
            for p in info.papers
        ],
        "fidelity": info.fidelity,
        "scaled_down": info.scaled_down,
        "seconds": info.seconds,
        "needs": sorted(str(need) for need in info.needs),
        "params": [asdict(field) for field in describe(info.params)],
        "method": list(info.method),
    }


def method_code(info: LabInfo) -> list[dict[str, str]]:
    """The source of the modules that hold a lab's method.

    Raises:
        InvalidParams: for a lab that names none.
    """
    if not info.method:
        raise InvalidParams(f"{info.name} names no module of its method.")
    return [
        {"module": name, "code": inspect.getsource(importlib.import_module(name))}
        for name in info.method
    ]


def claim_rows(runs: Sequence[LabRun]) -> tuple[Sequence[str], list[list[str]]]:
    """Every claim of every run, as a table's header and rows."""
    rows = []
    for run in runs:
        for claim in run.claims.values():
            unit = f" {claim.measured.unit}" if claim.measured.unit else ""
            rows.append(
                [
                    run.info.name,
                    claim.statement,
                    claim.paper,
                    f"{claim.measured.value:.4g}{unit}",
                    f"{claim.relation} {claim.threshold:g}",
                    "yes" if claim.holds else "no",
                    f"{run.seconds:.0f}",
                ]
            )
    return ("lab", "claim", "paper", "measured", "asked", "holds", "seconds"), rows


def claims_markdown(runs: Sequence[LabRun]) -> str:
    """What docs/labs.md has of some runs: a table of claims, ours beside the papers'."""
    rows = []
    for run in runs:
        for claim in run.claims.values():
            found = claim.measured
            interval = (
                ""
                if found.low is None or found.high is None
                else f" ({_written(found.low, found.unit)} to {_written(found.high, found.unit)})"
            )
            cells = (
                f"`{run.info.name}`",
                claim.statement,
                claim.paper,
                f"{found.name}: {_written(found.value, found.unit)}{interval}",
                f"{claim.relation} {claim.threshold:g}",
                "yes" if claim.holds else "**no**",
                f"{run.seconds:.0f}",
            )
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    head = ("lab", "claim", "paper", "measured", "asked for", "holds", "seconds")
    return "\n".join(["| " + " | ".join(head) + " |", "|---" * len(head) + "|", *rows])


def _written(value: float, unit: str) -> str:
    return f"{value:.3g}{f' {unit}' if unit else ''}"
