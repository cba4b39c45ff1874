"""`score`: what the model thought of a given text, token by token."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from explorer.cli.arguments import add_model, add_text, open_model, read_text
from explorer.cli.saving import saved
from explorer.cli.tables import token_table

if TYPE_CHECKING:
    from explorer.core.forcing import Windows
    from explorer.core.handle import ModelHandle
    from explorer.core.types import Trace


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser("score", help="teacher-forced trace of given text")
    add_model(parser)
    add_text(parser, "text", "the text to score")
    parser.add_argument("--prompt", default="", help="what stands before it, not scored")
    parser.add_argument("--top", type=int, default=10, metavar="K", help="alternatives a token")
    parser.add_argument(
        "--window", type=int, metavar="N", help="read a long text by windows of N tokens"
    )
    parser.add_argument(
        "--stride", type=int, metavar="N", help="tokens a window adds (default: half of it)"
    )
    parser.add_argument(
        "--profile", action="store_true", help="ranks, shares, entropies, and the zero-shot figure"
    )
    parser.add_argument(
        "--could",
        nargs="+",
        action="extend",
        default=[],
        metavar="SPEC",
        help="could these decoders have written it? the first token each rules out",
    )
    parser.add_argument(
        "--probe",
        action="append",
        default=[],
        metavar="TOKEN",
        help="what probability a token, such as ' cat', had at every place",
    )
    parser.add_argument("--json", action="store_true", help="print what was asked for as JSON")
    parser.add_argument("--out", type=Path, metavar="FILE", help=".jsonl, .csv, .parquet or .html")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score; write a file, or print a table of tokens, or what was asked of them."""
    from explorer.core.errors import InvalidParams
    from explorer.services import checks
    from explorer.services.export import check_suffix
    from explorer.services.generation import read_specs
    from explorer.services.scoring import score

    if arguments.out is not None:
        check_suffix(arguments.out)
    if arguments.could:
        read_specs(arguments.could)
    windows = _windows(arguments)
    if not 1 <= arguments.top <= 1000:
        raise InvalidParams(f"--top {arguments.top} is out of range.", "Ask for 1 to 1,000.")
    text = checks.text("The text", read_text(arguments.text, arguments.text_file))
    model = open_model(arguments.model)
    trace = score(model, text, prompt=arguments.prompt, top=arguments.top, windows=windows)
    asked = _asked(arguments, model, trace)
    if asked and arguments.json:
        print(json.dumps({name: data for name, _, data in asked}, ensure_ascii=False, indent=1))
    elif asked:
        print("\n\n".join(shown for _, shown, _ in asked))
    if arguments.out is None:
        if not asked:
            print(token_table(trace))
    elif not saved(arguments.out, (trace,), lambda: _write(trace, arguments.out)):
        print(token_table(trace))
        return 2
    return 0


def _windows(arguments: argparse.Namespace) -> Windows | None:
    from explorer.core.errors import InvalidParams
    from explorer.core.forcing import Windows

    if arguments.window is None:
        if arguments.stride is not None:
            raise InvalidParams("--stride needs --window.", "Give both, or neither.")
        return None
    stride = arguments.stride
    return Windows(arguments.window, arguments.window // 2 if stride is None else stride)


def _asked(
    arguments: argparse.Namespace, model: ModelHandle, trace: Trace
) -> list[tuple[str, str, object]]:
    """(name, text, data) of everything that was asked beside the table."""
    from explorer.cli.readings import could_table, probe_table, profile_table
    from explorer.services.could import could_have
    from explorer.services.generation import second_models
    from explorer.services.probe import probe
    from explorer.services.text_profile import text_profile

    found: list[tuple[str, str, object]] = []
    if arguments.profile:
        profile = text_profile(trace)
        found.append(("profile", profile_table(profile), profile))
    if arguments.could:
        seconds = {name: open_model(name) for name in second_models(arguments.could)}
        verdicts = could_have(model, trace, arguments.could, seconds)
        found.append(("could", could_table(verdicts, trace), verdicts.as_data()))
    probes = [probe(model, trace, text) for text in arguments.probe]
    if probes:
        shown = probe_table(probes, trace)
        found.append(("probes", shown, [p.as_data() for p in probes]))
    return found


def _write(trace: Trace, out: Path) -> None:
    from explorer.render.export_html import export_page
    from explorer.services.export import write_file
    from explorer.services.replay import replay

    page = export_page(replay((trace,)).ndjson) if out.suffix.lower() == ".html" else ""
    write_file(out, (trace,), page)
