"""Hugging Face Spaces: where this runs, told from the environment; no torch, no gradio."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Mapping
from types import ModuleType

LOG = logging.getLogger("explorer")


def on_zero_gpu(environ: Mapping[str, str] | None = None) -> bool:
    """True on a Space whose GPU is lent call by call.

    >>> on_zero_gpu({"SPACES_ZERO_GPU": "true"}), on_zero_gpu({})
    (True, False)
    """
    env = os.environ if environ is None else environ
    return env.get("SPACES_ZERO_GPU", "").lower() in {"1", "t", "true"}


def import_spaces(environ: Mapping[str, str] | None = None) -> ModuleType | None:
    """The `spaces` package where it has something to do, else None.

    To be called before anything touches CUDA: the package refuses to come later.
    """
    if not on_zero_gpu(environ):
        return None
    try:
        return importlib.import_module("spaces")
    except ImportError:
        LOG.warning("This is a ZeroGPU Space without the package `spaces`: all runs on the CPU.")
        return None
