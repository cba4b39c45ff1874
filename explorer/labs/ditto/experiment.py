"""Break the loop by training: a copy learns that no repetition is likelier than the one before."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import Field

from explorer.analyzers.rep_sen import rep_sen
from explorer.analyzers.repetition import rep_n
from explorer.core.deferred import torch
from explorer.core.errors import InvalidParams
from explorer.core.handle import ModelHandle
from explorer.core.intervals import Figure, Z, pooled
from explorer.core.lab import Claim, LabContext, LabInfo, Paper, Progress, Tuned, Update
from explorer.core.models import HFModel
from explorer.core.params import Params
from explorer.core.repeated_copies import Unit, read_copies
from explorer.core.results import Axis, Line, Scalar, Series, Table, Traces
from explorer.labs.ditto.loss import ditto_loss
from explorer.labs.ditto.pseudo_data import Pseudo, choices, repeated
from explorer.training.continuations import continuations
from explorer.training.finetune import mean_loss, trainable_copy

if TYPE_CHECKING:
    from torch import Tensor

_OPENINGS = (
    "One day, a boy", "One morning, the dog", "One night, in the old house", "One girl",
    "One of the children", "One sunny day, Lily",
)  # fmt: skip
"""Of one first token, so that they go on together."""
_BASE = "Here is a story."
_SENTENCES = (
    "The little dog ran across the garden to the gate.",
    "She put the red ball into the big box.",
    "Tom and his sister walked to the park.",
    "The old man gave the bird some bread.",
    "They looked for the lost key all day.",
    "Mum made a cake with apples and honey.",
    "The boat was blue and very small.",
    "He was happy because the rain had stopped.",
)
_COPIES = 16
_READ = 50
_NEW = 100
_CLIP = 1.0
_POINTS = 20


class DittoParams(Params):
    """Parameters of the lab."""

    gamma: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="What a copy of a sentence may keep of the probability of the copy before.",
        json_schema_extra={"slider": [0.0, 1.0, 0.05]},
    )
    steps: int = Field(
        default=120, ge=2, le=1_000, description="Updates; every other one is of the new loss."
    )
    learning_rate: float = Field(
        default=1e-4, gt=0, le=0.01, description="Of Adam, constant, no weight decay."
    )
    batch: int = Field(default=8, ge=1, le=32, description="Texts an update.")
    texts: int = Field(default=128, ge=8, le=512, description="Texts that are trained on.")
    tokens: int = Field(default=128, ge=64, le=256, description="Length of a text.")
    contexts: int = Field(
        default=24, ge=2, le=64, description="Held-out texts whose beginnings are gone on from."
    )


@dataclass(frozen=True, slots=True)
class Measured:
    """One model's figures.

    Attributes:
        surprisal: of each held-out text, the sum over its tokens but the first, nats.
        continued: greedy continuations of their beginnings.
        copies: the sentences over their repetitions.
    """

    surprisal: tuple[float, ...]
    continued: tuple[tuple[int, ...], ...]
    copies: tuple[Unit, ...]


def run(ctx: LabContext, params: DittoParams) -> Iterator[Update]:
    """Yield how far it is, the losses, both models' figures and texts, and the claims."""
    model = trainable_copy(ctx.model)
    yield Progress("drawing texts from the model", 0.01)
    texts = _texts(ctx, params.texts + params.contexts, params.tokens)
    held_out = [text for text in texts if len(text) > _READ][-params.contexts :]
    learnt = [text for text in texts if not any(text is other for other in held_out)]
    yield Progress("before", 0.08)
    before = _measured(ctx, ctx.model, model, held_out)
    yield _reinforcement({"before": before.copies})
    yield from _trained(ctx, params, model, learnt)
    yield Progress("after", 0.9)
    tuned = HFModel.from_parts(model, ctx.model.tokenizer, id=f"{ctx.model.info.id}-ditto")
    yield Tuned(tuned, "trained not to feed its own repetitions")
    after = _measured(ctx, tuned, model, held_out)
    yield _reinforcement({"before": before.copies, "after": after.copies})
    for name, handle in (("before", ctx.model), ("after", tuned)):
        length = min(_NEW, params.tokens)
        shown = ctx.generate(held_out[0][:_READ], ["greedy"], max_new_tokens=length, model=handle)
        yield Traces(f"Greedy, {name}", shown, (name,))
    sizes = [len(text) - 1 for text in held_out]
    yield _table(before, after, sizes, _full_stop(ctx))
    yield from _claims(before, after, sizes)


def _full_stop(ctx: LabContext) -> int:
    return ctx.model.tokenizer.encode_continuation(".")[-1]


def _texts(ctx: LabContext, count: int, tokens: int) -> list[list[int]]:
    """Texts drawn from the model at temperature 1, their openings included and in turn."""
    openings = [ctx.model.tokenizer.encode(opening) for opening in _OPENINGS]
    rows = [openings[i % len(openings)] for i in range(count)]
    return continuations(ctx.model, rows, tokens, seed=ctx.seed, check=ctx.check)


def _trained(
    ctx: LabContext, params: DittoParams, model: Any, learnt: Sequence[Sequence[int]]
) -> Iterator[Update]:
    """Train in place: an update of maximum likelihood and one of the new loss in turn."""
    stop = _full_stop(ctx)
    loopable = [text for text in learnt if choices(text, stop)]
    if not loopable:
        raise InvalidParams(
            f"None of the {len(learnt)} texts that {ctx.model.info.id} drew has three full stops, "
            "so there is no sentence to repeat.",
            "Draw longer or more texts, or choose another model.",
        )
    draw = torch.Generator().manual_seed(ctx.seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr=params.learning_rate, weight_decay=0.0)
    curves: tuple[list[float], list[float]] = ([], [])
    each = max(2, params.steps // _POINTS)
    model.train()
    for number in range(params.steps):
        ctx.check()
        if number % 2:
            rows = _drawn(loopable, params.batch, draw)
            numbers = [_below(choices(row, stop), draw) for row in rows]
            texts = [
                repeated(row, stop, n, params.tokens) for row, n in zip(rows, numbers, strict=True)
            ]
            loss = _new_loss(model, texts, params.gamma)
        else:
            rows = _drawn(learnt, params.batch, draw)
            loss = mean_loss(model, [_window(row, draw) for row in rows])
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), _CLIP)
        optimiser.step()
        curves[number % 2].append(float(loss.detach()))
        if (number + 1) % each == 0 or number + 1 == params.steps:
            said = f"update {number + 1} of {params.steps}"
            yield Progress(said, 0.2 + 0.7 * (number + 1) / params.steps)
            yield _curve(curves, each // 2)
    model.train(False)


def _below(end: int, draw: torch.Generator) -> int:
    return int(torch.randint(end, (1,), generator=draw))


def _drawn(
    texts: Sequence[Sequence[int]], count: int, draw: torch.Generator
) -> list[Sequence[int]]:
    return [texts[_below(len(texts), draw)] for _ in range(count)]


def _window(text: Sequence[int], draw: torch.Generator) -> Sequence[int]:
    """A text from a place in its first half on, as windows of a corpus begin anywhere.

    Texts made to loop begin in the middle of a story. Where all others begin with an opening, the
    beginning tells both apart, and the copy learns to give little to whatever has no opening.
    """
    return text[_below(max(1, len(text) // 2), draw) :]


def _new_loss(model: Any, texts: Sequence[Pseudo], gamma: float) -> Tensor:
    """The new loss, a penalised token."""
    ids = torch.tensor([text.ids for text in texts], device=model.device)
    logits = model(input_ids=ids[:, :-1]).logits.float()
    probabilities = logits.softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)
    total, count = ditto_loss(probabilities, texts, gamma)
    return total / max(1, count)


def _curve(curves: tuple[list[float], list[float]], each: int) -> Series:
    """Both losses, averaged over so many updates of a kind."""
    lines = []
    for name, first, values in zip(
        ("maximum likelihood", "repetitions"), (1, 2), curves, strict=True
    ):
        groups = [values[i : i + each] for i in range(0, len(values), each)]
        places = [first + 2 * (i * each + len(group) - 1) for i, group in enumerate(groups)]
        lines.append(Line(name, tuple(map(float, places)), tuple(map(statistics.fmean, groups))))
    return Series(
        "Losses of its two kinds of updates",
        Axis("update"),
        Axis("loss, a token", "nats"),
        tuple(lines),
    )


def _measured(
    ctx: LabContext, handle: ModelHandle, model: Any, held_out: Sequence[Sequence[int]]
) -> Measured:
    beginnings = [text[:_READ] for text in held_out]
    texts = continuations(handle, beginnings, _READ + _NEW, check=ctx.check)
    surprisal = []
    with torch.inference_mode():
        for text in held_out:
            ctx.check()
            surprisal.append(float(mean_loss(model, [text])) * (len(text) - 1))
    encode = handle.tokenizer.encode_continuation
    rows = [tuple(encode(f" {sentence}")) for sentence in _SENTENCES]
    copies = read_copies(handle, handle.tokenizer.encode(_BASE), rows, _COPIES)
    return Measured(tuple(surprisal), tuple(tuple(t[_READ:]) for t in texts), tuple(copies))


def _reinforcement(models: dict[str, tuple[Unit, ...]]) -> Series:
    """TP, IP and WR by repetition, as `explorer reinforce` has them, of one model or both."""
    kinds: tuple[tuple[str, Callable[[Unit, int], float]], ...] = (
        ("TP", Unit.probability), ("IP", Unit.improved), ("WR", Unit.won),
    )  # fmt: skip
    numbers = range(_COPIES + 1)
    lines = []
    for when, units in models.items():
        sizes = [len(unit.token_ids) for unit in units]
        for kind, of in kinds:
            found = [pooled([of(unit, n) for unit in units], sizes) for n in numbers]
            lines.append(
                Line(
                    f"{kind} {when}",
                    tuple(map(float, numbers)),
                    tuple(figure.value for figure in found),
                    tuple(figure.low for figure in found),
                    tuple(figure.high for figure in found),
                )
            )
    return Series(
        "A sentence repeated: how it feeds itself",
        Axis("repetition"),
        Axis("of its tokens: mean probability, likelier than at first, likeliest", "share"),
        tuple(lines),
    )


def _reps(texts: Sequence[Sequence[int]], n: int) -> list[float]:
    return [rep_n(text, n) or 0.0 for text in texts]


def _mean(values: Sequence[float]) -> Figure:
    """A mean of shares over texts with its 95 % interval."""
    return pooled(values, [1] * len(values))


def _table(before: Measured, after: Measured, sizes: Sequence[int], full_stop: int) -> Table:
    kinds: tuple[tuple[str, Callable[[Measured], Figure]], ...] = (
        *((f"greedy rep-{n}", partial(_rep, n=n)) for n in (2, 3, 4)),
        ("greedy Rep-Sen", partial(_rep_sen, full_stop=full_stop)),
        ("perplexity of held-out texts", partial(_perplexity, sizes=sizes)),
        (f"probability of a sentence's tokens at repetition {_COPIES}", _last),
    )
    rows = []
    for name, of in kinds:
        one, two = of(before), of(after)
        rows.append((name, one.value, one.low, one.high, two.value, two.low, two.high))
    columns = ("", "before", "from", "to", "after", "from", "to")
    return Table("Before and after, with 95 % intervals over texts", columns, tuple(rows))


def _rep(found: Measured, n: int) -> Figure:
    return _mean(_reps(found.continued, n))


def _rep_sen(found: Measured, full_stop: int) -> Figure:
    return _mean([rep_sen(text, full_stop) for text in found.continued])


def _last(found: Measured) -> Figure:
    sizes = [len(unit.token_ids) for unit in found.copies]
    return pooled([unit.probability(_COPIES) for unit in found.copies], sizes)


def _perplexity(found: Measured, sizes: Sequence[int]) -> Figure:
    def value(places: Sequence[int]) -> float:
        return math.exp(
            math.fsum(found.surprisal[i] for i in places) / sum(sizes[i] for i in places)
        )

    return _jackknifed(value, len(sizes))


def _jackknifed(value: Callable[[Sequence[int]], float], n: int) -> Figure:
    """A figure of all texts, its interval by leaving out one at a time."""
    everything = range(n)
    whole = value(everything)
    left = [value([i for i in everything if i != out]) for out in everything]
    middle = statistics.fmean(left)
    half = Z * math.sqrt((n - 1) / n * math.fsum((x - middle) ** 2 for x in left))
    return Figure(whole, whole - half, whole + half, n)


def _claims(before: Measured, after: Measured, sizes: Sequence[int]) -> Iterator[Claim]:
    old, new = _reps(before.continued, 4), _reps(after.continued, 4)

    def fall(places: Sequence[int]) -> float:
        had = math.fsum(old[i] for i in places)
        return 1 - math.fsum(new[i] for i in places) / had if had else math.nan

    def rise(places: Sequence[int]) -> float:
        changed = math.fsum(after.surprisal[i] - before.surprisal[i] for i in places)
        return math.expm1(changed / sum(sizes[i] for i in places))

    yield Claim(
        "Greedy text repeats itself less: rep-4 falls by at least a third.",
        _scalar("fall of the mean rep-4, of what it was", _jackknifed(fall, len(sizes))),
        ">=",
        1 / 3,
        "rep-4 from 44.20 to 22.00 %, Rep-Sen from 14.50 to 2.85 % (750M, WikiText-103)",
    )
    yield Claim(
        "Other texts are predicted as well as before: perplexity rises by at most 3 %.",
        _scalar("rise of the perplexity of held-out texts", _jackknifed(rise, len(sizes))),
        "<=",
        0.03,
        "from 25.68 to 24.33, so it fell (750M, WikiText-103)",
    )


def _scalar(name: str, found: Figure) -> Scalar:
    return Scalar(name, found.value, "share", found.low, found.high, found.n)


INFO = LabInfo(
    name="ditto",
    title="Break the loop by training",
    question="Can a model be taught not to feed its own loops?",
    family="fine-tune",
    papers=(
        Paper(
            "Learning to Break the Loop: Analyzing and Mitigating Repetitions for Neural Text "
            "Generation",
            "Xu et al.",
            2022,
            "2206.02369",
        ),
    ),
    fidelity="reduced scale",
    scaled_down="A copy of a small model is trained for some hundred updates on texts drawn from "
    "itself, in place of 10,000 updates of a model of 750 million parameters on WikiText-103; "
    "sentences are repeated to 128 tokens in place of 1,536.",
    seconds=51.0,
    params=DittoParams,
    run=run,
    method=("explorer.labs.ditto.loss", "explorer.labs.ditto.pseudo_data"),
    aliases=("break_the_loop",),
)
