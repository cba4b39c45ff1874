"""Where failures become words: an `ExplorerError` is shown as it is, all else gets a number."""

from __future__ import annotations

import functools
import inspect
import json
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

import gradio as gr

from explorer.core.errors import ExplorerError

log = logging.getLogger("explorer.ui")

Callback = TypeVar("Callback", bound=Callable[..., Any])


def describe_failure(error: Exception) -> ExplorerError:
    """An error fit to be shown; one of ours stays, another is logged under a short id."""
    if isinstance(error, ExplorerError):
        return error
    incident = uuid.uuid4().hex[:8]
    log.error("incident %s", incident, exc_info=error)
    return ExplorerError(
        f"Something failed that should not have (incident {incident}).",
        "Try again; if it stays, report this number: the server's log has the details.",
    )


def error_line(error: Exception) -> str:
    """A failure as a line of the stage's wire format.

    Its id makes the line differ from the same failure a moment ago, so that the page hears of it.
    """
    shown = describe_failure(error)
    entry = {"error": {"message": shown.message, "hint": shown.hint}, "id": uuid.uuid4().hex[:8]}
    return json.dumps(entry, ensure_ascii=False) + "\n"


def guarded(callback: Callback) -> Callback:
    """Wrap a function or generator: whatever it raises becomes a message on the page."""

    @functools.wraps(callback)
    def call(*args: Any, **kwargs: Any) -> Any:
        with _as_message():
            return callback(*args, **kwargs)

    @functools.wraps(callback)
    def iterate(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with _as_message():
            yield from callback(*args, **kwargs)

    # Gradio streams only what it can see to be a generator function.
    return cast(Callback, iterate if inspect.isgeneratorfunction(callback) else call)


@contextmanager
def _as_message() -> Iterator[None]:
    try:
        yield
    except gr.Error:
        raise
    except Exception as error:  # noqa: BLE001  # the outermost frame: nothing may reach the user raw
        raise gr.Error(str(describe_failure(error)), print_exception=False) from None
