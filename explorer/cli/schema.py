"""`schema`: what a line of a trace file holds, as JSON Schema."""

from __future__ import annotations

import argparse
import json


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser("schema", help="the JSON Schema of a line of a trace file")
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace) -> int:
    """Print it."""
    from explorer.core.trace_schema import json_schema

    print(json.dumps(json_schema(), ensure_ascii=False, indent=1))
    return 0
