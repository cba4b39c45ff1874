"""Order does not matter: the same options in every order, read as a list and as a set."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

from pydantic import Field

from explorer.core.detokenize import piece
from explorer.core.distribution import log_normalise
from explorer.core.errors import InvalidParams
from explorer.core.handle import Capability
from explorer.core.lab import Claim, LabContext, LabInfo, Paper, Progress, Update
from explorer.core.params import Params
from explorer.core.results import Axis, Heatmap, Scalar, Table
from explorer.labs.set_prompting.layout import layout

if TYPE_CHECKING:
    from torch import Tensor

MOST_OPTIONS = 5
VARIANTS = {
    "as a list": (False, False),
    "shared positions only": (True, False),
    "blind to each other only": (False, True),
    "as a set": (True, True),
}
"""Whether members of the set begin at one position, and whether they do not see each other."""
LIST, SET = "as a list", "as a set"


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt with options in the middle."""

    before: str
    options: tuple[str, ...]
    after: str


QUESTIONS = (
    Question(
        "Three animals live on the farm:",
        (" a big brown horse", " a small white goat", " a very old dog"),
        ". The children like best the",
    ),
    Question(
        "The shop sells fruit today:",
        (" red apples", " yellow bananas", " sweet green pears", " ripe plums"),
        ". The boy bought some",
    ),
    Question(
        "Anna has three friends:",
        (" Tom, who is tall", " Lily, who is kind", " Max, who is funny"),
        ". When she was sad, she went to see",
    ),
    Question(
        "In the box there were toys:",
        (" a blue ball", " a wooden train", " a soft bear"),
        ". The girl took out the",
    ),
    Question(
        "It can be one of these:",
        (" sunny", " rainy", " windy", " snowy"),
        ". She looked out of the window and said that it was",
    ),
    Question(
        "The wizard offered three gifts:",
        (" a golden ring", " a magic book", " a silver sword"),
        ". The hero chose the",
    ),
)


class SetPromptingParams(Params):
    """Parameters of the lab."""

    questions: int = Field(
        default=6, ge=1, le=6, description="Prompts of ours with 3 or 4 options, in all orders."
    )
    before: str = Field(
        default="", max_length=2_000, description="A prompt of yours: what stands before its set."
    )
    options: str = Field(
        default="", max_length=2_000, description="Its options, with | between them: 2 to 5."
    )
    after: str = Field(
        default="", max_length=2_000, description="What follows; the next token is asked for."
    )


def run(ctx: LabContext, params: SetPromptingParams) -> Iterator[Update]:
    """Yield how far it is, tables and maps, and the claims."""
    asked = list(QUESTIONS[: params.questions])
    own = _own(params)
    if own is not None:
        asked.insert(0, own)
    moved: dict[str, list[float]] = {name: [] for name in VARIANTS}
    rows = []
    for number, question in enumerate(asked):
        laws: dict[str, list[Tensor]] = {}
        for name in VARIANTS:
            yield Progress(f"prompt {number + 1} of {len(asked)}, {name}", number / len(asked))
            laws[name] = list(_laws(ctx, question, name))
            moved[name].append(_most_moved(laws[name]))
        rows.append(_row(ctx, question, laws))
        yield Table("The next token, over all orders", _COLUMNS, tuple(rows))
        if number == 0:
            for name in (LIST, SET):
                yield _map(question, name, laws[name])
    yield Table(
        "How far the law of the next token moves with the order",
        ("the options are read", "largest |Δ log p|", "mean over prompts of the largest"),
        tuple((name, max(v), statistics.fmean(v)) for name, v in moved.items()),
        ("", "nats", "nats"),
    )
    yield from _claims(moved, len(asked))


def _own(params: SetPromptingParams) -> Question | None:
    texts = (params.before, params.options, params.after)
    if not any(text.strip() for text in texts):
        return None
    options = tuple(part for part in params.options.split("|") if part.strip())
    if not 2 <= len(options) <= MOST_OPTIONS or not all(text.strip() for text in texts):
        raise InvalidParams(
            f"Your prompt has {len(options)} options.",
            f"Fill in before, options and after, with 2 to {MOST_OPTIONS} options and | between.",
        )
    return Question(params.before, options, params.after)


def _laws(ctx: LabContext, question: Question, variant: str) -> Iterator[Tensor]:
    """log p of the next token for every order of the options; pieces are read each for itself."""
    tokenizer = ctx.model.tokenizer
    before = tokenizer.encode(question.before)
    options = [tokenizer.encode_continuation(text) for text in question.options]
    after = tokenizer.encode_continuation(question.after)
    shared, blind = VARIANTS[variant]
    for order in permutations(options):
        ctx.check()
        found = layout([before, list(order), after], shared_positions=shared, blind=blind)
        logits = ctx.model.read_masked(found.ids, found.positions, found.allowed)
        yield log_normalise(logits[-1:])[0]


def _most_moved(laws: Sequence[Tensor]) -> float:
    """The largest difference of any token's log-probability between two orders, nats."""
    highest, lowest = laws[0].clone(), laws[0].clone()
    for law in laws[1:]:
        highest, lowest = highest.maximum(law), lowest.minimum(law)
    return float((highest - lowest).max())


_COLUMNS = ("prompt", "orders", "likeliest next, as a list", "likeliest next, as a set")


def _row(
    ctx: LabContext, question: Question, laws: dict[str, list[Tensor]]
) -> tuple[str | int, ...]:
    def said(name: str) -> str:
        counts: dict[str, int] = {}
        for law in laws[name]:
            likeliest = piece(ctx.model.tokenizer, int(law.argmax()))
            counts[likeliest] = counts.get(likeliest, 0) + 1
        most = sorted(counts.items(), key=lambda item: -item[1])
        return ", ".join(f"“{text.strip()}” {count}x" for text, count in most)

    text = f"{question.before} […]{question.after}"
    return text, len(laws[LIST]), said(LIST), said(SET)


def _map(question: Question, name: str, laws: Sequence[Tensor]) -> Heatmap:
    """The largest |difference of log p| between any two orders."""
    letters = "ABCDE"[: len(question.options)]
    names = ["".join(order) for order in permutations(letters)]
    values = tuple(tuple(float((one - other).abs().max()) for other in laws) for one in laws)
    return Heatmap(
        f"Largest |Δ log p| between two orders, {name}",
        Axis("order of the options"),
        Axis("order"),
        tuple(names),
        tuple(names),
        values,
        "nats",
    )


def _claims(moved: dict[str, list[float]], prompts: int) -> Iterator[Claim]:
    yield Claim(
        "As a set, no order changes anything but rounding.",
        Scalar(
            "largest |Δ log p| over all orders, as a set", max(moved[SET]), "nats", n=prompts,
            about="over the whole vocabulary, all prompts",
        ),
        "<",
        1e-3,
        "identical outputs for every order, proven",
    )  # fmt: skip
    yield Claim(
        "As a list, order matters.",
        Scalar(
            "largest |Δ log p| over all orders, as a list", max(moved[LIST]), "nats", n=prompts,
            about="over the whole vocabulary, all prompts",
        ),
        ">",
        0.5,
        "accuracies of multiple choice differ by order for every model they tried",
    )  # fmt: skip
    half = [max(moved[name]) for name in VARIANTS if name not in (LIST, SET)]
    yield Claim(
        "Positions or masks alone are not enough.",
        Scalar("the smaller of the two largest |Δ log p|", min(half), "nats", n=prompts),
        ">",
        1e-3,
        "both changes are needed for the guarantee",
    )


INFO = LabInfo(
    name="set_prompting",
    title="Order does not matter",
    question="Can a model read a set, so that the order of its options changes nothing?",
    family="represent",
    papers=(
        Paper(
            "Set-Based Prompting: Provably Solving the Language Model Order Dependency Problem",
            "McIlroy-Young et al.",
            2024,
            "2406.06581",
        ),
    ),
    fidelity="replication",
    scaled_down="The construction is the authors', token for token; a small model and six prompts "
    "in place of multiple-choice benchmarks, so its price in accuracy is not measured.",
    seconds=3.0,
    params=SetPromptingParams,
    run=run,
    needs=frozenset({Capability.MASKS}),
    method=("explorer.labs.set_prompting.layout", "explorer.core.masked_forward"),
    aliases=("order", "sets"),
)
