"""What does it know? P(True), lettered options and P(IK), and whether they come true."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from explorer.core.calibration import (
    auroc,
    best_temperature,
    equal_counts,
    expected_error,
    tempered,
)
from explorer.core.deferred import torch
from explorer.core.intervals import wilson
from explorer.core.lab import Claim, LabContext, LabInfo, Paper, Progress, Tuned, Update
from explorer.core.params import Params
from explorer.core.results import Axis, Points, Scalar, Table, Traces
from explorer.labs.self_knowledge import almanac, general
from explorer.labs.self_knowledge.forecasts import COLUMNS, Forecasts, resampled
from explorer.labs.self_knowledge.laws import answer_laws, last_states, letter_laws, two_letters
from explorer.labs.self_knowledge.learner import IDEAS, Asker, Learner, others, with_examples
from explorer.labs.self_knowledge.probe import fit
from explorer.labs.self_knowledge.question import (
    LETTERS,
    Question,
    answer_in,
    asked,
    judged,
    lettered,
)

_TOKENS = 6
_PROPOSED = 3
"""Answers to each question that are judged."""
_WITHOUT, _WITH = "P(True)", "P(True), own answers shown"


class SelfKnowledgeParams(Params):
    """Parameters of the lab."""

    questions: Literal["almanac", "general"] = Field(
        default="almanac",
        description="An almanac of made-up people that a copy of the model reads first, or "
        "general knowledge, of which a small model of stories has none.",
    )
    count: int = Field(default=160, ge=8, le=240, description="Questions; half are for learning.")
    samples: int = Field(
        default=10, ge=IDEAS + 1, le=30, description="Answers drawn to each question."
    )
    queries: int = Field(
        default=4,
        ge=1,
        le=20,
        description="Answers to each question of the first half that the copy learns to judge, "
        "with and without others shown.",
    )
    learning_rate: float = Field(default=1e-3, gt=0, le=0.01, description="Of Adam.")


def run(ctx: LabContext, params: SelfKnowledgeParams) -> Iterator[Update]:
    """Yield how far it is, what is known, tables and reliability, and the claims."""
    draw = np.random.default_rng([ctx.seed, 1])
    learner = None
    if params.questions == "almanac":
        questions = almanac.almanac(params.count, ctx.seed)
        learner = Learner(ctx, params.queries, params.learning_rate)
        yield from learner.reads(questions, len(questions) // 2, draw)
        asker = Asker(learner.handle("almanac"))
    else:
        questions = general.general(params.count, ctx.seed)
        asker = with_examples(ctx.model, questions[: len(questions) // 2], draw)
    half = len(questions) // 2
    answers = yield from _answered(ctx, asker, questions, params.samples)
    yield _known(questions, answers)
    yield Progress("reading the probe", 0.5)
    known = _probed(ctx, asker, questions, answers)
    chosen = yield from _chosen(ctx, asker, questions)
    if learner is not None:
        yield from learner.judges(questions[:half], answers[:half], draw)
        asker = Asker(learner.handle("self-knowledge"))
        about = "taught an almanac of made-up people, and to judge its own answers"
        yield Tuned(asker.model, about)
    yield Progress("judging its answers", 0.85)
    without, with_ideas = _judgements(ctx, asker, questions[half:], answers[half:])
    kinds = [*chosen, without, with_ideas, known]
    yield _reliability(kinds)
    yield Table("How well it knows", COLUMNS, tuple(kind.row() for kind in kinds))
    yield from _claims(without, with_ideas, known, chosen[-1])


def _answered(
    ctx: LabContext, asker: Asker, questions: Sequence[Question], samples: int
) -> Generator[Update, None, list[list[str]]]:
    """Answers drawn at temperature 1, so many to each question."""
    answers = []
    for number, question in enumerate(questions):
        share = number / len(questions)
        yield Progress(f"question {number + 1} of {len(questions)}", 0.3 + 0.2 * share)
        traces = ctx.generate(
            asker.plain + asked(question), ["ancestral"] * samples,
            max_new_tokens=_TOKENS, seed=ctx.seed + number, model=asker.model,
        )  # fmt: skip
        answers.append([answer_in(trace.text) for trace in traces])
        if number == 0:
            yield Traces("Answers to one question", traces[:4])
    return answers


def _known(questions: Sequence[Question], answers: Sequence[Sequence[str]]) -> Table:
    """How many answers are right, by how often the fact was read."""
    rows = []
    for exposures in sorted({q.exposures for q in questions}, key=lambda n: -1 if n is None else n):
        said = [
            question.answered_by(answer)
            for question, given in zip(questions, answers, strict=True)
            if question.exposures == exposures
            for answer in given
        ]
        found = wilson(sum(said), len(said))
        name = "unknown" if exposures is None else f"{exposures} times"
        rows.append((name, found.value, found.low, found.high, found.n))
    return Table(
        "Right answers, by how often the fact was read",
        ("read", "right", "from", "to", "answers"),
        tuple(rows),
        ("", "share", "share", "share", ""),
    )


def _probed(
    ctx: LabContext,
    asker: Asker,
    questions: Sequence[Question],
    answers: Sequence[Sequence[str]],
) -> Forecasts:
    """P(IK) of the second half by a probe of the first, against every answer that was drawn."""
    half = len(questions) // 2
    states = last_states(asker.model, [asker.plain + asked(q) for q in questions], ctx.check)
    right = [
        [question.answered_by(answer) for answer in said]
        for question, said in zip(questions, answers, strict=True)
    ]
    rates = [sum(said) / len(said) for said in right]
    chances = fit(states[:half], rates[:half]).chances(states[half:])
    rows = [
        (chance, hit, number)
        for number, (said, chance) in enumerate(zip(right[half:], chances, strict=True))
        for hit in said
    ]
    return _forecasts("P(IK), before it answers", rows)


def _forecasts(name: str, rows: Sequence[tuple[float, bool, int]]) -> Forecasts:
    chances, came_true, owners = zip(*rows, strict=True)
    return Forecasts(name, chances, came_true, owners)


def _chosen(
    ctx: LabContext, asker: Asker, questions: Sequence[Question]
) -> Generator[Update, None, list[Forecasts]]:
    """Of four options the likeliest, by letters and by their texts, before and after a temperature.

    The temperature is fitted on the first half; forecasts are of the second.
    """
    yield Progress("choosing among options", 0.52)
    half = len(questions) // 2
    prompts = [asker.letters + lettered(question) for question in questions]
    letters = letter_laws(asker.model, "", prompts, LETTERS, ctx.check).double().softmax(-1)
    texts = torch.tensor(
        [answer_laws(asker.model, asker.plain + asked(q), q.options, ctx.check) for q in questions],
        dtype=torch.float64,
    ).softmax(-1)
    right = [question.right for question in questions]
    made, rows = [], []
    for name, shares in (("option by letter", letters), ("option by its text", texts)):
        temperature = best_temperature(shares[:half], right[:half])
        rows.append((name, temperature))
        for suffix, given in (("", 1.0), (", tempered", temperature)):
            laws = tempered(shares[half:], given)
            made.append(
                _forecasts(
                    name + suffix,
                    [
                        (float(law.max()), int(law.argmax()) == at, number)
                        for number, (law, at) in enumerate(zip(laws, right[half:], strict=True))
                    ],
                )
            )
    yield Table("Temperatures that calibrate the first half", ("asked", "temperature"), tuple(rows))
    return made


def _judgements(
    ctx: LabContext, asker: Asker, questions: Sequence[Question], answers: Sequence[Sequence[str]]
) -> tuple[Forecasts, Forecasts]:
    """P(True) of some answers to each question, alone and with others shown."""
    cases = [
        (number, question, said, place)
        for number, (question, said) in enumerate(zip(questions, answers, strict=True))
        for place in range(min(_PROPOSED, len(said)))
    ]
    found = []
    for with_ideas, name in ((False, _WITHOUT), (True, _WITH)):
        prompts = [
            judged(
                question, said[place], others(said, place) if with_ideas else (), swapped=swapped
            )
            for _, question, said, place in cases
            for swapped in (False, True)
        ]
        preface = asker.judging[with_ideas]
        laws = letter_laws(asker.model, preface, prompts, "AB", ctx.check).double().tolist()
        rows = []
        for i, (number, question, said, place) in enumerate(cases):
            # In both orders of the options: who always says (A) says one half.
            first, _ = two_letters(*laws[2 * i])
            second, _ = two_letters(*laws[2 * i + 1])
            chance = (first + 1 - second) / 2
            rows.append((chance, question.answered_by(said[place]), number))
        found.append(_forecasts(name, rows))
    return found[0], found[1]


def _reliability(kinds: Sequence[Forecasts]) -> Points:
    groups = []
    for kind in kinds:
        bins = equal_counts(kind.chances, kind.came_true)
        groups.append((kind.name, tuple((b.chance, b.came_true / b.n) for b in bins)))
    return Points(
        "Reliability: ten groups of as many forecasts each",
        Axis("chance that was given", "share"),
        Axis("came true", "share"),
        tuple(groups),
        diagonal=True,
    )


def _claims(
    without: Forecasts, with_ideas: Forecasts, known: Forecasts, options: Forecasts
) -> Iterator[Claim]:
    gain = resampled(
        [without, with_ideas],
        lambda both: (
            auroc(both[1].chances, both[1].came_true) - auroc(both[0].chances, both[0].came_true)
        ),
        len(without.chances),
    )
    yield Claim(
        "Shown several of its own answers, it tells right from wrong better.",
        Scalar("gain in AUROC of P(True)", gain.value, "", gain.low, gain.high, gain.n),
        ">",
        0.0,
        "showing samples helps on short answers; models up to 52 billion parameters, 20 examples",
    )
    area = known.area()
    yield Claim(
        "Before it answers, a probe foretells whether it will be right.",
        Scalar("AUROC of P(IK)", area.value, "", area.low, area.high, area.n),
        ">=",
        0.6,
        "AUROC 0.606 (LAMBADA) to 0.928 (arithmetic), 0.864 on TriviaQA itself; 52 billion",
    )
    error = expected_error(equal_counts(options.chances, options.came_true))
    yield Claim(
        "With a temperature, its choice among options comes true as often as it says.",
        Scalar("ECE of the option taken, tempered", error, "", n=len(options.chances)),
        "<=",
        0.1,
        "lettered options are well calibrated for large models; T = 2.5 mends tuned ones",
    )


INFO = LabInfo(
    name="self_knowledge",
    title="What does it know?",
    question="Can a model tell which of its answers are right, and which questions it can answer?",
    family="analyse",
    papers=(
        Paper(
            "Language Models (Mostly) Know What They Know", "Kadavath et al.", 2022, "2207.05221"
        ),
    ),
    fidelity="reduced scale",
    scaled_down="A copy of a small model reads an almanac of made-up people, some facts often and "
    "some never, and learns to judge its answers to half of the questions, in place of a model of "
    "52 billion parameters that is shown 20 examples; the probe is linear and reads one layer.",
    seconds=54.0,
    params=SelfKnowledgeParams,
    run=run,
    method=(
        "explorer.core.calibration",
        "explorer.labs.self_knowledge.question",
        "explorer.labs.self_knowledge.probe",
    ),
    aliases=("mostly_know", "p_true"),
)
