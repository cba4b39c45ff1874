"""The command line: `python -m explorer COMMAND`.

Exit status: 0 done, 1 a check failed, 2 bad input (with one readable line on stderr).
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from typing import NoReturn

from explorer.cli.processes import follow
from explorer.core.errors import ExplorerError


class _BadUsage(Exception):
    """argparse's complaint, so that it can be printed as one line."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _BadUsage(f"{self.prog}: {message} (see {self.prog} --help)")


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    from explorer.cli import (
        bench,
        convert,
        decoders,
        diverge,
        escape,
        generate,
        lab,
        latent,
        loops,
        models,
        parity,
        reinforce,
        schema,
        score,
        settings,
        sweep,
        ui,
        verify,
    )

    parser = _Parser(
        prog="explorer",
        description="Watch language models choose their words.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--verbose", action="store_true", help="log what happens to stderr")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in (
        ui,
        models,
        settings,
        decoders,
        generate,
        score,
        verify,
        diverge,
        parity,
        convert,
        schema,
        bench,
        latent,
        loops,
        escape,
        lab,
        reinforce,
        sweep,
    ):
        command.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    try:
        arguments = build_parser().parse_args(argv)
    except _BadUsage as error:
        print(error, file=sys.stderr)
        return 2
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("explorer").setLevel(logging.DEBUG if arguments.verbose else logging.INFO)
    try:
        follow(arguments)
        return int(arguments.run(arguments))
    except ExplorerError as error:
        print(f"explorer: {str(error).replace(chr(10), ' ')}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        print("explorer: stopped", file=sys.stderr)
        return 130
