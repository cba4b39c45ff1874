"""`ui`: the page, as `app.py` starts it."""

from __future__ import annotations

import argparse


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = commands.add_parser("ui", help="start the page in a browser")
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (default 7860)")
    parser.add_argument("--model", help="the model to open with")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from explorer.services.settings import read_settings
    from explorer.ui.serve import serve

    serve(read_settings(host=arguments.host, port=arguments.port, model=arguments.model))
    return 0
