"""`generate`: several decoding methods side by side, in the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli.arguments import add_model, add_text, open_model, read_text
from explorer.cli.saving import saved
from explorer.cli.tables import metric_table

if TYPE_CHECKING:
    from explorer.core.types import Trace
    from explorer.services.generation import Run


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser("generate", help="continue a prompt under several methods at once")
    add_model(parser)
    add_text(parser, "prompt", "the prompt; empty means BOS")
    parser.add_argument(
        "--decoder",
        nargs="+",
        action="extend",
        required=True,
        metavar="SPEC",
        help="such as greedy, nucleus:p=0.95, temperature:temperature=0.8+min_p:p=0.05",
    )
    parser.add_argument("--max-new-tokens", type=int, default=128, metavar="N")
    parser.add_argument("--seed", type=int, default=0, help="-1 draws one")
    parser.add_argument("--top", type=int, default=10, metavar="K", help="alternatives a token")
    parser.add_argument("--chat", action="store_true", help="use the model's chat template")
    parser.add_argument("--coupled", action="store_true", help="the same noise in every lane")
    parser.add_argument("--stop-on-loop", action="store_true", help="end a lane once it loops")
    parser.add_argument("--loop-period", type=int, default=128, metavar="N", help="longest unit")
    parser.add_argument("--loop-copies", type=float, default=3, metavar="X", help="fewest copies")
    parser.add_argument("--loop-tokens", type=int, default=48, metavar="N", help="fewest tokens")
    parser.add_argument("--stop", action="append", default=[], metavar="TEXT", help="a stop string")
    parser.add_argument("--deadline", type=float, metavar="S", help="end after so many seconds")
    parser.add_argument("--out", type=Path, metavar="FILE", help=".jsonl, .csv, .parquet or .html")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the lanes; write a file, or print texts and a table of metrics."""
    from explorer.core.errors import InvalidParams
    from explorer.core.loops import LoopThresholds
    from explorer.services import checks
    from explorer.services.export import check_suffix
    from explorer.services.generation import Run, RunOptions, read_specs

    # All of it before the model is loaded: a typing error answers at once.
    rows = sum(chain.build().width for chain in read_specs(arguments.decoder))
    if arguments.out is not None:
        check_suffix(arguments.out)
    if not 1 <= arguments.top <= 1000:
        raise InvalidParams(f"--top {arguments.top} is out of range.", "Ask for 1 to 1,000.")
    text = checks.text("The prompt", read_text(arguments.prompt, arguments.prompt_file))
    try:
        loop = LoopThresholds(arguments.loop_period, arguments.loop_copies, arguments.loop_tokens)
    except ValueError as error:
        raise InvalidParams(str(error)) from None
    options = RunOptions(
        max_new_tokens=arguments.max_new_tokens,
        seed=arguments.seed,
        coupled=arguments.coupled,
        top=arguments.top,
        stop_on_loop=arguments.stop_on_loop,
        loop=loop,
        stop_strings=tuple(arguments.stop),
        deadline_s=arguments.deadline,
        chat=arguments.chat,
    )
    model = open_model(arguments.model, rows=rows, tokens=options.max_new_tokens)
    job = Run(model, text, arguments.decoder, options)
    status = _decode(job)
    traces = job.traces()
    if arguments.out is None:
        _show(traces)
    elif not saved(arguments.out, traces, lambda: _write(job, traces, arguments.out)):
        _show(traces)
        return status or 2
    return status


def _decode(job: Run) -> int:
    """Run to the end and return the exit status; what was made is kept whatever happens."""
    from explorer.cli.progress import token_bar
    from explorer.core.errors import ExplorerError

    try:
        with token_bar(job.options.max_new_tokens) as bar:
            for _ in job.columns():
                bar.update()
    except KeyboardInterrupt:
        print("explorer: stopped; keeping what was made", file=sys.stderr)
        return 130
    except ExplorerError as error:
        print(f"explorer: {error} What was made is kept.", file=sys.stderr)
        return 2
    return 0


def _write(job: Run, traces: tuple[Trace, ...], out: Path) -> None:
    from explorer.render.export_html import export_page
    from explorer.services.export import write_file
    from explorer.services.wire_run import WireRun

    page = ""
    if out.suffix.lower() == ".html":
        wire = WireRun(job)
        elapsed = max(record.elapsed_s for record in job.recorder.lanes)
        page = export_page(wire.header() + wire.last(elapsed))
    write_file(out, traces, page)


def _show(traces: Sequence[Trace]) -> None:
    for trace in traces:
        print(f"--- {trace.decoder}")
        print(trace.text)
    print()
    print(metric_table(traces))
