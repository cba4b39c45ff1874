"""`models`: what can be loaded, where it lies, its licence and size; `models fetch NAME`."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from explorer.cli.tables import table


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser("models", help="what can be loaded; fetch a model")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("action", nargs="?", choices=["fetch"], help="fetch a model")
    parser.add_argument("name", nargs="?", help="which one")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List, or fetch."""
    from explorer.core.errors import InvalidParams
    from explorer.services.model_sources import list_models

    if arguments.action == "fetch":
        if not arguments.name:
            raise InvalidParams("Which model?", "Write: models fetch smollm2-135m")
        return _fetch(arguments.name)
    entries = [asdict(entry) for entry in list_models()]
    if arguments.json:
        print(json.dumps(entries, indent=2, ensure_ascii=False))
        return 0
    rows = [
        [
            str(entry["name"]),
            "ready" if entry["available"] else "not fetched",
            _size(entry["bytes"]),
            str(entry["licence"]),
            str(entry["source"]),
            str(entry["path"] or "-"),
        ]
        for entry in entries
    ]
    print(table(["model", "state", "size", "licence", "source", "where"], rows))
    print("\nAny Hub id, folder with safetensors or .gguf file of a causal model loads too.")
    return 0


def _fetch(name: str) -> int:
    from explorer.cli.progress import LoadBar
    from explorer.services.loading import fetch_model

    with LoadBar() as bar:
        folder = fetch_model(name, progress=bar)
    print(f"{name} is ready at {folder.path}", file=sys.stderr)
    return 0


def _size(count: object) -> str:
    return f"{count / 1e6:,.0f} MB" if isinstance(count, int) and count else "-"
