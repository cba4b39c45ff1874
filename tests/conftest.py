"""Shared fixtures. No test downloads weights; no test needs a network."""

from __future__ import annotations

import gc
import os

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


def pytest_configure(config: pytest.Config) -> None:
    """Collect no garbage while modules are parsed.

    CPython 3.11 can take a finalizer that runs inside the parser for a fault of the parser
    ("AST constructor recursion depth mismatch", python/cpython#106905).
    """
    gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.enable()
