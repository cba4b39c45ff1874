"""A question with one short right answer, and what is asked about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

LETTERS = "ABCD"
_ENDS = ".,;:!?\n("


@dataclass(frozen=True, slots=True)
class Question:
    """A question with one right answer among four.

    Attributes:
        text: as it is asked.
        answer: the right one.
        options: four answers of its kind in the order they are lettered, the right one among them.
        exposures: how often its answer is read before it is asked; None where nobody knows.
    """

    text: str
    answer: str
    options: tuple[str, ...]
    exposures: int | None = None

    @property
    def right(self) -> int:
        """The place of the right answer among the options.

        >>> Question("Which is cold?", "ice", ("fire", "ice", "steam", "sand")).right
        1
        """
        return self.options.index(self.answer)

    def answered_by(self, said: str) -> bool:
        """Whether an answer is the right one, whatever its capitals.

        >>> Question("Which is cold?", "ice", ("ice",)).answered_by("Ice")
        True
        """
        return said.lower() == self.answer.lower()

    def shuffled(self, draw: np.random.Generator) -> Question:
        """The same with its options in another order."""
        order = draw.permutation(len(self.options)).tolist()
        return replace(self, options=tuple(self.options[i] for i in order))


def answer_in(said: str) -> str:
    """What a text answers: what stands before its first mark or line's end.

    >>> answer_in(" ice. It melts."), answer_in("")
    ('ice', '')
    """
    end = next((i for i, letter in enumerate(said) if letter in _ENDS), len(said))
    return said[:end].strip()


def asked(question: Question) -> str:
    """The question, to be answered in a word."""
    return f"Question: {question.text}\nAnswer:"


def lettered(question: Question) -> str:
    """The question with its options, to be answered by a letter."""
    pairs = zip(LETTERS, question.options, strict=True)
    options = "".join(f"\n ({letter}) {option}" for letter, option in pairs)
    return f"Question: {question.text}{options}\nAnswer: ("


def judged(
    question: Question, proposed: str, ideas: Sequence[str] = (), *, swapped: bool = False
) -> str:
    """Whether an answer is right, perhaps after some of the model's own; answered by a letter.

    Source: Kadavath et al., arXiv:2207.05221, section 3; "brainstormed" answers before it.

    Args:
        question: what was asked.
        proposed: the answer to judge.
        ideas: the model's own answers, shown first; () for none.
        swapped: (A) is False and (B) is True: who always says (A) is found out.
    """
    shown = f"Here are some ideas: {', '.join(ideas)}\n" if ideas else ""
    first, second = ("False", "True") if swapped else ("True", "False")
    return (
        f"Question: {question.text}\n{shown}Possible answer: {proposed}\n"
        f"Is the possible answer:\n (A) {first}\n (B) {second}\nThe possible answer is: ("
    )
