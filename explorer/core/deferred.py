"""torch and transformers, imported where they are first used: that takes seconds.

`from explorer.core.deferred import torch` instead of `import torch`: reading our own modules then
imports neither, so the page is served, and `--help` answered, before they are there.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    import transformers

__all__ = ["load_all", "torch", "transformers"]

_NAMES = ("torch", "transformers")
_PACKAGE = __name__.partition(".")[0]


class _Deferred(ModuleType):
    """Stands for a module until something of it is asked for, and is replaced by it then.

    The import lock makes it safe from several threads: whoever comes second waits.
    """

    def __getattr__(self, name: str) -> object:
        # Asked by whoever walks over modules, doctest for one; a module that is there has them.
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        module = import_module(self.__name__)
        _put(module)
        return getattr(module, name)


def _put(module: ModuleType) -> None:
    """Give a module to all of ours that hold its stand-in: from then on it costs nothing."""
    for name, ours in list(sys.modules.items()):
        if name.partition(".")[0] != _PACKAGE:
            continue
        if isinstance(vars(ours).get(module.__name__), _Deferred):
            setattr(ours, module.__name__, module)


def load_all() -> None:
    """Import all of them now, as a thread beside the page does."""
    for name in _NAMES:
        _put(import_module(name))


if not TYPE_CHECKING:
    torch, transformers = (sys.modules.get(name) or _Deferred(name) for name in _NAMES)
