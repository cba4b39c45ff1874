"""How a loop may be left: what lies beside its tokens, copy by copy, and when greedy is caught."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from explorer.analyzers.loop_copies import Stretch
from explorer.core.types import Candidate, TokenStep


@dataclass(frozen=True, slots=True)
class Exits:
    """One copy under the model's law p, whatever method wrote it.

    An exit is a place of the copy; its mass is 1 - p(the copy's token there), all that p gives to
    other tokens.

    Attributes:
        through: -log of the probability that draws from p write the whole copy, nats; inf where p
            forbids one of its tokens.
        mean: `through` a token: -log of the geometric mean of the probabilities.
        widest: index of the token with the largest exit.
        widest_mass: of that exit.
        narrowest: index of the token with the smallest exit.
        narrowest_mass: of that exit.
        other: id of the likeliest other token at the widest exit; None where none is kept.
        other_mass: its probability.
        margin: smallest log p(token) - log p(likeliest other) over the copy, nats: below 0 where
            greedy would leave; None where a place keeps no other token.
        argmax: at how many places the copy's token is the likeliest (ties count).
        tokens: of the copy.
    """

    through: float
    mean: float
    widest: int
    widest_mass: float
    narrowest: int
    narrowest_mass: float
    other: int | None
    other_mass: float
    margin: float | None
    argmax: int
    tokens: int


@dataclass(frozen=True, slots=True)
class Leaving:
    """The token after a loop that ended before its text did.

    Attributes:
        index: of that token.
        said: its id.
        mass: its probability.
        expected: id of the token the loop would have gone on with.
        expected_mass: its probability; None where it is not among the kept ones.
    """

    index: int
    said: int
    mass: float
    expected: int
    expected_mass: float | None


def exits(steps: Sequence[TokenStep], first: int, end: int) -> Exits:
    """The exits of one copy, tokens `first` to `end` - 1.

    Raises:
        ValueError: for a copy without a token.

    >>> def step(i, p, top):
    ...     kept = tuple(Candidate(t, math.log(q), math.log(q)) for t, q in top)
    ...     return TokenStep(0, 0, 0, i, 7, -math.log(p), 0.0, 0.0, 0, 0.0, 0.0, 1, kept)
    >>> found = exits([step(0, 0.5, [(7, 0.5), (3, 0.25)]), step(1, 0.75, [(7, 0.75)])], 0, 2)
    >>> found.widest, found.widest_mass, found.other, round(math.exp(-found.through), 4)
    (0, 0.5, 3, 0.375)
    """
    own = steps[first:end]
    if not own:
        raise ValueError(f"tokens {first} to {end} are no copy")
    masses = [-math.expm1(-step.surprisal) for step in own]
    widest = max(range(len(own)), key=masses.__getitem__)
    narrowest = min(range(len(own)), key=masses.__getitem__)
    other = _other(own[widest])
    through = sum(step.surprisal for step in own)
    return Exits(
        through=through,
        mean=through / len(own),
        widest=first + widest,
        widest_mass=masses[widest],
        narrowest=first + narrowest,
        narrowest_mass=masses[narrowest],
        other=None if other is None else other.token_id,
        other_mass=0.0 if other is None else math.exp(other.logprob),
        margin=_margin(own),
        argmax=sum(step.rank == 0 for step in own),
        tokens=len(own),
    )


def caught_from(steps: Sequence[TokenStep], stretch: Stretch) -> int | None:
    """The first copy from which on every token is the likeliest, to the loop's end.

    From there on greedy decoding goes on with the loop: wherever it stood in it, it would say the
    loop's next token. That is read off the tokens that stand there and promises nothing about the
    copies after them. Ties count as the likeliest. Loops that were left have no such copy.

    Returns:
        Its number from 0; None where a token of the last copy, which may be incomplete, is not
        the likeliest, or where the loop was left.
    """
    if stretch.end < len(steps):
        return None
    caught = None
    for number, (first, end) in reversed(tuple(enumerate(stretch.spans))):
        if any(step.rank for step in steps[first:end]):
            break
        caught = number
    return caught


def leaving(steps: Sequence[TokenStep], stretch: Stretch) -> Leaving | None:
    """How a loop was left; None where it goes on to the end of the text.

    What it would have gone on with is the token of the copy before: for loops whose copies differ,
    its place is that of the last copy's beginning.
    """
    if stretch.end >= len(steps):
        return None
    step, spans = steps[stretch.end], stretch.spans
    is_whole = stretch.whole == len(spans)
    done = 0 if is_whole else spans[-1][1] - spans[-1][0]
    begin = spans[stretch.whole - 1][0]
    expected = steps[begin + done].token_id
    kept = {c.token_id: c.logprob for c in (*step.top, *step.extra)}
    known = kept.get(expected)
    if expected == step.token_id:
        known = -step.surprisal
    return Leaving(
        stretch.end,
        step.token_id,
        math.exp(-step.surprisal),
        expected,
        None if known is None else math.exp(known),
    )


def _other(step: TokenStep) -> Candidate | None:
    """The likeliest token besides the one that was taken, of those that are kept."""
    return max(
        (c for c in (*step.top, *step.extra) if c.token_id != step.token_id),
        key=lambda c: c.logprob,
        default=None,
    )


def _margin(own: Sequence[TokenStep]) -> float | None:
    others = [_other(step) for step in own]
    margins = [
        math.inf if math.isinf(other.logprob) else -step.surprisal - other.logprob
        for step, other in zip(own, others, strict=True)
        if other is not None
    ]
    return min(margins) if len(margins) == len(own) else None
