"""Errors that a person may see: what happened, why, and what to do."""

from __future__ import annotations


class ExplorerError(Exception):
    """A failure with a cause and a next step, fit to be shown as it is.

    Args:
        message: what was asked and what was found, in one sentence.
        hint: what the reader can do about it; may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class UnknownName(ExplorerError):
    """A decoder, model, preset or lab that does not exist."""


class InvalidParams(ExplorerError):
    """A value out of bounds, an unknown parameter, or stages that conflict."""


class ModelUnavailable(ExplorerError):
    """A model that cannot be found, read, trusted or held in memory."""


class NotCapable(ExplorerError):
    """A model or context that cannot do what was asked of it."""


class TraceFormatError(ExplorerError):
    """A trace file that does not follow the schema."""


class NumericalFailure(ExplorerError):
    """A model that answered with NaN or with no possible token."""
