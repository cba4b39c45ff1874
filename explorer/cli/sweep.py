"""`sweep`: prompts x decoders x seeds x models, resumable, here or on a cluster."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli.tables import table

if TYPE_CHECKING:
    from explorer.core.intervals import Figure
    from explorer.services.sweep.engines import Engine
    from explorer.services.sweep.study import Study
    from explorer.services.sweep.summary import Summary


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "sweep", help="run a plan of prompts, decoders, seeds and models; goes on where it was"
    )
    parser.add_argument("plan", type=Path, metavar="PLAN.toml", help="see docs/scaling.md")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="traces, metrics and report.html there (default: the plan's name without .toml)",
    )
    parser.add_argument(
        "--engine", choices=("local", "ray"), help="where it runs (default: what the plan says)"
    )
    parser.add_argument(
        "--workers", type=int, default=0, metavar="N", help="of Ray (default: one a GPU or CPU)"
    )
    parser.add_argument("--retry", action="store_true", help="run cells again that failed")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run what is not finished and print one row a model and decoder; 1 where a cell failed."""
    from explorer.core.errors import InvalidParams
    from explorer.services import checks
    from explorer.services.sweep.plan import read_plan
    from explorer.services.sweep.report import write_report
    from explorer.services.sweep.study import Study

    plan, prompts = read_plan(arguments.plan)
    checks.whole("--workers", arguments.workers, 0, 10_000)
    out = arguments.out or arguments.plan.with_suffix("")
    if out == arguments.plan:
        raise InvalidParams(f"'{out}' has no ending, so its folder needs a name.", "Give --out.")
    study = Study(plan, prompts, out)
    engine = _engine(arguments.engine or plan.engine, arguments.workers)
    try:
        summary = _go(study, engine, retry=arguments.retry)
    except KeyboardInterrupt:
        print(f"explorer: stopped; the same command goes on in '{out}'", file=sys.stderr)
        return 130
    report = out / "report.html"
    write_report(report, plan, len(prompts), summary)
    if arguments.json:
        print(json.dumps({"folder": str(out)} | summary.as_data(), indent=1, allow_nan=False))
    else:
        _show(summary)
    for reason, cells in summary.errors.items():
        print(f"explorer: {cells:,} failed: {reason}", file=sys.stderr)
    print(f"wrote {report}", file=sys.stderr)
    return int(summary.failed > 0)


def _engine(name: str, workers: int) -> Engine:
    if name == "ray":
        from explorer.services.sweep.ray_engine import RayEngine

        return RayEngine(workers)
    from explorer.services.sweep.engines import LocalEngine

    return LocalEngine()


def _go(study: Study, engine: Engine, *, retry: bool) -> Summary:
    """Run it under a bar that says how long it still takes."""
    from tqdm import tqdm

    from explorer.services.sweep.study import Watch

    with tqdm(desc="cells", unit="cell", ncols=78, disable=not sys.stderr.isatty()) as bar:
        failures = 0

        def begun(total: int, before: int) -> None:
            # what was finished before took no time now, and must not make the rest look quick
            bar.total, bar.initial, bar.n, bar.last_print_n = total, before, before, before
            bar.refresh()

        def done(cells: int, failed: int) -> None:
            nonlocal failures
            failures += failed
            if failures:
                bar.set_postfix_str(f"{failures} failed", refresh=False)
            bar.update(cells)

        return study.run(engine, Watch(begun, done), retry=retry)


def _show(summary: Summary) -> None:
    from explorer.services.sweep.report import HOW, said_of_numbers
    from explorer.services.sweep.summary import title_of, unit_of

    several = len({group.model for group in summary.groups}) > 1
    header = ["decoder", *(["model"] if several else []), "runs", "failed"]
    for metric in summary.metrics:
        unit = {"nats": " (bits)", "share": " (%)"}.get(unit_of(metric), "")
        header += [f"{title_of(metric)}{unit}", "n"]
    rows = []
    for group in summary.groups:
        row = [group.decoder, *([group.model] if several else [])]
        row += [str(group.runs), str(group.failed)]
        for metric in summary.metrics:
            row += _cells(group.figures[metric], unit_of(metric))
        rows.append(row)
    print(table(header, rows))
    for words in (HOW, *said_of_numbers(summary)):
        print(f"\n{words}")


def _cells(figure: Figure | None, unit: str) -> list[str]:
    """A figure with its interval, and its n.

    >>> from explorer.core.intervals import wilson
    >>> _cells(wilson(8, 10), "share")
    ['80 (49 to 94)', '10']
    """
    from explorer.core.units import to_bits

    if figure is None:
        return ["-", "0"]
    factor = {"nats": to_bits(1.0), "share": 100.0}.get(unit, 1.0)
    digits = 0 if unit == "share" else 2
    ends = (figure.value, figure.low, figure.high)
    value, low, high = (f"{factor * x:.{digits}f}" for x in ends)
    # one value has no interval
    return [value if figure.n < 2 else f"{value} ({low} to {high})", str(figure.n)]
