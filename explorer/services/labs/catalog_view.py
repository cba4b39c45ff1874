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
from explorer.core.results import Scalar
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


CLAIM_HEAD = ("lab", "claim", "paper", "measured", "asked for", "holds", "seconds")


def claim_rows(runs: Sequence[LabRun]) -> list[list[str]]:
    """Every claim of every run as cells under `CLAIM_HEAD`."""
    return [
        [
            run.info.name,
            claim.statement,
            claim.paper,
            _measured(claim.measured),
            f"{claim.relation} {claim.threshold:.3g}",
            "yes" if claim.holds else "no",
            f"{run.seconds:.0f}",
        ]
        for run in runs
        for claim in run.claims.values()
    ]


def claims_markdown(runs: Sequence[LabRun]) -> str:
    """What docs/labs.md has of some runs: a table of claims, ours beside the papers'."""
    rows = [CLAIM_HEAD, ("---",) * len(CLAIM_HEAD), *claim_rows(runs)]
    return "\n".join("| " + " | ".join(x.replace("|", "\\|") for x in row) + " |" for row in rows)


def _measured(found: Scalar) -> str:
    unit = f" {found.unit}" if found.unit else ""
    known = found.low is not None and found.high is not None
    interval = f" ({found.low:.3g} to {found.high:.3g})" if known else ""
    return f"{found.name}: {found.value:.3g}{unit}{interval}"
