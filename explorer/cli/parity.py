"""`parity`: one model in several types or on several devices, along the same text."""

from __future__ import annotations

import argparse
import json

from explorer.cli.arguments import add_model, add_text, read_text
from explorer.cli.tables import table


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "parity", help="does a model say the same in another type or on another device?"
    )
    add_model(parser)
    add_text(parser, "text", "the text to compare on")
    parser.add_argument(
        "--as",
        dest="holdings",
        nargs="+",
        default=["float32", "bfloat16"],
        metavar="TYPE[@DEVICE]",
        help="such as float32@cpu bfloat16@cuda; the first is what the others are compared with",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare; exit status 1 where greedy decoding would say another token."""
    from explorer.cli.progress import LoadBar
    from explorer.core.errors import InvalidParams
    from explorer.services import checks
    from explorer.services.parity import load_as, parity
    from explorer.services.prompts import make_prompt
    from explorer.services.settings import read_settings

    if len(arguments.holdings) < 2:
        raise InvalidParams("--as needs two types or more.", "Write: --as float32 bfloat16.")
    text = checks.text("The text", read_text(arguments.text, arguments.text_file))
    name = arguments.model or read_settings().model
    models = []
    for holding in arguments.holdings:
        dtype, _, device = holding.partition("@")
        with LoadBar() as bar:
            models.append(load_as(name, dtype, device or None, progress=bar))
    first = models[0]
    prompt = make_prompt(first, "", chat=False)
    ids = first.tokenizer.encode_continuation(text)
    found = [parity(first, other, prompt.ids, ids) for other in models[1:]]
    if arguments.json:
        print(json.dumps([p.as_data() for p in found], indent=1))
    else:
        header = ["against " + found[0].first, "light", "max |dlogp| of the text (nats)"]
        header += ["of any likely token", "mean KL (nats)", "argmax flipped", "first at"]
        rows = [
            [
                p.second,
                p.light,
                f"{p.largest:.2e}",
                f"{p.largest_any:.2e}",
                f"{p.mean_kl:.2e}",
                f"{p.flipped} of {p.tokens}",
                "-" if p.first_flipped is None else str(p.first_flipped),
            ]
            for p in found
        ]
        print(table(header, rows))
    return 1 if any(p.light == "red" for p in found) else 0
