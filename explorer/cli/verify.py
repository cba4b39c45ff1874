"""`verify`: run the model over a trace file, and see whether it says the truth."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli.arguments import open_model

if TYPE_CHECKING:
    from explorer.services.verify.findings import Findings


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "verify", help="run the model over a trace file and report the first mismatch"
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="a .jsonl file of traces")
    parser.add_argument(
        "--model", default=None, metavar="M", help="the model to run (default: what traces name)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--tolerance", type=float, default=1.0, metavar="X", help="multiplies the tolerances"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Check; exit status 0 where all agrees, 1 where something does not."""
    from explorer.core.errors import InvalidParams, TraceFormatError
    from explorer.services.verify.files import verify_file

    if not arguments.tolerance > 0:
        raise InvalidParams(f"--tolerance {arguments.tolerance} is not above 0.", "Leave it out.")
    if not arguments.file.is_file():
        raise TraceFormatError(f"There is no trace file at '{arguments.file}'.", "Check the path.")
    model = None if arguments.model is None else open_model(arguments.model)
    results: list[Findings] = []
    broken: TraceFormatError | None = None
    try:
        for found in verify_file(arguments.file, model, load=open_model, scale=arguments.tolerance):
            results.append(found)
            if not arguments.json:
                print(_told(found))
    except TraceFormatError as error:
        broken = error
    agrees = all(found.agrees for found in results)
    if arguments.json:
        print(
            json.dumps(
                {
                    "file": str(arguments.file),
                    "agrees": agrees and broken is None,
                    "error": None if broken is None else str(broken),
                    "traces": [found.as_data() for found in results],
                },
                ensure_ascii=False,
                indent=2,
            )
        )
    if broken is not None:
        print(f"explorer: {broken}", file=sys.stderr)
        return 2
    if not agrees:
        return 1
    if not arguments.json:
        print(_summary(results))
    return 0


def _told(found: Findings) -> str:
    head = f"line {found.line}: {found.decoder}"
    if found.mismatch is not None:
        return f"{head}\n  MISMATCH: {found.mismatch.sentence}"
    worst = max(found.worst.values(), default=0.0)
    lines = [f"{head}: agrees; {found.tokens} tokens, largest difference {worst:.1e} nats"]
    if found.borderline:
        lines.append(f"  {found.borderline} choices hang on rounding, and agree within it")
    lines += [f"  not checked: {what}" for what in found.not_checked]
    lines += [f"  note: {what}" for what in found.notes]
    return "\n".join(lines)


def _summary(results: list[Findings]) -> str:
    from explorer.render.palette import format_count

    partly = sum(bool(found.not_checked) for found in results)
    more = f"; {partly} not in every point, as said above" if partly else ""
    return f"{format_count(len(results), 'trace')}: all that was checked agrees{more}"
