"""Sharpening: the law after best-of-N, and a model trained on its own best answers."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from explorer.core.deferred import torch
from explorer.core.detokenize import text_of
from explorer.core.distribution import log_normalise
from explorer.core.intervals import mean_of
from explorer.core.lab import Claim, LabContext, LabInfo, Paper, Progress, Tuned, Update
from explorer.core.models import HFModel
from explorer.core.params import Params
from explorer.core.results import Axis, Line, Points, Scalar, Series, Table, Traces
from explorer.labs.sharpening.selection import (
    Law,
    chi_square,
    draws_needed,
    expected_best,
    selection_law,
)
from explorer.training.finetune import Recipe, trainable_copy, tune

if TYPE_CHECKING:
    pass

_OPENINGS = (
    "Once upon a time there was a", "The dog ran to the", "My mother said that", "In the box was a",
    "The king wanted to", "They went home and", "A bird sat on the", "The girl was very",
    "It was raining, so", "He opened the door and", "The old woman had a", "On the table stood a",
)  # fmt: skip
_K = 4
_LENGTH = 3
_POOL = 64
NUMBERS = (1, 2, 4, 8, 16, 32)
_LEVEL = 0.001


class SharpeningParams(Params):
    """Parameters of the lab."""

    n: int = Field(default=8, ge=2, le=32, description="Draws of which the likeliest is taken.")
    rounds: int = Field(
        default=512, ge=64, le=4_096, description="Times that the best of N is taken."
    )
    openings: int = Field(default=12, ge=2, le=12, description="Prompts of ours.")
    tokens: int = Field(default=24, ge=8, le=64, description="Length of answers to train on.")
    epochs: int = Field(default=3, ge=1, le=20, description="Passes over the best answers.")
    learning_rate: float = Field(default=2e-4, gt=0, le=0.01, description="Of Adam.")


def run(ctx: LabContext, params: SharpeningParams) -> Iterator[Update]:
    """Yield how far it is, the law of best-of-N, the gains over N, and the tuned model."""
    openings = _OPENINGS[: params.openings]
    yield Progress("every answer of three tokens", 0.02)
    laws = [_answers(ctx, opening) for opening in openings]
    yield from _law(ctx, params, openings[0], laws[0])
    yield _coverage(params, laws)
    yield from _trained(ctx, params, openings)


def _answers(ctx: LabContext, opening: str) -> dict[tuple[int, ...], float]:
    """log q of every answer of top-k sampling: k to the power of its length of them.

    Likelihood here is that of the law q they are drawn from, not of the model's whole law p.
    """
    ids = ctx.model.tokenizer.encode(opening)
    found: dict[tuple[int, ...], float] = {(): 0.0}
    for _ in range(_LENGTH):
        ctx.check()
        prefixes = list(found)
        batch = ctx.model.open_batch()
        *_, logits = batch.prefill(ids)
        assert isinstance(logits, torch.Tensor)
        if prefixes != [()]:
            batch.select([0] * len(prefixes))
            logits = batch.read([list(p) for p in prefixes])[:, -1]
        top = log_normalise(logits).topk(_K)
        logs = log_normalise(top.values)
        found = {
            (*prefix, int(token)): found[prefix] + float(log)
            for prefix, tokens, row in zip(prefixes, top.indices, logs, strict=True)
            for token, log in zip(tokens, row, strict=True)
        }
    return found


def _law(
    ctx: LabContext,
    params: SharpeningParams,
    opening: str,
    answers: dict[tuple[int, ...], float],
) -> Iterator[Update]:
    """The best of N draws of the engine against the closed form."""
    names = list(answers)
    q: Law = np.exp(np.array([answers[name] for name in names]))
    q /= q.sum()
    counts: Counter[int] = Counter()
    firsts: Counter[int] = Counter()
    for done, groups in _groups(ctx, params, opening, {name: i for i, name in enumerate(names)}):
        counts.update(max(group, key=lambda i: q[i]) for group in groups)
        firsts.update(group[0] for group in groups)
        yield Progress(f"{done} of {params.rounds} rounds", 0.05 + 0.25 * done / params.rounds)
    wanted = selection_law(q, params.n)
    best = [int(i) for i in np.argsort(-q)[:10]]
    texts = {i: text_of(ctx.model.tokenizer, names[i]) for i in best}
    rows = tuple(
        (texts[i], float(q[i]), _share(firsts, i), float(wanted[i]), _share(counts, i))
        for i in best
    )
    yield Table(
        f"The ten likeliest of {len(names)} answers, and how often each is the best of {params.n}",
        ("answer", "its q", "first draws", "closed form", "measured"),
        rows,
        ("", "share", "share", "share", "share"),
    )
    yield _sharpened(q, {i: texts[i] for i in best[:4]})
    found = chi_square([counts[i] for i in range(len(names))], wanted)
    yield Claim(
        "The law of the best of N is F(y)^N - F(<y)^N.",
        Scalar(
            "p-value of the counts under the closed form", found, n=counts.total(),
            about="Pearson's chi-square; answers expected fewer than five times pooled",
        ),
        ">=",
        _LEVEL,
        "exact, by counting",
    )  # fmt: skip


def _groups(
    ctx: LabContext, params: SharpeningParams, opening: str, places: dict[tuple[int, ...], int]
) -> Iterator[tuple[int, list[list[int]]]]:
    """Rounds done, and the answers of each new one; rounds with one that ended early are left."""
    done = 0
    while done < params.rounds:
        together = min(max(1, _POOL * 4 // params.n), params.rounds - done)
        traces = ctx.generate(
            opening, [f"top_k:k={_K}"] * (together * params.n), max_new_tokens=_LENGTH,
            seed=ctx.seed * 7_919 + done,
        )  # fmt: skip
        drawn = [places.get(t.token_ids) for t in traces]
        done += together
        rounds = [drawn[k * params.n : (k + 1) * params.n] for k in range(together)]
        yield done, [[i for i in r if i is not None] for r in rounds if None not in r]


def _share(counts: Counter[int], i: int) -> float:
    return counts[i] / max(1, counts.total())


def _sharpened(q: Law, texts: dict[int, str]) -> Series:
    law = {n: selection_law(q, n) for n in NUMBERS}
    return Series(
        "The law sharpens: mass of the likeliest answers",
        Axis("N", log=True),
        Axis("share of the answers taken", "share"),
        tuple(
            Line(text, tuple(map(float, NUMBERS)), tuple(float(law[n][i]) for n in NUMBERS))
            for i, text in texts.items()
        ),
    )


def _coverage(params: SharpeningParams, laws: Sequence[dict[tuple[int, ...], float]]) -> Points:
    """How surely the best of N is the likeliest answer, over how rare that answer is."""
    best = [math.exp(max(answers.values())) for answers in laws]
    return Points(
        f"How often the best of {params.n} is the likeliest answer, over the coverage",
        Axis("coverage, 1 / q of the likeliest answer", log=True),
        Axis("share", "share"),
        (
            ("prompts", tuple((1 / p, 1 - (1 - p) ** params.n) for p in best)),
            (
                "draws needed for 95 %, as a share of 100",
                tuple((1 / p, min(1.0, draws_needed(p, 0.05) / 100)) for p in best),
            ),
        ),
    )


def _trained(
    ctx: LabContext, params: SharpeningParams, openings: Sequence[str]
) -> Iterator[Update]:
    """A copy learns the best answers of the model; gains over N; likelihoods before and after."""
    pools: list[list[tuple[float, list[int]]]] = []
    chosen: list[list[int]] = []
    for number, opening in enumerate(openings):
        yield Progress("drawing answers", 0.3 + 0.3 * number / len(openings))
        traces = ctx.generate(
            opening, ["ancestral"] * _POOL, max_new_tokens=params.tokens, seed=ctx.seed + number
        )
        # Sums over texts of one length: shorter ones would be preferred for being short.
        whole = [t for t in traces if len(t.token_ids) == params.tokens]
        pool = [(-sum(s.surprisal for s in t.steps), list(t.token_ids)) for t in whole]
        pools.append(pool)
        for begin in range(0, len(pool) - params.n + 1, params.n):
            best = max(pool[begin : begin + params.n])
            chosen.append([*traces[0].prompt.ids, *best[1]])
    yield from _gains(params, pools)
    model = trainable_copy(ctx.model)
    before = ctx.generate(openings[0], ["greedy"], max_new_tokens=params.tokens)
    losses = []
    for step in tune(model, chosen, Recipe(params.epochs, params.learning_rate), ctx.seed):
        ctx.check()
        losses.append((float(step.number), step.loss))
        yield Progress(f"step {step.number} of {step.of}", 0.6 + 0.3 * step.number / step.of)
    steps, values = zip(*losses, strict=True)
    yield Series(
        "Training on its own best answers",
        Axis("step"),
        Axis("mean surprisal", "nats"),
        (Line("best answers", steps, values),),
    )
    tuned = HFModel.from_parts(model, ctx.model.tokenizer, id=f"{ctx.model.info.id}-sharpened")
    yield Tuned(tuned, "trained on its own best answers")
    yield from _judged(ctx, params, openings, tuned)
    after = ctx.generate(openings[0], ["greedy"], max_new_tokens=params.tokens, model=tuned)
    yield Traces("Greedy, before", before, ("before",))
    yield Traces("Greedy, sharpened", after, ("sharpened",))


def _gains(
    params: SharpeningParams, pools: Sequence[Sequence[tuple[float, list[int]]]]
) -> Iterator[Update]:
    """Mean log-likelihood a token of the best of N, by order statistics of 64 draws."""
    rows = [
        [expected_best([value for value, _ in pool], n) / params.tokens for n in NUMBERS]
        for pool in pools
        if len(pool) >= max(NUMBERS)
    ]
    if not rows:
        return
    means = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    yield Series(
        "Log-likelihood of the best of N",
        Axis("N", log=True),
        Axis("log p a token under the model", "nats"),
        (Line("mean over prompts", tuple(map(float, NUMBERS)), tuple(means)),),
    )
    whole, late = means[NUMBERS.index(16)] - means[0], means[-1] - means[NUMBERS.index(16)]
    yield Claim(
        "Gains saturate: from 16 to 32 draws little is left.",
        Scalar("gain from 16 to 32 over the gain from 1 to 16", late / whole, n=len(rows)),
        "<=",
        0.25,
        "best-of-N saturates at N of about 10 to 20",
    )


def _judged(
    ctx: LabContext, params: SharpeningParams, openings: Sequence[str], tuned: HFModel
) -> Iterator[Update]:
    """What the first model makes of draws of both, prompt by prompt."""
    figures: dict[str, list[float]] = {"before": [], "after": []}
    for number, opening in enumerate(openings):
        yield Progress("judging", 0.9 + 0.1 * number / len(openings))
        for name, maker in (("before", ctx.model), ("after", tuned)):
            traces = ctx.generate(
                opening, ["ancestral"] * 8, max_new_tokens=params.tokens,
                seed=ctx.seed + 10_007 + number, model=maker,
            )  # fmt: skip
            scored = [
                ctx.score(t.token_ids, t.prompt.ids) if maker is tuned else t
                for t in traces
                if t.token_ids
            ]
            figures[name].append(-statistics.fmean(s.surprisal for t in scored for s in t.steps))
    gains = [b - a for a, b in zip(figures["before"], figures["after"], strict=True)]
    rise = mean_of(gains)
    yield Table(
        "Draws at temperature 1, judged by the first model",
        ("model", "log p a token"),
        tuple((name, statistics.fmean(values)) for name, values in figures.items()),
        ("", "nats"),
    )
    yield Claim(
        "A model trained on its own best answers draws likelier ones.",
        Scalar(
            "rise of log p a token under the first model", rise.value, "nats",
            low=rise.low, high=rise.high, n=rise.n, about="mean over prompts",
        ),
        ">",
        0.0,
        "likelihoods rise by 1.5 to 48 % (Phi-3.5-mini: GSM8K, MATH)",
    )  # fmt: skip


INFO = LabInfo(
    name="sharpening",
    title="Sharpening",
    question="Can a model improve by preferring what it finds likely itself?",
    family="select",
    papers=(
        Paper(
            "Self-Improvement in Language Models: The Sharpening Mechanism",
            "Huang et al.",
            2024,
            "2412.01951",
        ),
    ),
    fidelity="reduced scale",
    scaled_down="Answers are three tokens of top-4 sampling, so that all 64 can be listed, and "
    "stories of 24 tokens to train on; no task with right answers, so accuracy is not measured.",
    seconds=24.0,
    params=SharpeningParams,
    run=run,
    method=("explorer.labs.sharpening.selection", "explorer.training.finetune"),
    aliases=("self_improvement",),
)
