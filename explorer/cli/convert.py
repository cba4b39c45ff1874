"""`convert`: a trace file as a page or a table, without a model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser("convert", help="a trace file as a page or a table")
    parser.add_argument("file", type=Path, metavar="FILE", help="a .jsonl file of traces")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help=".html (a page that opens offline; one more for each further run), .csv or .parquet",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Read, and write as a stream; a page holds the lanes of one run."""
    from explorer.core.errors import InvalidParams
    from explorer.core.trace_io import read_traces
    from explorer.services.export import check_suffix, write_file

    out: Path = arguments.out
    check_suffix(out)
    try:
        if out.suffix.lower() == ".html":
            return _pages(arguments.file, out)
        write_file(out, read_traces(arguments.file), "")
    except OSError as error:
        raise InvalidParams(f"'{out}' cannot be written: {error.strerror or error}.") from None
    print(f"wrote {out}", file=sys.stderr)
    return 0


def _pages(source: Path, out: Path) -> int:
    from explorer.core.errors import InvalidParams
    from explorer.core.trace_io import read_traces
    from explorer.render.export_html import export_page
    from explorer.services.export import write_file
    from explorer.services.replay import replays

    count = 0
    for count, shown in enumerate(replays(read_traces(source)), start=1):
        path = out if count == 1 else out.with_stem(f"{out.stem}-{count}")
        write_file(path, shown.traces, export_page(shown.ndjson))
        print(f"wrote {path}", file=sys.stderr)
    if not count:
        raise InvalidParams(f"'{source}' holds no trace.", "There is nothing to show.")
    return 0
