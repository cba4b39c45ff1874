"""What a sweep shows: one row a model and decoder, every figure with its interval and n."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from explorer.analyzers import CATALOG as ANALYZERS
from explorer.core.intervals import Figure, mean_of, wilson
from explorer.core.params import describe
from explorer.core.types import ParamValue
from explorer.decoders.spec import parse
from explorer.services.sweep.plan import LOOP_RATE, Plan

MOST_REASONS = 100
"""Reasons of failures that are told apart; each cell's own stands in the metrics table."""
OTHER_REASONS = "Other reasons; each cell's own stands in metrics.parquet."


@dataclass(slots=True)
class _Sums:
    """What is added up of one model and decoder, while rows go by."""

    runs: int = 0
    loops: int = 0
    prompts: set[int] = field(default_factory=set)
    values: dict[str, dict[int, list[float]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """One model and decoder over all prompts and seeds.

    Attributes:
        model: its name.
        decoder: canonical spec.
        runs: cells that were run to their end.
        prompts: how many prompts these are of.
        failed: cells that have no trace.
        figures: by metric; None where no run has it. The loop rate is over runs, by Wilson: runs
            of one prompt by several seeds count as independent. All others are means over
            prompts, of each prompt's mean over its seeds; where there is one prompt, over runs.
    """

    model: str
    decoder: str
    runs: int
    prompts: int
    failed: int
    figures: Mapping[str, Figure | None]

    @cached_property
    def params(self) -> dict[str, ParamValue]:
        """Every parameter of its stages, such as {"nucleus.p": 0.95}.

        One that is named after its stage is written once: {"temperature": 0.8}.
        """
        chain = parse(self.decoder)
        return {
            _key(stage.info.name, f.name): getattr(stage.params, f.name)
            for stage in (*chain.processors, chain.chooser)
            for f in describe(stage.info.params)
        }

    @cached_property
    def method(self) -> str:
        """Its stages without their values."""
        chain = parse(self.decoder)
        stages = [*chain.processors, *([chain.chooser] if chain.explicit_chooser else [])]
        return "+".join(stage.info.name for stage in stages) or chain.chooser.info.name


@dataclass(frozen=True, slots=True)
class Summary:
    """A sweep counted up.

    Attributes:
        groups: by model and decoder, in the plan's order.
        metrics: those that are shown.
        errors: reasons of failures, and how many cells each.
        held: number formats and devices the cells were made in.
        cells: how many were finished.
    """

    groups: tuple[Group, ...]
    metrics: tuple[str, ...]
    errors: Mapping[str, int]
    held: tuple[str, ...]
    cells: int

    @property
    def failed(self) -> int:
        """Cells that have no trace."""
        return sum(self.errors.values())

    def as_data(self) -> dict[str, Any]:
        """As JSON has it; an interval that has no end is null."""
        groups = [
            {
                "model": group.model,
                "decoder": group.decoder,
                "params": group.params,
                "runs": group.runs,
                "prompts": group.prompts,
                "failed": group.failed,
                "figures": {k: _plain(v) for k, v in group.figures.items()},
            }
            for group in self.groups
        ]
        errors = [{"reason": reason, "cells": n} for reason, n in self.errors.items()]
        return {"cells": self.cells, "groups": groups, "errors": errors, "held": list(self.held)}


def summarize(plan: Plan, rows: Iterable[Mapping[str, Any]]) -> Summary:
    """Count rows up as they go by; none is held.

    Args:
        plan: says which metrics are shown.
        rows: of `SweepFolder.rows`.
    """
    metrics = tuple(dict.fromkeys(plan.metrics))
    sums: dict[tuple[str, str], _Sums] = {}
    failures: dict[tuple[str, str], int] = {}
    errors: dict[str, int] = {}
    held: dict[str, None] = {}
    cells = 0
    for row in rows:
        cells += 1
        own = (row["model"], row["decoder"])
        mine = sums.setdefault(own, _Sums())
        if row["error"] is not None:
            failures[own] = failures.get(own, 0) + 1
            known = row["error"] in errors or len(errors) < MOST_REASONS
            reason = row["error"] if known else OTHER_REASONS
            errors[reason] = errors.get(reason, 0) + 1
            continue
        held.setdefault(f"{row['dtype']} on {row['device']}")
        _add(mine, row, metrics)
    groups = tuple(
        Group(
            model,
            decoder,
            mine.runs,
            len(mine.prompts),
            failures.get((model, decoder), 0),
            {metric: _figure(mine, metric) for metric in metrics},
        )
        for (model, decoder), mine in sums.items()
    )
    return Summary(groups, metrics, errors, tuple(held), cells)


def _key(stage: str, param: str) -> str:
    return stage if param == stage else f"{stage}.{param}"


def unit_of(metric: str) -> str:
    """The unit of a metric: "nats", "share", "tokens" or "" (dimensionless)."""
    return "share" if metric == LOOP_RATE else ANALYZERS[metric].unit


def title_of(metric: str) -> str:
    """What a metric is called on screen."""
    return "loop rate" if metric == LOOP_RATE else ANALYZERS[metric].title


def _add(mine: _Sums, row: Mapping[str, Any], metrics: Iterable[str]) -> None:
    mine.runs += 1
    mine.prompts.add(row["prompt"])
    mine.loops += row["metrics"][LOOP_RATE] > 0
    for metric in metrics:
        value = row["metrics"].get(metric)
        if metric != LOOP_RATE and value is not None:
            by_prompt = mine.values.setdefault(metric, {})
            by_prompt.setdefault(row["prompt"], []).append(value)


def _figure(mine: _Sums, metric: str) -> Figure | None:
    if metric == LOOP_RATE:
        return wilson(mine.loops, mine.runs) if mine.runs else None
    by_prompt = list(mine.values.get(metric, {}).values())
    if not by_prompt:
        return None
    if len(by_prompt) == 1:
        found = mean_of(by_prompt[0])
    else:
        found = mean_of([sum(values) / len(values) for values in by_prompt])
    if unit_of(metric) != "share" or found.n < 2:
        return found
    return replace(found, low=max(0.0, found.low), high=min(1.0, found.high))


def _plain(figure: Figure | None) -> dict[str, float | None] | None:
    if figure is None:
        return None
    ends = asdict(figure)
    return {k: None if abs(v) == float("inf") else v for k, v in ends.items()}
