"""What a metric is: a named function of a continuation, with its unit and its formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from explorer.core.types import TokenStep


@dataclass(frozen=True, slots=True)
class AnalyzerInfo:
    """A catalogue entry.

    Attributes:
        name: snake_case identifier.
        title: column header.
        unit: "nats", "tokens", "share" or "" (dimensionless); the page shows nats as bits.
        formula: in plain text, with what it is taken over.
        source: the paper or the definition.
        run: a continuation's steps to the value; None where it is not defined.
    """

    name: str
    title: str
    unit: str
    formula: str
    source: str
    run: Callable[[Sequence[TokenStep]], float | None]
