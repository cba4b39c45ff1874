"""The app: header bar, pages, queue, and how it is launched."""

from __future__ import annotations

from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from explorer.render.page_assets import ASSETS, page_styles
from explorer.services.compare import Services
from explorer.services.settings import Settings
from explorer.ui.boundary import guarded
from explorer.ui.endpoints import add_endpoints
from explorer.ui.model_bar import ModelBar
from explorer.ui.pages import compare, labs, latent, loops, maps, score, traces
from explorer.ui.security import BodyLimit, SecurityHeaders, WordsForFailures
from explorer.ui.theme import make_theme

# Visitors that may wait at once; the next one is told that the queue is full.
QUEUE_SIZE = 64
SESSIONS = 300
# Every waiting visitor holds a thread of the server now and then, and Stop must find one free.
MAX_THREADS = 2 * QUEUE_SIZE
# Gradio keeps a copy of every saved file: how often it looks for old ones, and what is old.
CLEAN_S, SAVED_S = 600, 3600

# What stands around a file in the request that brings it.
ENVELOPE_BYTES = 64 * 1024

# Styles of the pages beside Compare.
PAGE_STYLES = ("loops", "latent", "score", "results", "labs", "traces")

_BRAND = '<h1 class="gx-brand">Generation Explorer</h1>'


def build_app(services: Services) -> gr.Blocks:
    """The whole app, not yet launched.

    Args:
        services: everything below the page.
    """
    app = gr.Blocks(
        title="Generation Explorer",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(CLEAN_S, SAVED_S),
    )
    with app:
        with gr.Row(elem_id="gx-header", equal_height=True):
            gr.HTML(_BRAND, elem_classes="gx-line")
            models = ModelBar(services)
        with gr.Tabs(elem_id="gx-pages") as tabs:
            with gr.Tab("Compare", id="compare"):
                compare.build(services, models)
            with gr.Tab("Loops", id="loops"):
                loops.build(services)
            with gr.Tab("Latent", id="latent"):
                latent.build(services)
            with gr.Tab("Score", id="score"):
                score.build(services)
            with gr.Tab("Labs", id="labs"):
                labs.build(services)
            with gr.Tab("Maps", id="maps"):
                maps.build(services)
            with gr.Tab("Traces", id="traces"):
                traces.build(services)
        # The address names the page, so that a link leads to it.
        tabs.select(None, js="() => Explorer.pageChosen()")
        add_endpoints(services)
        # The page opens at once; the model follows.
        app.load(
            guarded(models.start),
            models.name,
            [models.status, models.timer],
            queue=False,
            show_progress="hidden",
            api_name="open_page",
            api_visibility="private",
        )

        def forget(request: gr.Request) -> None:
            services.forget(request.session_hash or "")

        app.unload(forget)
    app.queue(max_size=QUEUE_SIZE, default_concurrency_limit=4, api_open=False)
    return app


def launch_options(settings: Settings | None = None) -> dict[str, Any]:
    """Keyword arguments of `Blocks.launch`; address and port are left to the caller.

    Args:
        settings: how large a request may be, and where this runs; None for the usual ones.
    """
    settings = settings or Settings()
    return {
        "theme": make_theme(),
        "head": f"<style>{page_styles('app', *PAGE_STYLES)}</style>",
        "favicon_path": str(ASSETS / "favicon.png"),
        "footer_links": [],
        "run_history": False,
        "show_error": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "pwa": False,
        # Said either way: an environment variable of Gradio's would switch it on, too.
        "mcp_server": settings.mcp,
        "max_file_size": settings.max_upload_bytes,
        "state_session_capacity": SESSIONS,
        "max_threads": MAX_THREADS,
        "app_kwargs": {
            "middleware": [
                Middleware(SecurityHeaders, on_space=settings.on_space),
                Middleware(WordsForFailures),
                Middleware(BodyLimit, most=settings.max_upload_bytes + ENVELOPE_BYTES),
            ]
        },
    }
