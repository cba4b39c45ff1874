"""`decoders`: every decoder and processor, with parameters, bounds, defaults and paper."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.core.decoder import StageInfo


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser("decoders", help="every decoding method and its parameters")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the catalogue."""
    from explorer.decoders import CATALOG
    from explorer.decoders.families import FAMILIES
    from explorer.services.catalog_view import catalog_json

    if arguments.json:
        print(json.dumps(catalog_json(), indent=2, ensure_ascii=False))
        return 0
    for family, heading in FAMILIES.items():
        print(f"\n{heading} ({family})")
        for info in CATALOG.items():
            if info.family == family:
                _print_stage(info, CATALOG.aliases_of(info.name))
    print("\nJoin stages with '+': temperature:temperature=0.8+nucleus:p=0.95")
    return 0


def _print_stage(info: StageInfo, aliases: Sequence[str]) -> None:
    from explorer.core.params import allowed, describe
    from explorer.decoders.spec import written_value

    space = " " * 26
    print(f"  {info.name:23} {info.summary}")
    print(f"{space} {info.source}")
    if info.second is not None:
        print(f"{space} reads a second context: another model, or another prompt")
    if info.layers:
        print(f"{space} reads hidden states")
    if aliases:
        print(f"{space} elsewhere called {', '.join(aliases)}")
    for field in describe(info.params):
        written = written_value(field, field.default)
        print(f"{space}   {field.name}={written}  ({allowed(field)}) {field.description}")
