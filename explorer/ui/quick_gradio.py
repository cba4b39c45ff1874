"""Importing Gradio in half the time: without the help for editors that it writes on the way.

For each of its components Gradio parses the component's source, fills a template, and compares
the result with a stub file beside the source, or writes it there; and each event's docstring is a
template, too. A program that runs needs neither. Where a version of Gradio has no such functions,
nothing is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

_HELP = {
    "gradio.component_meta": ("", "create_or_modify_pyi"),
    "gradio.events": ("EventListener", "set_doc"),
}
"""Module, and the class in it, of each function that only writes help."""


def _nothing(*_args: object, **_kwargs: object) -> None:
    pass


class _Loader(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        owner, name = _HELP[module.__name__]
        holder: Any = getattr(module, owner, None) if owner else module
        if hasattr(holder, name):
            setattr(holder, name, _nothing)


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The usual place, with a loader that takes the help out."""
        if fullname not in _HELP:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(fullname, spec.loader.path)
        return spec


def import_gradio() -> None:
    """Import Gradio as quickly as it goes; later imports find it."""
    finder = _Finder()
    sys.meta_path.insert(0, finder)
    try:
        import gradio  # noqa: F401, PLC0415  # only now
    finally:
        sys.meta_path.remove(finder)
