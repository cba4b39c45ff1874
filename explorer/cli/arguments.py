"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.core.errors import InvalidParams, ModelUnavailable
from explorer.services.settings import read_settings

if TYPE_CHECKING:
    from explorer.core.handle import ModelHandle

MAX_FILE_BYTES = 16 * 1024 * 1024


def add_model(parser: argparse.ArgumentParser) -> None:
    """`--model`."""
    parser.add_argument(
        "--model",
        default=None,
        metavar="M",
        help="tiny, smollm2-135m, a Hub id, a folder with safetensors, or a .gguf file (default: "
        "EXPLORER_MODEL or smollm2-135m, and tiny where that can be had from nowhere)",
    )


def add_text(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    """`--prompt` and `--prompt-file`, or the like."""
    group = parser.add_mutually_exclusive_group(required=True)
    group.add_argument(f"--{name}", metavar="TEXT", help=what)
    group.add_argument(f"--{name}-file", metavar="F", type=Path, help=f"{what}, from a UTF-8 file")


def read_text(given: str | None, file: Path | None) -> str:
    """The text that was given, or the file's.

    Raises:
        InvalidParams: for a file that is missing, too large or not UTF-8.
    """
    if file is None:
        return given or ""
    try:
        if file.stat().st_size > MAX_FILE_BYTES:
            raise InvalidParams(f"'{file}' is larger than {MAX_FILE_BYTES:,} bytes.", "Cut it.")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidParams(f"'{file}' cannot be read: {error.strerror}.", "Check it.") from None
    except UnicodeDecodeError:
        raise InvalidParams(f"'{file}' is not UTF-8 text.", "Save it as UTF-8.") from None


def open_model(name: str | None, *, rows: int = 1, tokens: int = 512) -> ModelHandle:
    """Load a model with a progress bar; where none is named, the shipped one may stand in.

    Raises:
        ModelUnavailable: with the reason and what to do.
    """
    from explorer.cli.progress import LoadBar
    from explorer.services.loading import load_model
    from explorer.services.stand_in import stand_in

    settings = read_settings()
    try:
        with LoadBar() as bar:
            return load_model(name or settings.model, progress=bar, rows=rows, tokens=tokens)
    except ModelUnavailable as error:
        other = None if name else stand_in(settings.model, settings)
        if other is None:
            raise
        print(f"explorer: {error.message} '{other}' stands in.", file=sys.stderr)
    with LoadBar() as bar:
        return load_model(other, progress=bar, rows=rows, tokens=tokens)
