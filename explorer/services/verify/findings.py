"""What a check of one trace found, as plain data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first thing in a trace that is not as the model has it.

    Attributes:
        field: its name in the file, such as "tokens.surprisal".
        found: what the file says, in words.
        expected: what it should say, in words.
        index: number of the token, or None where it belongs to no single one.
        piece: the token, as it is shown.
        tolerance: the most the two may differ; None where they must be equal.
    """

    field: str
    found: str
    expected: str
    index: int | None = None
    piece: str = ""
    tolerance: float | None = None

    @property
    def sentence(self) -> str:
        """One line for people."""
        where = "" if self.index is None else f"token {self.index} {self.piece!r}: "
        within = "" if self.tolerance is None else f" (they may differ by {self.tolerance:.2g})"
        return f"{where}{self.field} is {self.found}, and should be {self.expected}{within}."

    def as_data(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "field": self.field,
            "index": self.index,
            "piece": self.piece,
            "found": self.found,
            "expected": self.expected,
            "tolerance": self.tolerance,
            "sentence": self.sentence,
        }


class Failed(Exception):
    """Raised where a check meets the first mismatch of a trace; caught where they are counted."""

    def __init__(self, mismatch: Mismatch) -> None:
        super().__init__(mismatch.sentence)
        self.mismatch = mismatch


@dataclass(slots=True)
class Findings:
    """One trace, checked.

    Attributes:
        line: its line in the file; 0 where it comes from no file.
        decoder: its spec.
        tokens: how many it has.
        checked: what was compared, in words.
        not_checked: what was not, each with what it would need.
        notes: what is worth knowing and no fault.
        worst: by field, the largest difference that was let pass, nats.
        borderline: tokens whose choice hangs on rounding, and agrees within the tolerance.
        mismatch: the first, or None.
    """

    line: int
    decoder: str
    tokens: int
    checked: list[str] = field(default_factory=list)
    not_checked: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    worst: dict[str, float] = field(default_factory=dict)
    borderline: int = 0
    mismatch: Mismatch | None = None

    @property
    def agrees(self) -> bool:
        """Nothing that was checked is wrong."""
        return self.mismatch is None

    def saw(self, name: str, difference: float) -> None:
        """Remember a difference that was let pass, if it is the largest of its field."""
        self.worst[name] = max(self.worst.get(name, 0.0), difference)

    def lacks(self, what: str) -> None:
        """Something was not checked; said once."""
        if what not in self.not_checked:
            self.not_checked.append(what)

    def as_data(self) -> dict[str, object]:
        """As JSON has it."""
        return {
            "line": self.line,
            "decoder": self.decoder,
            "tokens": self.tokens,
            "agrees": self.agrees,
            "mismatch": None if self.mismatch is None else self.mismatch.as_data(),
            "checked": list(self.checked),
            "not_checked": list(self.not_checked),
            "notes": list(self.notes),
            "borderline": self.borderline,
            "worst": {name: round(value, 9) for name, value in sorted(self.worst.items())},
        }


@contextmanager
def judged(found: Findings, prefix: str = "") -> Iterator[None]:
    """Make what a check raises the mismatch of its trace, unless it has one.

    Args:
        found: of the trace.
        prefix: stands before the field's name.
    """
    try:
        yield
    except Failed as failed:
        mismatch = failed.mismatch
        found.mismatch = found.mismatch or replace(mismatch, field=prefix + mismatch.field)
