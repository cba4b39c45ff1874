"""`diverge`: where the lanes of a trace file part, and how far their laws are apart there."""

from __future__ import annotations

import argparse
import itertools
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli.arguments import open_model
from explorer.cli.tables import table

if TYPE_CHECKING:
    from explorer.services.divergence import Parting


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser("diverge", help="where the lanes of a trace file part")
    parser.add_argument("file", type=Path, metavar="FILE", help="a .jsonl file of one run")
    parser.add_argument(
        "--model", metavar="M", help="the model that made them, for exact figures, not bounds"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare every two lanes of one prompt."""
    from explorer.core.errors import InvalidParams
    from explorer.core.trace_io import read_traces
    from explorer.services.divergence import parting

    traces = list(itertools.islice(read_traces(arguments.file), 65))
    if not 2 <= len(traces) <= 64:
        raise InvalidParams("Two to 64 traces can be compared.", "Split the file.")
    model = None if arguments.model is None else open_model(arguments.model)
    data, rows = [], []
    for (i, a), (j, b) in itertools.combinations(enumerate(traces), 2):
        if a.prompt.ids != b.prompt.ids:
            continue
        found = parting(a, b, model)
        pieces = {**a.pieces, **b.pieces}
        data.append({"traces": [i, j], "parting": found and found.as_data(pieces)})
        names = f"{i} {a.decoder} | {j} {b.decoder}"
        rows.append([names, *_cells(found, pieces)])
    if arguments.json:
        print(json.dumps(data, ensure_ascii=False, indent=1))
    else:
        header = ["lanes", "at token", "first says", "second says", "KL (bits)", "JS (bits)"]
        print(table(header, rows))
    return 0


def _cells(found: Parting | None, pieces: dict[int, str]) -> list[str]:
    from explorer.core.units import to_bits

    def bits(span: tuple[float, float]) -> str:
        low, high = (to_bits(x) if math.isfinite(x) else math.inf for x in span)
        return f"{low:.3f}" if f"{low:.3f}" == f"{high:.3f}" else f"{low:.3f} to {high:.3f}"

    if found is None:
        return ["never", "-", "-", "-", "-"]
    says = [
        "(ends)" if side.token_id is None else repr(pieces.get(side.token_id, ""))
        for side in (found.first, found.second)
    ]
    return [str(found.index), *says, bits(found.kl), bits(found.js)]
