"""`decoders`: every decoder and processor, with parameters, bounds, defaults and paper."""

from __future__ import annotations

import argparse
import json


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser("decoders", help="every decoding method and its parameters")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the catalogue."""
    from explorer.core.params import allowed, describe
    from explorer.decoders import CATALOG
    from explorer.services.catalog_view import catalog_json

    if arguments.json:
        print(json.dumps(catalog_json(), indent=2, ensure_ascii=False))
        return 0
    family = ""
    for info in sorted(CATALOG.items(), key=lambda info: info.family):
        if info.family != family:
            family = info.family
            print(f"\n{family}")
        print(f"  {info.name:20} {info.summary}")
        for field in describe(info.params):
            bounds = allowed(field)
            print(f"  {'':20}   {field.name}={field.default}  ({bounds}) {field.description}")
    print("\nJoin stages with '+': temperature:temperature=0.8+nucleus:p=0.95")
    return 0
