"""Human or machine? The text's surprisal against the surprisal its model expected."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import Field

from explorer.core.intervals import mean_of
from explorer.core.lab import Claim, LabContext, LabInfo, Paper, Progress, Update
from explorer.core.params import Params
from explorer.core.results import Axis, Line, Points, Scalar, Series, Table, Traces
from explorer.core.types import Trace
from explorer.labs.human_or_machine.statistics import (
    auc,
    decay,
    statistic,
    windows,
)

_PASSAGES = Path(__file__).parent / "data" / "passages.txt"
_OPENING_WORDS = 12
_WINDOWS = (4, 8, 12, 16, 24, 32, 48, 64, 96, 128)
GIVEN = "another writer"
OWN = "the model's own draws"
KINDS = {
    OWN: "ancestral",
    "nucleus, p = 0.9": "nucleus:p=0.9",
    "temperature 0.7": "temperature:temperature=0.7",
    "greedy": "greedy",
}


class HumanOrMachineParams(Params):
    """Parameters of the lab."""

    openings: int = Field(
        default=12,
        ge=2,
        le=12,
        description="Texts that are begun by their first words and go on by every method.",
    )
    draws: int = Field(
        default=8, ge=2, le=32, description="The model's own continuations of each opening."
    )
    tokens: int = Field(default=96, ge=16, le=512, description="Length of a continuation, at most.")
    threshold: float = Field(
        default=0.3,
        gt=0,
        le=5,
        description="A text counts as the model's own where |T| is below this, nats.",
    )
    other: str = Field(
        default="",
        max_length=200,
        description="A second model: which of the two wrote a text? Empty leaves it out.",
    )
    text: str = Field(
        default="", max_length=8_000, description="A text of yours, judged beside the others."
    )


def run(ctx: LabContext, params: HumanOrMachineParams) -> Iterator[Update]:
    """Yield how far it is, the pictures as they grow, and the claims."""
    passages = _PASSAGES.read_text(encoding="utf-8").splitlines()[: params.openings]
    texts: dict[str, list[Trace]] = {GIVEN: [], **{name: [] for name in KINDS}}
    shown: tuple[Trace, ...] = ()
    for number, passage in enumerate(passages):
        yield Progress(f"text {number + 1} of {len(passages)}", number / len(passages))
        opening, rest = _split(passage)
        texts[GIVEN].append(ctx.score(rest, opening))
        made = _continued(ctx, params, opening, seed=ctx.seed + number)
        for name, traces in made.items():
            texts[name] += [trace for trace in traces if len(trace.steps) > 1]
        if not shown:
            shown = tuple(traces[0] for traces in made.values())
            yield Traces("Four ways to go on", shown, tuple(made))
        if number % 3 == 0 or number == len(passages) - 1:
            yield _by_length(texts, params.tokens)
    yield _table(texts, params.threshold)
    yield _plane(texts)
    yield from _errors(texts, params.threshold)
    yield from _claims(texts)
    if params.text.strip():
        yield from _own_text(ctx, params)
    if params.other.strip():
        yield from _attribution(ctx, params, texts[OWN], passages)


def _split(passage: str) -> tuple[str, str]:
    words = passage.split(" ")
    return " ".join(words[:_OPENING_WORDS]), " " + " ".join(words[_OPENING_WORDS:])


def _continued(
    ctx: LabContext, params: HumanOrMachineParams, opening: str, seed: int
) -> dict[str, tuple[Trace, ...]]:
    fewer = max(1, params.draws // 4)
    counts = {
        name: params.draws if name == OWN else 1 if spec == "greedy" else fewer
        for name, spec in KINDS.items()
    }
    specs = [KINDS[name] for name, count in counts.items() for _ in range(count)]
    traces = list(ctx.generate(opening, specs, max_new_tokens=params.tokens, seed=seed))
    return {name: tuple(traces.pop(0) for _ in range(count)) for name, count in counts.items()}


def _by_length(texts: dict[str, list[Trace]], most: int) -> Series:
    """T of the first n tokens, averaged over texts that have as many."""
    lengths = [n for n in _WINDOWS if n <= most]
    lines = []
    for name, traces in texts.items():
        found = [
            (n, mean_of([statistic(t.steps[:n]) for t in traces if len(t.steps) >= n]))
            for n in lengths
            if sum(len(t.steps) >= n for t in traces) > 1
        ]
        if found:
            lines.append(
                Line(
                    name,
                    tuple(float(n) for n, _ in found),
                    tuple(m.value for _, m in found),
                    tuple(m.low for _, m in found),
                    tuple(m.high for _, m in found),
                )
            )
    return Series(
        "T as tokens arrive",
        Axis("tokens"),
        Axis("T = mean entropy - log-perplexity", "nats"),
        tuple(lines),
        ((0.0, "what the model expects of its own"),),
    )


def _table(texts: dict[str, list[Trace]], threshold: float) -> Table:
    own = [abs(statistic(t.steps)) for t in texts[OWN]]
    rows = []
    for name, traces in texts.items():
        values = [statistic(t.steps) for t in traces]
        if not values:
            continue
        inside = sum(abs(v) < threshold for v in values) / len(values)
        apart = None if name == OWN else auc(own, [abs(v) for v in values])
        rows.append((name, len(values), mean_of(values).value, inside, apart))
    columns = (
        "text",
        "texts",
        "mean T",
        f"share with |T| < {threshold:g} nats",
        "AUC of |T| against the model's own",
    )
    units = ("", "", "nats", "share", "")
    return Table("Whose text is it?", columns, tuple(rows), units)


def _plane(texts: dict[str, list[Trace]]) -> Points:
    groups = tuple(
        (name, tuple(_place(trace) for trace in traces)) for name, traces in texts.items()
    )
    return Points(
        "Log-perplexity against mean entropy",
        Axis("mean entropy", "nats"),
        Axis("log-perplexity", "nats"),
        groups,
        diagonal=True,
    )


def _place(trace: Trace) -> tuple[float, float]:
    n = len(trace.steps)
    return sum(s.entropy for s in trace.steps) / n, sum(s.surprisal for s in trace.steps) / n


def _errors(texts: dict[str, list[Trace]], threshold: float) -> Iterator[Update]:
    """Both errors of the threshold by length, over windows that share no token."""
    own = {n: [v for t in texts[OWN] for v in windows(t.steps, n)] for n in _WINDOWS}
    given = {n: [v for t in texts[GIVEN] for v in windows(t.steps, n)] for n in _WINDOWS}
    lengths = [n for n in _WINDOWS if own[n] and given[n]]
    missed = [sum(abs(v) >= threshold for v in own[n]) for n in lengths]
    passed = [sum(abs(v) < threshold for v in given[n]) for n in lengths]
    places = tuple(float(n) for n in lengths)
    yield Series(
        "Errors of the threshold by length",
        Axis("tokens"),
        Axis("share of texts", "share", log=True),
        (
            Line(
                "own text taken for another's",
                places,
                tuple(m / len(own[n]) for n, m in zip(lengths, missed, strict=True)),
            ),
            Line(
                "another's text taken for the model's own",
                places,
                tuple(p / len(given[n]) for n, p in zip(lengths, passed, strict=True)),
            ),
        ),
    )
    found = decay(lengths, missed, [len(own[n]) for n in lengths])
    yield Scalar(
        "tokens that halve the error on own text",
        math.log(2) / found.rate if found.rate > 0 else math.inf,
        "tokens",
        n=found.points,
        about="from the slope of the line through the logarithms of the error",
    )
    yield Claim(
        "The error on the model's own text falls exponentially with length.",
        Scalar(
            "R² of a line through the logarithm of the error",
            found.r2,
            n=found.points,
            about="lengths with at least five errors; 0 where the error does not fall",
        ),
        ">=",
        0.9,
        "exponentially small in the length, by a concentration inequality",
    )


def _claims(texts: dict[str, list[Trace]]) -> Iterator[Claim]:
    values = {name: [statistic(t.steps) for t in traces] for name, traces in texts.items()}
    own = mean_of(values[OWN])
    yield Claim(
        "T of the model's own text is near 0.",
        Scalar(
            "|mean T|, own draws", abs(own.value), "nats", n=own.n,
            about=f"mean {own.value:.3f}, 95 % interval {own.low:.3f} to {own.high:.3f}",
        ),
        "<=",
        0.1,
        "0 in expectation",
    )  # fmt: skip
    sizes = [abs(v) for v in values[OWN]]
    for name, words in ((GIVEN, "Another writer's text"), ("greedy", "Greedy text")):
        yield Claim(
            f"{words} is clearly apart.",
            Scalar(
                f"AUC of |T|, {name} against own draws",
                auc(sizes, [abs(v) for v in values[name]]),
                n=len(values[name]) + len(sizes),
            ),
            ">=",
            0.9,
            "AUC 0.995 to 1.000 for models of 8 to 32 billion parameters, 150 to 200 tokens",
        )


def _own_text(ctx: LabContext, params: HumanOrMachineParams) -> Iterator[Update]:
    trace = ctx.score(params.text)
    value = statistic(trace.steps)
    whose = "as the model's own would be" if abs(value) < params.threshold else "not as its own"
    yield Scalar(
        "T of your text", value, "nats", n=len(trace.steps),
        about=f"{whose}: |T| {'<' if abs(value) < params.threshold else '>='} {params.threshold:g}",
    )  # fmt: skip


def _attribution(
    ctx: LabContext, params: HumanOrMachineParams, own: Sequence[Trace], passages: Sequence[str]
) -> Iterator[Update]:
    """Which of two models wrote a text: the one that finds it likelier, per text."""
    yield Progress(f"loading {params.other}")
    other = ctx.load(params.other.strip())
    rows = []
    theirs: list[Trace] = []
    for number, passage in enumerate(passages):
        ctx.check()
        theirs += ctx.generate(
            _split(passage)[0], ["ancestral"] * max(1, params.draws // 4),
            max_new_tokens=params.tokens, seed=ctx.seed + number, model=other,
        )  # fmt: skip
    chosen = own[:: max(1, len(own) // max(1, len(theirs)))][: len(theirs)]
    for name, traces, maker in (
        (ctx.model.info.id, chosen, ctx.model),
        (other.info.id, theirs, other),
    ):
        right = judged = 0
        ends = maker.tokenizer.eos_ids
        for number, trace in enumerate(traces):
            yield Progress(f"texts of {name}: {number + 1} of {len(traces)}", number / len(traces))
            rival = other if maker is ctx.model else ctx.model
            ids = [step.token_id for step in trace.steps if step.token_id not in ends]
            if not ids:
                continue
            # The maker reads its own ids; a rival with other tokens can only read the text.
            same = rival.tokenizer.digest == maker.tokenizer.digest
            mine = ctx.score(ids, trace.prompt.ids, model=maker)
            yours = (
                ctx.score(ids, trace.prompt.ids, model=rival)
                if same
                else ctx.score(trace.text, trace.prompt.text, model=rival)
            )
            judged += 1
            right += _log_p(mine) > _log_p(yours)
        rows.append((name, judged, right / judged if judged else None))
    columns = ("written by", "texts", "found right")
    yield Table("Which of the two wrote it?", columns, tuple(rows), ("", "", "share"))


def _log_p(trace: Trace) -> float:
    return -math.fsum(step.surprisal for step in trace.steps)


INFO = LabInfo(
    name="human_or_machine",
    title="Human or machine?",
    question="Can a model tell its own text from another's without any training?",
    family="analyse",
    papers=(
        Paper(
            "Zero-Shot Statistical Tests for LLM-Generated Text Detection using Finite Sample "
            "Concentration Inequalities",
            "Radvand et al.",
            2025,
            "2501.02406",
        ),
    ),
    fidelity="reduced scale",
    scaled_down="A small model in place of 8 to 32 billion parameters, twelve openings and texts "
    "of some hundred tokens in place of 400 of 150 to 200; the other writer's texts were written "
    "for this project.",
    seconds=14.0,
    params=HumanOrMachineParams,
    run=run,
    method=("explorer.labs.human_or_machine.statistics",),
    aliases=("detection", "zero_shot_tests"),
)
