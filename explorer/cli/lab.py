"""`lab` and `labs`: papers as experiments, without the browser."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli.arguments import add_model, open_model
from explorer.cli.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from explorer.core.lab import LabInfo
    from explorer.core.results import Scalar, Table
    from explorer.core.types import ParamValue
    from explorer.services.labs.running import LabRun


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare both commands."""
    one = commands.add_parser("lab", help="run one lab: a paper as an experiment")
    one.add_argument("slug", metavar="SLUG", help="see `labs`")
    add_model(one)
    one.add_argument(
        "--param", action="append", default=[], metavar="K=V", help="a parameter of the lab"
    )
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--json", action="store_true", help="results as JSON")
    one.add_argument(
        "--out", type=Path, metavar="DIR", help="results.json, page.html and traces.jsonl there"
    )
    one.set_defaults(run=run)
    many = commands.add_parser("labs", help="all labs, their questions and claims")
    add_model(many)
    many.add_argument("--json", action="store_true", help="as JSON")
    many.add_argument("--check", action="store_true", help="run all and print their claims")
    many.add_argument("--seed", type=int, default=0)
    many.add_argument("--markdown", action="store_true", help="the claims as docs/labs.md has them")
    many.add_argument(
        "--write", type=Path, metavar="FILE", help="put that table into FILE, between its marks"
    )
    many.set_defaults(run=run_many)


def run(arguments: argparse.Namespace) -> int:
    """Run one lab; 1 where a claim does not hold."""
    from explorer.labs import CATALOG
    from explorer.services.labs.parameters import read_values

    info = CATALOG[arguments.slug]
    given = read_values(info, arguments.param)  # a typing error answers before a model is loaded
    found = _run(info, arguments, given)
    if arguments.out is not None:
        from explorer.services.labs.files import write_run

        write_run(found, arguments.out)
        print(f"saved in {arguments.out}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(found.as_data(), indent=2, ensure_ascii=False))
    else:
        _show(found)
    return 130 if found.stopped else int(not all(c.holds for c in found.claims.values()))


def run_many(arguments: argparse.Namespace) -> int:
    """List the labs, or check what all of them claim; 1 where a claim does not hold."""
    from explorer.labs import CATALOG
    from explorer.services.labs.catalog_view import (
        CLAIM_HEAD,
        claim_rows,
        claims_markdown,
        lab_json,
    )
    from explorer.services.labs.files import claims_part, write_claims

    if arguments.check:
        name = arguments.model or ""
        if arguments.write is not None:
            claims_part(arguments.write, name)  # what cannot be written is said before the work
        runs = [_run(info, arguments, {}) for info in CATALOG.items()]
        if arguments.write is not None:
            write_claims(arguments.write, name, runs)
        if arguments.markdown:
            print(claims_markdown(runs))
        elif arguments.json:
            print(json.dumps([r.as_data() for r in runs], indent=2, ensure_ascii=False))
        else:
            print(table(CLAIM_HEAD, claim_rows(runs)))
        return int(not all(claim.holds for r in runs for claim in r.claims.values()))
    if arguments.json:
        print(json.dumps([lab_json(info) for info in CATALOG.items()], indent=2))
        return 0
    for info in CATALOG.items():
        print(f"{info.name:20} {info.question}")
        print(f"{'':20} {info.papers[0].citation}")
        print(f"{'':20} {info.fidelity}; about {info.seconds:.0f} s on two cores")
    return 0


def _run(info: LabInfo, arguments: argparse.Namespace, given: Mapping[str, ParamValue]) -> LabRun:
    from tqdm import tqdm

    from explorer.services.labs.running import open_lab, run_lab

    model = open_model(arguments.model, rows=64)
    made = open_lab(info, model, given, arguments.seed)
    with tqdm(total=1.0, desc=info.name, disable=None, bar_format=_BAR, file=sys.stderr) as bar:

        def show(run: LabRun) -> None:
            bar.set_postfix_str(run.said)
            if run.fraction is not None:
                bar.update(max(0.0, run.fraction - bar.n))

        try:
            return run_lab(made, on_update=show)
        except KeyboardInterrupt:
            made.stopped = True
            return made


_BAR = "{desc} |{bar:24}| {postfix} [{elapsed}]"


def _show(found: LabRun) -> None:
    from explorer.core.results import Scalar, Table
    from explorer.services.labs.catalog_view import CLAIM_HEAD, claim_rows

    print(f"{found.info.title}: {found.info.question}")
    for result in found.results.values():
        if isinstance(result, Table):
            print(f"\n{result.name}")
            print(table(_headers(result), [[_cell(c) for c in row] for row in result.rows]))
        elif isinstance(result, Scalar):
            print(f"\n{result.name}: {_number(result)}")
    print()
    print(table(CLAIM_HEAD[1:-1], [row[1:-1] for row in claim_rows([found])]))
    print(f"\n{found.info.fidelity}: {found.info.scaled_down}")
    print(f"{found.seconds:.1f} s{', stopped before its end' if found.stopped else ''}")


def _headers(result: Table) -> list[str]:
    units = result.units or ("",) * len(result.columns)
    return [f"{c} ({u})" if u else c for c, u in zip(result.columns, units, strict=True)]


def _number(scalar: Scalar) -> str:
    return f"{scalar.value:.4g}{' ' + scalar.unit if scalar.unit else ''}"


def _cell(value: object) -> str:
    return "-" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
