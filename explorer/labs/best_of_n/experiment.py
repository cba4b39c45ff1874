"""Best of N: accuracy of every selector over the number of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
from pydantic import Field

from explorer.core.forcing import forced_laws
from explorer.core.handle import ModelHandle
from explorer.core.intervals import Figure, pooled
from explorer.core.lab import Claim, LabContext, LabInfo, Paper, Progress, Tuned, Update
from explorer.core.models import HFModel
from explorer.core.params import Params
from explorer.core.results import Axis, Cell, Line, Scalar, Series, Table, Traces
from explorer.core.types import Trace
from explorer.labs.best_of_n.selectors import SELECTORS, Sample, self_certainty
from explorer.labs.best_of_n.task import Problem, lessons, problems, said
from explorer.training.finetune import Recipe, trainable_copy, tune

_BATCH = 32
_MOST_TOKENS = 32
_DRAWN = "temperature:temperature=0.6+nucleus:p=0.9"
"""How the paper draws its answers; certainty is read off the whole law at temperature 1."""
_FIRST, _VOTES, _BORDA = "first answer", "self-consistency", "Borda by self-certainty"


class BestOfNParams(Params):
    """Parameters of the lab."""

    problems: int = Field(default=48, ge=8, le=200, description="Sums that are asked.")
    samples: int = Field(default=32, ge=2, le=64, description="Answers to each, at most.")
    steps: int = Field(
        default=220,
        ge=5,
        le=2_000,
        description="Steps of 32 sums that a copy of the model learns from first: more make it "
        "surer, and leave less to choose.",
    )
    learning_rate: float = Field(default=1e-3, gt=0, le=0.01, description="Of Adam.")
    power: float = Field(
        default=1.2,
        ge=0,
        le=10,
        description="Of Borda's votes; 0 is self-consistency, the authors advise 0.3 for few "
        "answers and 1.2 for 32 or more.",
    )


def run(ctx: LabContext, params: BestOfNParams) -> Iterator[Update]:
    """Yield how far it is, the curves as problems are answered, and the claims."""
    asked = problems(params.problems, ctx.seed)
    model = trainable_copy(ctx.model)
    tokenizer = ctx.model.tokenizer
    end = sorted(tokenizer.eos_ids)[:1]
    taught = [
        [*tokenizer.encode(p.question), *tokenizer.encode_continuation(p.solution), *end]
        for p in islice(lessons(asked, ctx.seed), params.steps * _BATCH)
    ]
    curve: list[tuple[float, float]] = []
    for step in tune(model, taught, Recipe(1, params.learning_rate, _BATCH), ctx.seed):
        ctx.check()
        if step.number % 10 == 0 or step.number == step.of:
            curve.append((float(step.number), step.loss))
        yield Progress(
            f"learning to add: step {step.number} of {step.of}", 0.6 * step.number / step.of
        )
    steps, losses = zip(*curve, strict=True)
    yield Series(
        "Learning to add", Axis("step"), Axis("mean surprisal", "nats"),
        (Line("solutions", steps, losses),),
    )  # fmt: skip
    handle = HFModel.from_parts(model, tokenizer, id=f"{ctx.model.info.id}-sums")
    yield Tuned(handle, "taught to add")
    answered: list[tuple[Problem, list[Sample]]] = []
    for number, problem in enumerate(asked):
        yield Progress(f"problem {number + 1} of {len(asked)}", 0.6 + 0.4 * number / len(asked))
        traces = ctx.generate(
            problem.question, [_DRAWN] * params.samples, max_new_tokens=_MOST_TOKENS,
            seed=ctx.seed + number, model=handle,
        )  # fmt: skip
        answered.append((problem, _samples(handle, traces)))
        if number == 0:
            yield Traces("Four of the answers to one sum", traces[:4])
        if number % 8 == 7 or number == len(asked) - 1:
            yield _curves(answered, params)
    yield _certainties(answered)
    yield _table(answered, params)
    yield from _claims(answered, params)


def _samples(handle: ModelHandle, traces: Sequence[Trace]) -> list[Sample]:
    """Answers with their certainty, by one teacher-forced pass over all of them."""
    rows = [t.token_ids or (0,) for t in traces]
    sums = np.zeros(len(rows))
    for first, logits in forced_laws(handle, traces[0].prompt.ids, rows):
        found = self_certainty(logits).cpu().numpy()
        for i, row in enumerate(rows):
            sums[i] += found[i, : max(0, len(row) - first)].sum()
    return [
        Sample(
            said(trace.text),
            -sum(s.surprisal for s in trace.steps) / max(1, len(trace.steps)),
            float(sums[i]) / len(rows[i]),
        )
        for i, trace in enumerate(traces)
    ]


def _numbers(params: BestOfNParams) -> list[int]:
    return [n for n in (1, 2, 4, 8, 16, 32, 64) if n <= params.samples]


def accuracy(
    answered: Sequence[tuple[Problem, list[Sample]]], name: str, n: int, power: float
) -> Figure:
    """Share of groups of n answers from which a selector takes the right one.

    Every problem's answers are cut into as many groups as there are; the interval is over
    problems, whose groups belong together.
    """
    select = SELECTORS[name]
    return _rate(answered, n, lambda problem, group: select(group, power) == problem.answer)


def _covered(answered: Sequence[tuple[Problem, list[Sample]]], n: int) -> Figure:
    """Share of groups in which a right answer stands at all."""
    return _rate(answered, n, lambda problem, group: any(s.answer == problem.answer for s in group))


def _rate(
    answered: Sequence[tuple[Problem, list[Sample]]],
    n: int,
    is_right: Callable[[Problem, Sequence[Sample]], bool],
) -> Figure:
    hits, sizes = [], []
    for problem, samples in answered:
        groups = [samples[i : i + n] for i in range(0, len(samples) - n + 1, n)]
        hits.append(float(sum(is_right(problem, group) for group in groups)))
        sizes.append(len(groups))
    return pooled(hits, sizes)


def _curves(answered: Sequence[tuple[Problem, list[Sample]]], params: BestOfNParams) -> Series:
    numbers = _numbers(params)
    found = {
        name: [accuracy(answered, name, n, params.power) for n in numbers] for name in SELECTORS
    }
    found["some answer is right"] = [_covered(answered, n) for n in numbers]
    return Series(
        "Accuracy over the number of answers",
        Axis("N", log=True),
        Axis("accuracy", "share"),
        tuple(
            Line(
                name,
                tuple(float(n) for n in numbers),
                tuple(f.value for f in figures),
                tuple(f.low for f in figures),
                tuple(f.high for f in figures),
            )
            for name, figures in found.items()
        ),
    )


def _certainties(answered: Sequence[tuple[Problem, list[Sample]]]) -> Series:
    """How certain right and wrong answers are: shares of each by certainty."""
    right = [s.certainty for p, samples in answered for s in samples if s.answer == p.answer]
    wrong = [s.certainty for p, samples in answered for s in samples if s.answer != p.answer]
    edges = np.histogram_bin_edges([*right, *wrong], bins=20)
    middle = tuple(float(x) for x in (edges[1:] + edges[:-1]) / 2)
    lines = [
        Line(name, middle, tuple(float(c) / len(values) for c in np.histogram(values, edges)[0]))
        for name, values in (("right", right), ("wrong", wrong))
        if values
    ]
    return Series(
        "Self-certainty of right and wrong answers",
        Axis("mean KL(uniform || law)", "nats"),
        Axis("share of the answers", "share"),
        tuple(lines),
    )


def _table(answered: Sequence[tuple[Problem, list[Sample]]], params: BestOfNParams) -> Table:
    numbers = _numbers(params)
    rows: list[tuple[Cell, ...]] = [
        (name, *[accuracy(answered, name, n, params.power).value for n in numbers])
        for name in SELECTORS
    ]
    columns = ("selector", *(f"N = {n}" for n in numbers))
    return Table("Accuracies", columns, tuple(rows), ("", *["share"] * len(numbers)))


def _claims(
    answered: Sequence[tuple[Problem, list[Sample]]], params: BestOfNParams
) -> Iterator[Claim]:
    n = _numbers(params)[-1]
    ours = accuracy(answered, _BORDA, n, params.power).value
    paper = "averages of 47.9 (first answer), 56.2 (self-consistency), 56.5 (Borda) %, Llama-3.1-8B"
    for name, relation, words in (
        (_VOTES, ">=", "Borda by self-certainty is at least as good as self-consistency."),
        (_FIRST, ">", "It is better than the first answer."),
    ):
        other = accuracy(answered, name, n, params.power).value
        yield Claim(
            words,
            Scalar(
                f"accuracy of Borda less that of {name}, N = {n}", ours - other,
                n=len(answered), about=f"{ours:.3f} against {other:.3f}",
            ),
            relation,  # type: ignore[arg-type]  # one of the relations
            0.0,
            paper,
        )  # fmt: skip


INFO = LabInfo(
    name="best_of_n",
    title="Best of N",
    question="Which of many answers should one keep, without knowing the right one?",
    family="select",
    papers=(
        Paper(
            "Scalable Best-of-N Selection for Large Language Models via Self-Certainty",
            "Kang et al.",
            2025,
            "2502.18581",
        ),
        Paper(
            "Self-Consistency Improves Chain of Thought Reasoning in Language Models",
            "Wang et al.",
            2022,
            "2203.11171",
        ),
    ),
    fidelity="reduced scale",
    scaled_down="Sums of two numbers, worked out digit by digit by a copy of a small model that "
    "learns them first and is stopped while it still errs, in place of competition mathematics.",
    seconds=97.0,
    params=BestOfNParams,
    run=run,
    method=("explorer.labs.best_of_n.selectors", "explorer.decoders.best_of_n"),
    aliases=("self_certainty",),
)
