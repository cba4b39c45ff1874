"""Memory that libraries keep after use, and how it is bounded and given back."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

_CACHES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "128", "LRU_CACHE_CAPACITY": "8"}
"""oneDNN compiles a routine for every number of rows that a linear map is given, 0.6 MB each, and
keeps 1,024 of them; torch's own list before it keeps as many once more a thread. Texts of ever new
lengths fill both. One number of rows needs four or five routines; a new one costs about 1 ms."""


def bound_routines() -> None:
    """Let oneDNN and torch keep few compiled routines; before either computes anything.

    What the environment says already stays.
    """
    for name, value in _CACHES.items():
        os.environ.setdefault(name, value)


def give_back() -> None:
    """Give the system what is free already: after texts of many lengths, hundreds of megabytes.

    glibc keeps blocks in the gaps between longer ones. Where it is not glibc, nothing is done.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> ctypes._NamedFuncPointer | None:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
