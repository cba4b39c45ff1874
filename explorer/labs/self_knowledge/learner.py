"""How a model comes to be asked: a copy that learns facts and to judge, or one shown examples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from explorer.core.handle import ModelHandle
from explorer.core.lab import LabContext, Progress, Update
from explorer.core.models import HFModel
from explorer.core.results import Axis, Line, Series
from explorer.labs.self_knowledge import almanac
from explorer.labs.self_knowledge.question import LETTERS, Question, asked, judged, lettered
from explorer.training.finetune import Recipe, trainable_copy, tune

IDEAS = 5
"""Of the model's own answers that are shown beside the one to judge, as in the paper."""
_SHOTS = 4
"""Examples before each prompt to a model that has not learnt its form."""
_REPLAY = 0.1


@dataclass(frozen=True, slots=True)
class Asker:
    """A model and what stands before whatever it is asked.

    Attributes:
        model: it.
        plain: examples before a question.
        letters: examples before a lettered question.
        judging: examples before an answer to judge; by whether ideas are shown.
    """

    model: ModelHandle
    plain: str = ""
    letters: str = ""
    judging: tuple[str, str] = ("", "")


class Learner:
    """A copy of a model that reads the almanac and then learns to judge its own answers."""

    def __init__(self, ctx: LabContext, queries: int, learning_rate: float) -> None:
        self._ctx, self._queries, self._rate = ctx, queries, learning_rate
        self._model = trainable_copy(ctx.model)
        self._facts: list[tuple[str, str]] = []

    def handle(self, what: str) -> ModelHandle:
        """The copy as it is now."""
        id = f"{self._ctx.model.info.id}-{what}"
        return HFModel.from_parts(self._model, self._ctx.model.tokenizer, id=id)

    def reads(
        self, questions: Sequence[Question], half: int, draw: np.random.Generator
    ) -> Iterator[Update]:
        """Every fact as often as its exposures say; lettered ones of the first half too."""
        self._facts = [(asked(q), f" {q.answer}.") for q in almanac.readings(questions)]
        letters = [
            (lettered(q), LETTERS[q.right]) for question in questions[:half]
            for q in (question.shuffled(draw), question.shuffled(draw))
        ]  # fmt: skip
        yield from self._learns("Reading the almanac", [*self._facts, *letters], 8, 0.0, 0.3)

    def judges(
        self,
        questions: Sequence[Question],
        answers: Sequence[Sequence[str]],
        draw: np.random.Generator,
    ) -> Iterator[Update]:
        """Whether its own answers to some questions are right, which those who ask know."""
        lessons = []
        for question, said in zip(questions, answers, strict=True):
            for place in draw.integers(len(said), size=self._queries).tolist():
                proposed, ideas = said[place], others(said, place)
                for shown in ((), ideas):
                    swapped = bool(draw.integers(2))
                    says_a = question.answered_by(proposed) != swapped
                    query = judged(question, proposed, shown, swapped=swapped)
                    lessons.append((query, "A" if says_a else "B"))
        kept = draw.permutation(len(self._facts))[: int(_REPLAY * len(lessons))].tolist()
        lessons += [self._facts[i] for i in kept]
        yield from self._learns("Learning to judge", lessons, 16, 0.55, 0.3)

    def _learns(
        self, name: str, lessons: Sequence[tuple[str, str]], batch: int, begin: float, share: float
    ) -> Iterator[Update]:
        tokenizer = self._ctx.model.tokenizer
        read = [tokenizer.encode(prompt) for prompt, _ in lessons]
        texts = [
            [*ids, *tokenizer.encode_continuation(answer)]
            for ids, (_, answer) in zip(read, lessons, strict=True)
        ]
        recipe = Recipe(1, self._rate, batch)
        losses = []
        steps = tune(self._model, texts, recipe, self._ctx.seed, [len(ids) for ids in read])
        for step in steps:
            self._ctx.check()
            losses.append((float(step.number), step.loss))
            yield Progress(
                f"{name.lower()}: step {step.number} of {step.of}",
                begin + share * step.number / step.of,
            )
        x, y = zip(*losses, strict=True)
        curve = Line("answers", x, y)
        yield Series(name, Axis("step"), Axis("mean surprisal", "nats"), (curve,))


def others(said: Sequence[str], place: int) -> list[str]:
    """Some of the other answers to the same question."""
    return [*said[place + 1 :], *said[:place]][:IDEAS]


def with_examples(
    model: ModelHandle, learnt: Sequence[Question], draw: np.random.Generator
) -> Asker:
    """A model as it is, shown a few answered questions of the first half before each of ours."""
    shown = [learnt[i].shuffled(draw) for i in draw.permutation(len(learnt))[:_SHOTS].tolist()]
    judging = []
    for ideas in (False, True):
        examples = ""
        for number, question in enumerate(shown):
            proposed = question.answer if number % 2 == 0 else question.options[question.right - 1]
            others = [question.answer] * (IDEAS - 1) + [question.options[question.right - 1]]
            right = number % 2 == 0
            query = judged(question, proposed, others if ideas else ())
            examples += f"{query}{'A' if right else 'B'})\n\n"
        judging.append(examples)
    return Asker(
        model,
        "".join(f"{asked(q)} {q.answer}.\n\n" for q in shown),
        "".join(f"{lettered(q)}{LETTERS[q.right]})\n\n" for q in shown),
        (judging[0], judging[1]),
    )
