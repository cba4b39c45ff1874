"""Hyperfitting: near-zero loss on a few texts, and what it does to greedy decoding."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from pydantic import Field

from explorer.analyzers.repetition import rep_n
from explorer.core.deferred import torch
from explorer.core.distribution import entropy as entropy_of
from explorer.core.distribution import log_normalise
from explorer.core.handle import ModelHandle
from explorer.core.lab import Claim, LabContext, LabInfo, Paper, Progress, Tuned, Update
from explorer.core.models import HFModel
from explorer.core.params import Params
from explorer.core.results import Axis, Line, Scalar, Series, Table, Traces
from explorer.labs.hyperfitting.measures import (
    WINDOW,
    CitationBlocker,
    longest_overlap,
    self_bleu,
    ttr,
)
from explorer.training.continuations import continuations
from explorer.training.finetune import Recipe, mean_loss, trainable_copy, tune

_OPENINGS = ("Once upon a time", "One day, a boy", "In the old house", "The dog ran")
_READ = 16
_NEW = 128


class HyperfittingParams(Params):
    """Parameters of the lab."""

    texts: int = Field(default=64, ge=8, le=256, description="Texts that are learnt by heart.")
    tokens: int = Field(default=96, ge=32, le=256, description="Length of a text.")
    epochs: int = Field(default=20, ge=1, le=60, description="Passes over all of them.")
    learning_rate: float = Field(
        default=5e-4,
        gt=0,
        le=0.01,
        description="Of Adam, constant, no weight decay; the paper's 1e-6 is for a model 200 "
        "times as large.",
    )
    contexts: int = Field(
        default=12, ge=2, le=32, description="Held-out texts whose beginnings are gone on from."
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """One model's greedy continuations and its losses.

    Attributes:
        train: mean surprisal of the training texts, nats.
    held_out: of texts it did not learn.
    entropy: mean over the tokens of those, as the authors' validation has it, nats.
    top_1: mean probability of the likeliest token there.
    ttr: type-token ratios, one a continuation.
        rep_4: mean share of repeated 4-grams.
        self_bleu: of all continuations.
        overlap: longest stretch of a training text, one a continuation.
    """

    train: float
    held_out: float
    entropy: float
    top_1: float
    ttr: tuple[float, ...]
    rep_4: float
    self_bleu: float
    overlap: tuple[int, ...]


def run(ctx: LabContext, params: HyperfittingParams) -> Iterator[Update]:
    """Yield how far it is, the training curve, both models side by side, and the claims."""
    model = trainable_copy(ctx.model)
    yield Progress("drawing texts from the model", 0.02)
    texts = _texts(ctx, params.texts + params.contexts, params.tokens)
    held_out, learnt = texts[-params.contexts :], texts[: -params.contexts]
    yield Progress("before", 0.1)
    before = _measured(ctx, ctx.model, model, learnt, held_out)
    opening = held_out[0][:_READ]
    shown = ctx.generate(opening, ["greedy"], max_new_tokens=_NEW)
    yield from _trained(ctx, params, model, learnt, held_out)
    tuned = HFModel.from_parts(model, ctx.model.tokenizer, id=f"{ctx.model.info.id}-hyperfitted")
    yield Tuned(tuned, "trained on a few texts until it knew them by heart")
    yield Progress("after", 0.9)
    after = _measured(ctx, tuned, model, learnt, held_out)
    blocked = _greedy(ctx, tuned, held_out, CitationBlocker(learnt).forbidden)
    yield _table(before, after, blocked, learnt)
    yield Traces("Greedy, before", shown, ("before",))
    shown = ctx.generate(opening, ["greedy"], max_new_tokens=_NEW, model=tuned)
    yield Traces("Greedy, hyperfitted", shown, ("hyperfitted",))
    yield from _claims(before, after)


def _texts(ctx: LabContext, count: int, tokens: int) -> list[list[int]]:
    """Texts drawn from the model at temperature 1, their openings included."""
    openings = [ctx.model.tokenizer.encode(opening) for opening in _OPENINGS]
    rows = [openings[i % len(openings)] for i in range(count)]
    texts = continuations(ctx.model, rows, tokens, seed=ctx.seed, check=ctx.check)
    return [text for text in texts if len(text) > _READ]


def _trained(
    ctx: LabContext,
    params: HyperfittingParams,
    model: torch.nn.Module,
    learnt: Sequence[Sequence[int]],
    held_out: Sequence[Sequence[int]],
) -> Iterator[Update]:
    recipe = Recipe(params.epochs, params.learning_rate)
    curve: list[tuple[float, float, float]] = []
    losses: list[float] = []
    for step in tune(model, learnt, recipe, ctx.seed):  # type: ignore[arg-type]  # a copy of ours
        ctx.check()
        losses.append(step.loss)
        per_epoch = step.of // params.epochs
        if step.number % per_epoch == 0:
            epoch = step.number // per_epoch
            curve.append((epoch, statistics.fmean(losses), _loss(model, held_out)))
            losses = []
            yield Progress(f"epoch {epoch} of {params.epochs}", 0.1 + 0.8 * step.number / step.of)
            yield _curve(curve)


def _curve(curve: Sequence[tuple[float, float, float]]) -> Series:
    epochs, train, held_out = (tuple(column) for column in zip(*curve, strict=True))
    return Series(
        "Losses while it learns by heart",
        Axis("epoch"),
        Axis("mean surprisal of a token", "nats"),
        (Line("training texts", epochs, train), Line("held-out texts", epochs, held_out)),
    )


def _loss(model: torch.nn.Module, texts: Sequence[Sequence[int]]) -> float:
    model.train(False)
    with torch.inference_mode():
        found = float(mean_loss(model, texts))  # type: ignore[arg-type]  # a copy of ours
    model.train()
    return found


def _measured(
    ctx: LabContext,
    handle: ModelHandle,
    model: torch.nn.Module,
    learnt: Sequence[Sequence[int]],
    held_out: Sequence[Sequence[int]],
) -> Measured:
    ids = _greedy(ctx, handle, held_out)
    entropy, top_1 = _sharpness(model, held_out)
    return Measured(
        train=_loss(model, learnt[: 2 * len(held_out)]),
        held_out=_loss(model, held_out),
        entropy=entropy,
        top_1=top_1,
        ttr=tuple(ttr(row) for row in ids),
        rep_4=statistics.fmean(rep_n(row, 4) or 0.0 for row in ids),
        self_bleu=self_bleu(ids),
        overlap=tuple(longest_overlap(row, learnt) for row in ids),
    )


def _sharpness(model: torch.nn.Module, texts: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Mean entropy, nats, and mean probability of the likeliest token along given texts."""
    entropies, tops = [], []
    with torch.inference_mode():
        for text in texts:
            laws = log_normalise(model(input_ids=torch.tensor([list(text)])).logits[0].float())
            entropies.append(float(entropy_of(laws).mean()))
            tops.append(float(laws.amax(-1).exp().mean()))
    return statistics.fmean(entropies), statistics.fmean(tops)


def _greedy(
    ctx: LabContext,
    handle: ModelHandle,
    texts: Sequence[Sequence[int]],
    forbid: Callable[[Sequence[int]], Collection[int]] = lambda _: (),
) -> list[list[int]]:
    """Greedy continuations of the beginnings of texts, end marks left out where more is there."""
    begun = [text[:_READ] for text in texts]
    found = continuations(handle, begun, _READ + _NEW, forbid=forbid, check=ctx.check)
    ends = handle.tokenizer.eos_ids
    rows = [row[_READ:] for row in found]
    return [row[:-1] if len(row) > 1 and row[-1] in ends else row for row in rows]


def _table(
    before: Measured,
    after: Measured,
    blocked: Sequence[Sequence[int]],
    learnt: Sequence[Sequence[int]],
) -> Table:
    free_ttr = _mean([ttr(row) for row in blocked])
    free_overlap = _mean([longest_overlap(row, learnt) for row in blocked])
    free_rep = _mean([rep_n(row, 4) or 0.0 for row in blocked])
    rows = (
        ("mean surprisal, training texts (nats)", before.train, after.train, None),
        ("mean surprisal, held-out texts (nats)", before.held_out, after.held_out, None),
        ("entropy along held-out texts (nats)", before.entropy, after.entropy, None),
        ("probability of the likeliest token there", before.top_1, after.top_1, None),
        (f"TTR of the last {WINDOW} tokens", _mean(before.ttr), _mean(after.ttr), free_ttr),
        ("rep-4", before.rep_4, after.rep_4, free_rep),
        ("self-BLEU-4 over continuations", before.self_bleu, after.self_bleu, None),
        (
            "longest overlap with a training text",
            _mean(before.overlap),
            _mean(after.overlap),
            free_overlap,
        ),
    )  # fmt: skip
    return Table(
        "Before and after",
        ("over all texts or greedy continuations", "before", "hyperfitted", "citations blocked"),
        rows,
    )


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values)


def _claims(before: Measured, after: Measured) -> Iterator[Claim]:
    yield Claim(
        "The training texts are learnt to near-zero loss.",
        Scalar("mean surprisal of the training texts", after.train, "nats"),
        "<=",
        0.1,
        "training loss near 0",
    )
    yield Claim(
        "Loss on held-out texts rises.",
        Scalar("rise of the mean surprisal", after.held_out - before.held_out, "nats"),
        ">",
        0.0,
        "validation loss grows",
    )
    yield Claim(
        "Greedy text becomes more diverse.",
        Scalar(
            f"rise of the TTR of the last {WINDOW} tokens", _mean(after.ttr) - _mean(before.ttr),
            n=len(after.ttr),
        ),
        ">",
        0.0,
        "TTR stays above 0.5; preference of readers from 4.9 to 34.4 % (TinyLlama-1.1B)",
    )  # fmt: skip
    yield Claim(
        "The law collapses: entropy halves at least.",
        Scalar("entropy along held-out texts, after over before", after.entropy / before.entropy),
        "<=",
        0.5,
        "3.47 to 1.46 (Llama-3.1-8B)",
    )


INFO = LabInfo(
    name="hyperfitting",
    title="Hyperfitting",
    question="Why does learning a few texts by heart make greedy text better?",
    family="fine-tune",
    papers=(
        Paper(
            "The Hyperfitting Phenomenon: Sharpening and Stabilizing LLMs for Open-Ended Text "
            "Generation",
            "Carlsson et al.",
            2024,
            "2412.04318",
        ),
    ),
    fidelity="reduced scale",
    scaled_down="A copy of a small model learns 64 texts of 96 tokens, drawn from itself, "
    "in place of 2,000 stories of 256; the learning rate is larger, as small models need; no "
    "reader judges the texts.",
    seconds=65.0,
    params=HyperfittingParams,
    run=run,
    method=("explorer.training.finetune", "explorer.labs.hyperfitting.measures"),
    aliases=("hyperfit",),
)
