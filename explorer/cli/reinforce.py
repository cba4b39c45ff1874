"""`reinforce`: a sentence repeated and read, and how much likelier each copy makes the next."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli.arguments import add_model, open_model, read_text
from explorer.cli.tables import table

if TYPE_CHECKING:
    from explorer.core.handle import ModelHandle
    from explorer.core.intervals import Figure
    from explorer.services.loops.self_reinforcement import Repetition


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "reinforce", help="how a repeated sentence feeds itself: TP, IP and WR by repetition"
    )
    add_model(parser)
    parser.add_argument(
        "--sentence", action="append", default=[], metavar="TEXT", help="a sentence; several count"
    )
    parser.add_argument(
        "--sentences", type=Path, metavar="FILE", help="one a line (default: the 32 of the project)"
    )
    parser.add_argument(
        "--random", type=int, metavar="N", help="beside them N sentences of random tokens"
    )
    parser.add_argument(
        "--length", type=int, default=12, metavar="N", help="tokens of a random one"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random tokens")
    parser.add_argument(
        "--repetitions", type=int, default=20, metavar="N", help="copies after the first"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and print one row a repetition, natural sentences and random ones apart."""
    from tqdm import tqdm

    from explorer.services.loops.self_reinforcement import (
        bundled_sentences,
        curve,
        random_units,
        self_reinforcement,
    )

    sentences = list(arguments.sentence)
    if arguments.sentences is not None:
        lines = read_text(None, arguments.sentences).splitlines()
        sentences += [line.strip() for line in lines if line.strip()]
    elif not sentences:
        sentences = list(bundled_sentences())
    model = open_model(arguments.model, rows=8)
    wanted: list[tuple[str, Sequence[str | Sequence[int]]]] = [("sentences", sentences)]
    if arguments.random is not None:
        drawn = random_units(model.tokenizer, arguments.random, arguments.length, arguments.seed)
        wanted.append(("random tokens", drawn))
    series = {}
    for name, rows in wanted:
        with tqdm(total=len(rows), desc=name, leave=False, disable=not sys.stderr.isatty()) as bar:
            units = self_reinforcement(
                model, rows, repetitions=arguments.repetitions, progress=bar.update
            )
        series[name] = (len(rows), curve(units))
    if arguments.json:
        print(json.dumps(_data(model, series), indent=1))
    else:
        print(_shown(model, series))
    return 0


def _data(
    model: ModelHandle, series: dict[str, tuple[int, tuple[Repetition, ...]]]
) -> dict[str, object]:
    return {
        "model": model.info.id,
        "series": [
            {"name": name, "sentences": count, "repetitions": [row.as_data() for row in rows]}
            for name, (count, rows) in series.items()
        ],
    }


def _shown(model: ModelHandle, series: dict[str, tuple[int, tuple[Repetition, ...]]]) -> str:
    parts = [f"{model.info.id}; 95 % jackknife intervals over sentences\n"]
    for name, (count, rows) in series.items():
        cells = [
            [
                str(row.number),
                _figure(row.tp),
                _figure(row.ip) if row.number else "-",
                _figure(row.wr),
            ]
            for row in rows
        ]
        parts.append(f"{name}: {count}, {rows[0].tp.n} tokens")
        parts.append(table(["repetition", "TP", "IP", "WR"], cells) + "\n")
    return "\n".join(parts).rstrip()


def _figure(figure: Figure) -> str:
    """A mean with its interval; what is small keeps its digits.

    >>> from explorer.core.intervals import Figure
    >>> _figure(Figure(0.5, 0.25, 0.75, 4)), _figure(Figure(3e-5, 0.0, 6e-5, 4))
    ('0.500 (0.250 to 0.750)', '3.0e-05 (0 to 6.0e-05)')
    """
    return f"{_number(figure.value)} ({_number(figure.low)} to {_number(figure.high)})"


def _number(value: float) -> str:
    if value == 0:
        return "0"
    return f"{value:.3f}" if value >= 0.0005 else f"{value:.1e}"
