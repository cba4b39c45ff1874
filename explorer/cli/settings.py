"""`settings`: every setting, its value here, where it comes from and what it limits."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict

from explorer.cli.tables import table


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser("settings", help="every setting: value, origin, what it limits")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print them."""
    from explorer.services.settings import settings_rows

    rows = settings_rows()
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False))
        return 0
    lines = [[row.name, row.value, row.origin, row.limits.replace("`", "")] for row in rows]
    print(table(["setting", "value", "from", "what it decides"], lines))
    return 0
