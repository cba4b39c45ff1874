"""`bench`: the promises of speed, as ratios measured on this machine."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from explorer.cli.arguments import add_model, open_model
from explorer.cli.tables import table

if TYPE_CHECKING:
    from explorer.core.handle import ModelHandle


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "bench", help="speed as ratios, measured in turn; exit 1 if a promise is broken"
    )
    add_model(parser)
    parser.add_argument("--tokens", type=int, default=64, metavar="N", help="new tokens a lane")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="at least 5 to quote")
    parser.add_argument(
        "--processors", action="store_true", help="what each logits processor costs, instead"
    )
    parser.add_argument(
        "--repeats", action="store_true", help="what finding all repeated spans costs, instead"
    )
    parser.add_argument(
        "--start", action="store_true", help="how long the page and a first token take, instead"
    )
    parser.add_argument(
        "--visitors",
        type=int,
        metavar="N",
        help="N visitors with four lanes each, at once and one after another, instead",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print the ratios."""
    from tqdm import tqdm

    from explorer.core.errors import InvalidParams
    from explorer.services.bench import EIGHT_LANES, bench

    if arguments.rounds < 1 or arguments.tokens < 2:
        raise InvalidParams("A benchmark needs a round and two tokens.", "Ask for more.")
    if arguments.repeats:
        return _repeats(arguments.rounds, as_json=arguments.json)
    model = open_model(arguments.model, rows=8, tokens=arguments.tokens)
    if arguments.visitors is not None:
        return _visitors(model, arguments)
    if arguments.start:
        return _start(model, as_json=arguments.json)
    if arguments.processors:
        return _processors(model, as_json=arguments.json)
    quiet = not sys.stderr.isatty()
    with tqdm(total=arguments.rounds + 1, desc="rounds", leave=False, disable=quiet) as bar:
        ratios = bench(model, arguments.tokens, arguments.rounds, bar.update)
    if arguments.json:
        told = [asdict(r) | {"holds": r.holds} for r in ratios]
        for entry in told:
            entry["limit"] = entry["limit"] if math.isfinite(entry["limit"]) else None
        print(json.dumps(told, indent=2))
    else:
        info = model.info
        print(f"{info.id}, {info.dtype}, {info.device}, {arguments.rounds} rounds, 8 lanes")
        rows = [
            [
                r.name,
                f"{r.median:.3f}",
                f"{r.lowest:.3f} to {r.highest:.3f}",
                f"{r.limit:.2f}" if math.isfinite(r.limit) else "none",
                "yes" if r.holds else "NO",
                ", ".join(f"{name} {seconds:.2f} s" for name, seconds in r.figures.items()),
            ]
            for r in ratios
        ]
        print(table(["ratio", "median", "range", "promise", "kept", "medians"], rows))
        made = len(EIGHT_LANES) * arguments.tokens
        ours, bare = (made / ratios[0].figures[name] for name in ("explorer", "bare"))
        print(f"eight lanes with traces: {ours:,.0f} tokens a second; bare loop: {bare:,.0f}")
        steps = arguments.tokens / ratios[0].figures["explorer"]
        print(f"that is {steps:,.0f} steps a second, prompt and all")
    return 0 if all(r.holds for r in ratios) else 1


def _processors(model: ModelHandle, *, as_json: bool) -> int:
    """Print what each processor costs; a price over the limit is explained in its docstring."""
    from explorer.services.processor_costs import HISTORY, LIMIT_MS, ROWS, VOCAB, processor_costs

    costs = list(processor_costs(model.tokenizer))
    if as_json:
        print(json.dumps([asdict(cost) | {"within": cost.within} for cost in costs], indent=2))
        return 0
    print(f"{ROWS} rows of {VOCAB:,}, {HISTORY} tokens of history, one thread, medians")
    rows = [
        [c.name, f"{c.milliseconds:.2f} ms", "" if c.within else f"over {LIMIT_MS:g} ms"]
        for c in costs
    ]
    print(table(["processor", "time", ""], rows))
    return 0


def _visitors(model: ModelHandle, arguments: argparse.Namespace) -> int:
    """Print how visitors at once fare beside visitors one after another; 1 if a promise broke."""
    from explorer.services.visitors import FIRST_LIMIT, THROUGHPUT, crowd, services_with

    found = crowd(services_with(model), arguments.visitors, arguments.tokens)
    firsts = sorted(visit.first_s for visit in found.together)
    if arguments.json:
        figures = {"throughput": found.throughput, "slowest_first": found.slowest_first}
        print(json.dumps(asdict(found) | figures | {"holds": found.holds}, indent=2))
        return 0 if found.holds else 1
    rows = [
        ["throughput over one at a time", f"{found.throughput:.2f}", f"at least {THROUGHPUT:g}"],
        ["slowest first token over median", f"{found.slowest_first:.2f}", f"under {FIRST_LIMIT:g}"],
        ["visits that failed", str(found.failed), "0"],
    ]
    print(f"{model.info.id}, {arguments.visitors} visitors, 4 lanes of {arguments.tokens} tokens")
    print(table(["", "found", "promise"], rows))
    print(
        f"together {found.together_s:.2f} s, one after another {found.alone_s:.2f} s; first tokens "
        f"after {firsts[0]:.2f} to {firsts[-1]:.2f} s"
    )
    return 0 if found.holds else 1


def _start(model: ModelHandle, *, as_json: bool) -> int:
    """Print how long a start takes on this machine, as it is busy now."""
    from explorer.services.start_times import start_times

    times = start_times(model)
    if as_json:
        print(json.dumps(asdict(times), indent=2))
        return 0
    rows = [
        ["from the command to an answer in the browser", f"{times.answer_s:.2f} s"],
        ["from the command to the whole page", f"{times.page_s:.2f} s"],
        [f"from Run to the first token, {model.info.id} in memory", f"{times.token_s:.2f} s"],
    ]
    print(table(["start", "time"], rows))
    return 0


def _repeats(rounds: int, *, as_json: bool) -> int:
    """Print what the suffix automaton costs beside a scan of all pairs of places."""
    from explorer.services.repeat_costs import repeat_costs

    costs = repeat_costs(rounds=rounds)
    if as_json:
        print(json.dumps(asdict(costs) | {"ratio": costs.ratio}, indent=2))
        return 0
    rows = [
        ["suffix automaton", f"{costs.tokens:,}", f"{costs.automaton:.4f} s"],
        ["scan of all pairs", f"{costs.tokens:,}", f"{costs.scan:.4f} s"],
        ["suffix automaton", f"{costs.long_tokens:,}", f"{costs.long:.4f} s"],
    ]
    print(table(["all repeated spans", "tokens", "median"], rows))
    said = "the same" if costs.agree else "NOT THE SAME"
    print(f"the scan takes {costs.ratio:.0f} times as long; both found {said}")
    return 0
