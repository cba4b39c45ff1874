"""What a lab is: one paper as an experiment, with a claim that is checked and never tuned."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from explorer.core.handle import Capability, ModelHandle
from explorer.core.params import Params
from explorer.core.results import Result, Scalar
from explorer.core.types import Trace

Family = Literal["decode", "analyse", "fine-tune", "select", "represent"]
Fidelity = Literal["replication", "reduced scale", "illustration"]
Relation = Literal["<=", ">=", "<", ">"]

FAMILIES: dict[Family, str] = {
    "decode": "Decode: how tokens are chosen",
    "analyse": "Analyse: what a text says of its maker",
    "fine-tune": "Fine-tune: what training changes",
    "select": "Select: the best of several answers",
    "represent": "Represent: what is inside",
}
"""Families in the gallery's order, with their headings."""

_HOLDS: dict[Relation, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a lab's method is from.

    Attributes:
        title: of the paper.
        authors: as it is cited, such as "Kuditipudi et al.".
        year: of its first version.
        arxiv: identifier; "" where it has none.
    """

    title: str
    authors: str
    year: int
    arxiv: str = ""

    @property
    def citation(self) -> str:
        """One line.

        >>> Paper("A title", "Doe et al.", 2024, "2401.00001").citation
        'Doe et al., A title, 2024, arXiv:2401.00001'
        """
        parts = [self.authors, self.title, str(self.year)]
        return ", ".join(parts + ([f"arXiv:{self.arxiv}"] if self.arxiv else []))


@dataclass(frozen=True, slots=True)
class Claim:
    """A headline effect, measured.

    Attributes:
        statement: what must hold, in words.
        measured: the number found here.
        relation: how it must stand to the threshold.
        threshold: fixed beforehand.
        paper: the paper's own figure or words, with its setting.
    """

    statement: str
    measured: Scalar
    relation: Relation
    threshold: float
    paper: str

    @property
    def holds(self) -> bool:
        """True where the effect shows; NaN shows nothing.

        >>> Claim("p is small", Scalar("p", 0.004), "<=", 0.01, "0.01 at 35 tokens").holds
        True
        """
        return _HOLDS[self.relation](self.measured.value, self.threshold)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a lab is.

    Attributes:
        said: in words.
        fraction: 0 to 1; None where that is unknown.
    """

    said: str
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Tuned:
    """A model that a lab made of another: on the page it can be run until the visit ends.

    Attributes:
        model: it; its id is that of the first with what became of it.
        about: what was done to it, as the end of "a copy of the model that was …".
    """

    model: ModelHandle
    about: str


Update = Progress | Result | Claim | Tuned
"""What a lab yields: how far it is, what it shows, its claims, and models that it made. A result
of a name that was yielded before takes its place, so that a picture can grow."""


class LabStopped(Exception):  # no error: a visitor pressed Stop
    """Raised inside a lab by `LabContext.check` once it is told to stop."""


class LabContext(Protocol):
    """What a lab is given; the only door to models and randomness."""

    @property
    def model(self) -> ModelHandle:
        """The model it runs on."""

    @property
    def seed(self) -> int:
        """Decides every draw."""

    def load(self, name: str) -> ModelHandle:
        """Another model, for labs that compare two.

        Raises:
            ModelUnavailable: where it is not offered or not to be had.
            LabStopped: as `check`.
        """

    def check(self) -> None:
        """Called at least once a second of work.

        Raises:
            LabStopped: once the visitor pressed Stop.
        """

    def generate(
        self,
        prompt: str | Sequence[int],
        decoders: Sequence[str],
        *,
        max_new_tokens: int,
        seed: int | None = None,
        model: ModelHandle | None = None,
    ) -> tuple[Trace, ...]:
        """One trace a spec, in order; any number of specs, run by as many rows as fit.

        The same spec twice is two draws of its own. Another model than the lab's may be named.

        Raises:
            LabStopped: as `check`.
        """

    def score(
        self,
        text: str | Sequence[int],
        prompt: str | Sequence[int] = "",
        *,
        model: ModelHandle | None = None,
    ) -> Trace:
        """A given text, teacher-forced behind a prompt, by the lab's model or another.

        Raises:
            LabStopped: as `check`.
        """


@dataclass(frozen=True, slots=True)
class LabInfo:
    """A catalogue entry: everything the gallery, the form and the command need.

    Attributes:
        name: slug: snake_case, the folder's name.
        title: as the gallery shows it.
        question: in one line.
        family: where it stands in the gallery.
        papers: its own first, others after it.
        fidelity: how near to the paper it is.
        scaled_down: what differs from the paper, in one or two sentences.
        seconds: what the usual parameters took on two cores of the reference machine.
        params: its parameters.
        run: from a context and parameters to updates.
        needs: what the model must be able to do.
        method: dotted names of the modules that hold the method, for "the code".
        aliases: other names it may be asked for by.
    """

    name: str
    title: str
    question: str
    family: Family
    papers: tuple[Paper, ...]
    fidelity: Fidelity
    scaled_down: str
    seconds: float
    params: type[Params]
    run: Callable[[LabContext, Any], Iterator[Update]]
    needs: frozenset[Capability] = frozenset()
    method: tuple[str, ...] = ()
    aliases: tuple[str, ...] = field(default=())
