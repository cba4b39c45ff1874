"""Whether a step is being recorded: its operations are kept, to be done again without Python.

What is recorded can ask no tensor for its value: there is none yet when it is replayed. Code that
takes a short cut where the numbers allow one asks `recording` first, and takes the long way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_RECORDING: ContextVar[bool] = ContextVar("recording", default=False)


def recording() -> bool:
    """True inside of `recorded`.

    >>> with recorded():
    ...     recording()
    True
    >>> recording()
    False
    """
    return _RECORDING.get()


@contextmanager
def recorded() -> Iterator[None]:
    """What happens inside is to be done again, for other numbers."""
    token = _RECORDING.set(True)
    try:
        yield
    finally:
        _RECORDING.reset(token)
