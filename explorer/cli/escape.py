"""`escape`: one loop handed to many decoding methods, and who leaves it at what cost."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli.arguments import add_model, open_model, read_text
from explorer.cli.tables import table

if TYPE_CHECKING:
    from explorer.core.handle import ModelHandle
    from explorer.core.types import Trace
    from explorer.services.loops.escape import Board
    from explorer.services.loops.escape_report import Report, Row

PROMPT_TOKENS = 256
"""Greedy tokens that are tried until a loop is there."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "escape", help="hand one loop to many decoders: who leaves it, when, at what cost"
    )
    add_model(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--prompt", metavar="TEXT", help="greedy goes on from it until it loops")
    where.add_argument("--trace", type=Path, metavar="FILE", help="a .jsonl file with a loop")
    parser.add_argument("--lane", type=int, default=0, metavar="N", help="of the file, from 0")
    parser.add_argument(
        "--at",
        type=int,
        metavar="N",
        help="tokens of the lane before the point (default: the end of the loop's third copy, or"
        " of the first after which greedy stays)",
    )
    parser.add_argument(
        "--decoder",
        nargs="+",
        action="extend",
        default=[],
        metavar="SPEC",
        help="methods, such as nucleus:p=0.5|0.9|0.95 for three strengths (default: the catalogue)",
    )
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="draws of every method that draws"
    )
    parser.add_argument("--max-new-tokens", type=int, default=128, metavar="N")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write all lanes as .jsonl")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the board and print one row a lane."""
    from explorer.core.errors import InvalidParams
    from explorer.services.loops.escape import Board, Plan
    from explorer.services.loops.escape_place import find_place

    plan = Plan(tuple(arguments.decoder), arguments.seeds, arguments.max_new_tokens)
    plan.ways()  # a typing error answers before the model is loaded
    if arguments.out is not None and arguments.out.suffix.lower() != ".jsonl":
        raise InvalidParams(f"'{arguments.out}' does not end in .jsonl.", "Name it so.")
    trace = None if arguments.trace is None else _read(arguments.trace, arguments.lane)
    if trace is not None:
        find_place(trace, arguments.at)
    name = arguments.model or (None if trace is None else trace.model.id)
    model = open_model(name, rows=64, tokens=plan.max_new_tokens)
    trace = trace or _loop(model, arguments.prompt)
    board = Board(model, trace, find_place(trace, arguments.at), plan)
    _go(board)
    report = board.report()
    written = _save(arguments.out, report)
    if arguments.json:
        head = {"model": model.info.id, "prompt": trace.prompt.text, "seed": trace.seed}
        print(json.dumps(head | report.as_data(), indent=1))
    else:
        print(_head(board, report))
        print(_shown(report))
        print(_shares(report), end="")
    for failure in report.failures:
        print(f"explorer: {failure}", file=sys.stderr)
    return 0 if written else 2


def _read(path: Path, lane: int) -> Trace:
    from explorer.core.errors import InvalidParams
    from explorer.core.trace_io import read_traces
    from explorer.services import checks

    checks.whole("--lane", lane, 0)
    number = -1
    for number, trace in enumerate(read_traces(path)):
        if number == lane:
            return trace
    raise InvalidParams(f"'{path}' has no lane {lane}.", f"It has {number + 1}, counted from 0.")


def _loop(model: ModelHandle, prompt: str) -> Trace:
    """What greedy makes of the prompt.

    Raises:
        InvalidParams: where it does not loop.
    """
    from explorer.core.errors import InvalidParams
    from explorer.services.generation import generate

    (trace,) = generate(model, read_text(prompt, None), ["greedy"], PROMPT_TOKENS)
    if not trace.loops:
        raise InvalidParams(
            f"Greedy does not loop within {PROMPT_TOKENS} tokens of this prompt.",
            "Take another prompt, or give a trace that loops.",
        )
    return trace


def _go(board: Board) -> None:
    """Run it under a bar; Ctrl-C keeps what there is."""
    from explorer.cli.progress import token_bar

    tokens = board.plan.max_new_tokens * len(board.runs)
    try:
        with token_bar(tokens) as bar:
            board.run(lambda run, token: bar.update())
    except KeyboardInterrupt:
        board.cancel.set()
        print("explorer: stopped; keeping what was made", file=sys.stderr)


def _save(out: Path | None, report: Report) -> bool:
    from explorer.cli.saving import saved
    from explorer.services.export import write_file

    if out is None:
        return True
    return saved(out, report.traces, lambda: write_file(out, report.traces, ""))


def _head(board: Board, report: Report) -> str:
    from explorer.render.palette import format_count

    loop = board.place.loop
    unit = "".join(report.unit)
    lanes = format_count(len(report.rows), "lane")
    return (
        f"{board.model.info.id}: {lanes} go on after {report.at:,} tokens, where"
        f" {board.place.done / loop.period:.1f} copies of {loop.period} tokens stand:\n  {unit!r}\n"
    )


def _shown(report: Report) -> str:
    header = ["decoder", "verdict", "tokens in the loop", "paid (bits)", "exit surprisal (bits)"]
    header += ["perplexity", "coherence (bits/token)", "rep-2", "rep-3", "rep-4", "diversity"]
    header += ["tokens", "near-loops"]
    return table(header, [_cells(row) for row in report.rows])


def _cells(row: Row) -> list[str]:
    from explorer.core.units import to_bits

    def bits(nats: float | None) -> str:
        return "-" if nats is None else f"{to_bits(nats):.2f}"

    figures = row.figures
    shares = (figures.rep_2, figures.rep_3, figures.rep_4, figures.diversity)
    return [
        row.label if row.draw == 1 else f"{row.label} #{row.draw}",
        str(row.left.verdict),
        "-" if row.left.exit is None else str(row.left.exit),
        bits(figures.paid),
        bits(figures.exit_surprisal),
        "-" if figures.perplexity is None else f"{figures.perplexity:.2f}",
        bits(figures.coherence),
        *("-" if share is None else f"{share:.3f}" for share in shares),
        str(row.tokens),
        ", ".join(figures.near) or "-",
    ]


def _shares(report: Report) -> str:
    """Shares of methods with several draws; "" where none has."""
    labels = {row.decoder: row.label for row in report.rows}
    several = [share for share in report.shares if share.left.n > 1]
    if not several:
        return ""
    rows = [
        [
            labels[share.decoder],
            str(share.left.n),
            *(
                f"{100 * x.value:.0f} ({100 * x.low:.0f} to {100 * x.high:.0f})"
                for x in (share.left, share.escaped)
            ),
        ]
        for share in several
    ]
    head = ["decoder", "n", "left the loop (%)", "escaped (%)"]
    return f"\n95 % intervals by Wilson\n{table(head, rows)}\n"
