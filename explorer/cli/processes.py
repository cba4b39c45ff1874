"""Commands under torchrun: every process computes, the first one speaks."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from explorer.core.errors import InvalidParams
from explorer.core.spread import is_first, processes

TOGETHER = ("generate", "score", "verify", "diverge", "bench")
"""Commands that do the same in every process, whatever the clock and the user do meanwhile."""


def follow(arguments: argparse.Namespace) -> None:
    """Make every process but the first silent; it computes its part, and writes nothing.

    Raises:
        InvalidParams: for a command that cannot be run by several processes.
    """
    if processes() == 1:
        return
    if arguments.command not in TOGETHER:
        raise InvalidParams(
            f"'{arguments.command}' runs in one process.",
            f"Start it without torchrun; {', '.join(TOGETHER)} can be run by several.",
        )
    if getattr(arguments, "deadline", None) is not None:
        raise InvalidParams("--deadline has no common clock over processes.", "Leave it out.")
    if not is_first():
        logging.disable()
        nowhere = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # until the end
        sys.stdout = sys.stderr = nowhere
        if getattr(arguments, "out", None) is not None:
            arguments.out = None
