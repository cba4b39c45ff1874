"""From settings to a running page."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from explorer.core.errors import ExplorerError
from explorer.services.settings import Settings
from explorer.services.space import import_spaces
from explorer.ui.front_door import FrontDoor
from explorer.ui.quick_gradio import import_gradio

if TYPE_CHECKING:
    import gradio as gr

    from explorer.services.compare import Services

log = logging.getLogger("explorer")

MCP_HINT = 'Install them with pip install "gradio[mcp]", or unset it.'


def serve(settings: Settings) -> None:
    """Start the page and keep it up; the model loads meanwhile.

    Raises:
        SystemExit: with status 2 and one line, if the address cannot be had, or a package that a
            setting needs is missing.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
    log.setLevel(logging.INFO)
    # Read when gradio is imported: without them it asks its maker's servers for news.
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    # A Space switches it on by itself, whatever `launch` is told.
    os.environ.setdefault("GRADIO_SSR_MODE", "False")
    if settings.mcp and importlib.util.find_spec("mcp") is None:
        _end(ExplorerError("EXPLORER_MCP is on, but its packages are missing.", MCP_HINT))
    try:
        door = FrontDoor(settings.host, settings.port)
    except OSError as error:
        _refuse(settings, error)
    with _uncollected():
        app, services = _launch(settings, door)
    services.start_loading(settings.model)  # after the page is up: it shows how far this is
    log.info("The page is at http://%s:%s (Ctrl+C stops it)", settings.host, settings.port)
    app.block_thread()


@contextmanager
def _uncollected() -> Iterator[None]:
    """Nothing of what is imported and built meanwhile dies: looking for it is a fifth of the time.

    Nor is it looked at later, which makes every collection of the process shorter.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _launch(settings: Settings, door: FrontDoor) -> tuple[gr.Blocks, Services]:
    """Import, build and launch the page, which takes the door's place."""
    import_gradio()
    spaces = import_spaces()  # before anything touches CUDA
    from explorer.services.compare import Services  # noqa: PLC0415  # after the variables above
    from explorer.services.model_pool import ModelPool  # noqa: PLC0415
    from explorer.services.sessions import clear_leftovers  # noqa: PLC0415
    from explorer.ui.app import build_app, launch_options  # noqa: PLC0415
    from explorer.ui.endpoints import Endpoints  # noqa: PLC0415

    clear_leftovers()
    services = Services(settings, ModelPool(settings.pool_size))
    if spaces is not None:
        _use_zero_gpu(services, spaces)
    app = build_app(services)
    door.close()
    try:
        app.launch(
            server_name=settings.host,
            server_port=settings.port,
            quiet=True,
            prevent_thread_lock=True,
            **launch_options(settings),
        )
    except OSError as error:
        _refuse(settings, error)
    if settings.mcp:
        from explorer.ui.mcp_tools import answer_tools  # noqa: PLC0415  # an optional extra

        answer_tools(app, Endpoints(services))
    return app, services


def _refuse(settings: Settings, error: OSError) -> NoReturn:
    log.debug("%s", error)
    message = f"Port {settings.port} on {settings.host} cannot be used."
    hint = "Another program may hold it: choose one with --port or EXPLORER_PORT."
    _end(ExplorerError(message, hint))


def _end(error: ExplorerError) -> NoReturn:
    print(error, file=sys.stderr)  # noqa: T201  # before any page is up
    raise SystemExit(2) from None


def _use_zero_gpu(services: Services, spaces: ModuleType) -> None:
    """Place the offered models before the page is launched: forks find only what is there then."""
    from explorer.services.zero_gpu import ZeroGpu  # noqa: PLC0415

    gpu = ZeroGpu(spaces)
    gpu.place(services.settings.allowed_models or (services.default_model,))
    services.on_gpu = gpu.open
