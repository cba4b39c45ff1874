"""`score`: what the model thought of a given text, token by token."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli.arguments import add_model, add_text, open_model, read_text
from explorer.cli.saving import saved
from explorer.cli.tables import token_table

if TYPE_CHECKING:
    from explorer.core.types import Trace


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser("score", help="teacher-forced trace of given text")
    add_model(parser)
    add_text(parser, "text", "the text to score")
    parser.add_argument("--prompt", default="", help="what stands before it, not scored")
    parser.add_argument("--top", type=int, default=10, metavar="K", help="alternatives a token")
    parser.add_argument("--out", type=Path, metavar="FILE", help=".jsonl, .csv, .parquet or .html")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score; write a file, or print a table of tokens."""
    from explorer.core.errors import InvalidParams
    from explorer.services import checks
    from explorer.services.export import check_suffix
    from explorer.services.scoring import score

    if arguments.out is not None:
        check_suffix(arguments.out)
    if not 1 <= arguments.top <= 1000:
        raise InvalidParams(f"--top {arguments.top} is out of range.", "Ask for 1 to 1,000.")
    text = checks.text("The text", read_text(arguments.text, arguments.text_file))
    model = open_model(arguments.model)
    trace = score(model, text, prompt=arguments.prompt, top=arguments.top)
    if arguments.out is None:
        print(token_table(trace))
    elif not saved(arguments.out, (trace,), lambda: _write(trace, arguments.out)):
        print(token_table(trace))
        return 2
    return 0


def _write(trace: Trace, out: Path) -> None:
    from explorer.render.export_html import export_page
    from explorer.services.export import write_file
    from explorer.services.replay import replay

    page = export_page(replay((trace,)).ndjson) if out.suffix.lower() == ".html" else ""
    write_file(out, (trace,), page)
