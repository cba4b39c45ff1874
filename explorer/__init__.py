"""Generation Explorer: watch language models choose their words.

>>> from explorer import load_model, generate, score, read_traces, write_traces

The names below are loaded on first use, so that `import explorer` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from explorer.core.trace_io import read_traces, write_traces
    from explorer.services.generation import Run, RunOptions, generate, stream
    from explorer.services.loading import load_model
    from explorer.services.scoring import score

__version__ = "0.1.0"

__all__ = [
    "Run",
    "RunOptions",
    "generate",
    "load_model",
    "read_traces",
    "score",
    "stream",
    "write_traces",
]

_HOMES = {
    "Run": "explorer.services.generation",
    "RunOptions": "explorer.services.generation",
    "generate": "explorer.services.generation",
    "load_model": "explorer.services.loading",
    "read_traces": "explorer.core.trace_io",
    "score": "explorer.services.scoring",
    "stream": "explorer.services.generation",
    "write_traces": "explorer.core.trace_io",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'explorer' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
