"""`loops`: how often decoding methods loop, and from which token on."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli.arguments import add_model, open_model, read_text
from explorer.cli.tables import table

if TYPE_CHECKING:
    from explorer.core.intervals import Figure
    from explorer.services.loops.prompts import LoopPrompt
    from explorer.services.loops.rates import Rate


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "loops", help="share of runs that loop, by decoder; goes on where it was broken off"
    )
    add_model(parser)
    parser.add_argument(
        "--decoder",
        nargs="+",
        action="extend",
        default=[],
        metavar="SPEC",
        help="decoders (default: nine, from greedy to DRY)",
    )
    parser.add_argument(
        "--prompts",
        type=Path,
        metavar="FILE",
        help='one a line, plain or {"text": "…"} (default: the 42 that come with the project)',
    )
    parser.add_argument("--first", type=int, metavar="N", help="only the first N prompts")
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="runs a prompt")
    parser.add_argument("--max-new-tokens", type=int, default=200, metavar="N")
    parser.add_argument("--again", action="store_true", help="keep nothing and use nothing kept")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print one row a decoder."""
    from tqdm import tqdm

    from explorer.render.palette import format_count
    from explorer.services.loops import rates as loop_rates
    from explorer.services.settings import read_settings

    plan = loop_rates.Plan(
        tuple(arguments.decoder) or loop_rates.DECODERS, arguments.seeds, arguments.max_new_tokens
    )
    prompts = _prompts(arguments)
    kept = None if arguments.again else read_settings().cache / "loops"
    model = open_model(arguments.model, rows=8, tokens=plan.max_new_tokens)
    quiet = not sys.stderr.isatty()
    with tqdm(total=len(prompts), desc="prompts", leave=False, disable=quiet) as bar:
        outcomes = loop_rates.measure(model, prompts, plan, kept=kept, progress=bar.update)
    rows = loop_rates.rates(outcomes)
    if arguments.json:
        data = {
            "model": model.info.id,
            "prompts": len(prompts),
            "seeds": plan.seeds,
            "max_new_tokens": plan.max_new_tokens,
            "rates": [row.as_data() for row in rows],
        }
        print(json.dumps(data, indent=1))
        return 0
    asked = f"{format_count(len(prompts), 'prompt')}, {plan.max_new_tokens} new tokens"
    seeds = f"{format_count(plan.seeds, 'seed')} for decoders that draw"
    print(f"{model.info.id}, {asked}, {seeds}; 95 % intervals by Wilson\n")
    print(_shown(rows))
    return 0


def _prompts(arguments: argparse.Namespace) -> tuple[LoopPrompt, ...]:
    from explorer.services import checks
    from explorer.services.loops.prompts import bundled_prompts, parse_prompts

    prompts, path = bundled_prompts(), arguments.prompts
    if path is not None:
        prompts = parse_prompts(read_text(None, path), str(path))
    if arguments.first is None:
        return prompts
    return prompts[: checks.whole("--first", arguments.first, 1)]


def _shown(rows: tuple[Rate, ...]) -> str:
    header = ["decoder", "n", "loops (%)", "near-loops only (%)", "onset quartiles (token)"]
    header += ["rep-4", "diversity", "tokens"]
    cells = []
    for row in rows:
        quartiles = row.quartiles
        cells.append(
            [
                row.decoder,
                str(row.loops.n),
                _share(row.loops),
                _share(row.near),
                "-" if quartiles is None else " / ".join(f"{q:.0f}" for q in quartiles),
                "-" if row.rep_4 is None else f"{row.rep_4:.3f}",
                "-" if row.diversity is None else f"{row.diversity:.3f}",
                f"{row.tokens:.0f}",
            ]
        )
    return table(header, cells)


def _share(figure: Figure) -> str:
    """A share in per cent with its interval.

    >>> from explorer.core.intervals import wilson
    >>> _share(wilson(8, 10))
    '80 (49 to 94)'
    """
    return f"{100 * figure.value:.0f} ({100 * figure.low:.0f} to {100 * figure.high:.0f})"
