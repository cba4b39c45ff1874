"""The waterfall without the model: what the stored tokens and the mass of the others allow.

A trace keeps the likeliest tokens of a step with their log-probabilities. Of all others it says
how much probability they hold together, how many they are, and that none is likelier than the
least of the kept. Whatever the true law is, its numbers lie within the spans given here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from explorer.core.types import ParamValue, TokenStep
from explorer.core.waterfall import Span, StageRow

UNKNOWN = "the model: the stored tokens do not decide it"


@dataclass(frozen=True, slots=True)
class PartlyKnown:
    """A law of which some tokens are known; weights need not sum to one.

    Attributes:
        known: weight of each known token still possible.
        tail: weight of all other possible tokens together.
        count: how many they are.
        most: the most any one of them weighs.
    """

    known: Mapping[int, float]
    tail: Span
    count: Span
    most: float

    @property
    def total(self) -> Span:
        """Weight of everything."""
        weight = math.fsum(self.known.values())
        return weight + self.tail[0], weight + self.tail[1]


def from_step(step: TokenStep, vocab: int) -> PartlyKnown:
    """What a trace says of p at one step."""
    known = {c.token_id: math.exp(c.logprob) for c in (*step.top, *step.extra)}
    known.setdefault(step.token_id, math.exp(-step.surprisal))
    rest = max(0.0, 1.0 - math.fsum(known.values()))
    most = min((math.exp(c.logprob) for c in step.top), default=1.0)
    count = float(vocab - len(known))
    return PartlyKnown(known, (rest, rest), (count, count), min(most, rest) if count else 0.0)


def entropy_span(law: PartlyKnown) -> Span:
    """Least and most the entropy can be, nats.

    H = h(s) + (1 - s) H_known + s H_tail with s the share of the tail: concave in s, so least at
    an end of its range, and most at its one stationary point or at an end.
    """
    weight = math.fsum(law.known.values())
    h_known = -math.fsum(_plogp(w / weight) for w in law.known.values()) if weight else 0.0
    shares = [t / (weight + t) if weight + t else 0.0 for t in law.tail]
    if shares[1] == 0.0:
        return h_known, h_known
    # Fewest tokens that can hold the tail, and as many as there are.
    least = math.log(max(1.0, law.tail[0] / law.most)) if law.most > 0 and law.tail[0] else 0.0
    most = math.log(max(1.0, law.count[1]))

    def value(share: float, h_tail: float) -> float:
        mixing = -_plogp(share) - _plogp(1 - share)
        return mixing + (1 - share) * h_known + share * h_tail

    best = 1 / (1 + math.exp(min(700.0, h_known - most)))
    peak = min(max(best, shares[0]), shares[1])
    return min(value(s, least) for s in shares), value(peak, most)


def _plogp(p: float) -> float:
    return p * math.log(p) if p > 0 else 0.0


def kl_span(law: PartlyKnown, p: PartlyKnown) -> Span:
    """Least and most KL(law || p) can be, nats; p is a law, its weights sum to one.

    By the log-sum inequality the tail's part is least where law and p are proportional in it.
    Then KL = s log(s / P) + (1 - s) (log(1 - s) + K) with s and P the shares of the tail in law
    and p, and K = KL of the known tokens among themselves: convex in s, so least at its one
    stationary point or at an end. At most the tail sits on p's least likely token, which is not
    known: infinite unless the tail is gone.
    """
    weight = math.fsum(law.known.values())
    inner = math.fsum(w / weight * math.log(w / weight / p.known[i]) for i, w in law.known.items())
    if law.tail[1] == 0 or p.tail[1] == 0:
        return max(0.0, inner), max(0.0, inner)
    low, high = (t / (weight + t) for t in law.tail)
    odds = p.tail[1] * math.exp(min(700.0, inner))
    share = min(max(odds / (1 + odds), low), high)
    rest = _plogp(share) - share * math.log(p.tail[1]) + _plogp(1 - share) + (1 - share) * inner
    return max(0.0, rest), math.inf


Bounded = Callable[[PartlyKnown, Mapping[str, ParamValue]], PartlyKnown | None]
"""A stage on a partly known law; None where what it does is not decided."""


def _temperature(law: PartlyKnown, params: Mapping[str, ParamValue]) -> PartlyKnown | None:
    a = 1.0 / float(params["temperature"])
    known = {i: w**a for i, w in law.known.items()}
    (low, high), (_, count), most = law.tail, law.count, law.most
    if high == 0:
        return replace(law, known=known)
    even = [t**a * count ** (1 - a) for t in (low, high)]  # all tokens of the tail alike
    packed = [t * most ** (a - 1) for t in (low, high)]  # as few as can hold it
    tail = (even[0], packed[1]) if a >= 1 else (packed[0], even[1])
    return PartlyKnown(known, tail, law.count, most**a)


def _top_k(law: PartlyKnown, params: Mapping[str, ParamValue]) -> PartlyKnown | None:
    k = int(params["k"])
    if k == 0:
        return law
    if k > len(law.known):
        return None if law.count[1] else law
    order = sorted(law.known, key=lambda i: -law.known[i])
    if law.tail[1] > 0 and law.known[order[k - 1]] <= law.most:
        return None  # one of the others may be among the k
    return _only(law, [i for i in order if law.known[i] >= law.known[order[k - 1]]])


def _nucleus(law: PartlyKnown, params: Mapping[str, ParamValue]) -> PartlyKnown | None:
    p = float(params["p"])
    if p == 1:
        return law
    order = sorted(law.known, key=lambda i: -law.known[i])
    ends = []
    for total in law.total:
        reached, end = 0.0, None
        for place, i in enumerate(order):
            if law.tail[1] > 0 and law.known[i] < law.most:
                break  # one of the others may stand here
            reached += law.known[i]
            if reached >= p * total:
                end = place + 1
                break
        ends.append(end)
    if ends[0] is None or ends[0] != ends[1]:
        return None
    return _only(law, order[: ends[0]])


def _min_p(law: PartlyKnown, params: Mapping[str, ParamValue]) -> PartlyKnown | None:
    floor = float(params["p"]) * max(law.known.values())
    return _floored(law, (floor, floor))


def _epsilon(law: PartlyKnown, params: Mapping[str, ParamValue]) -> PartlyKnown | None:
    share = float(params["epsilon"])
    return _floored(law, (share * law.total[0], share * law.total[1]))


def _top_a(law: PartlyKnown, params: Mapping[str, ParamValue]) -> PartlyKnown | None:
    best = float(params["a"]) * max(law.known.values()) ** 2
    return _floored(law, (best / law.total[1], best / law.total[0]))


def _floored(law: PartlyKnown, floor: Span) -> PartlyKnown | None:
    """Cut what weighs less than a floor that is known up to a span."""
    best = max(law.known.values())
    kept = [[i for i, w in law.known.items() if w >= low or w == best] for low in floor]
    if kept[0] != kept[1]:
        return None
    if floor[1] == 0:
        return law
    if floor[0] > law.most:
        return _only(law, kept[0])
    left = max(0.0, law.tail[0] - law.count[1] * floor[1])
    fewest = math.ceil(left / law.most) if law.most > 0 else 0
    most = min(law.count[1], law.tail[1] // floor[0]) if floor[0] > 0 else law.count[1]
    known = {i: law.known[i] for i in kept[0]}
    return PartlyKnown(known, (left, law.tail[1]), (fewest, most), law.most)


def _only(law: PartlyKnown, kept: Sequence[int]) -> PartlyKnown:
    return PartlyKnown({i: law.known[i] for i in kept}, (0.0, 0.0), (0.0, 0.0), 0.0)


BOUNDED: Mapping[str, Bounded] = {
    "temperature": _temperature,
    "top_k": _top_k,
    "nucleus": _nucleus,
    "min_p": _min_p,
    "epsilon": _epsilon,
    "top_a": _top_a,
}
"""Stages whose effect on a partly known law can be bounded, by name."""


def bounded_waterfall(
    p: PartlyKnown,
    stages: Sequence[tuple[int, str, Mapping[str, ParamValue]]],
    chosen: int,
) -> tuple[tuple[StageRow, ...], int | None]:
    """Rows of spans, and the runner-up.

    Args:
        p: the model's law as far as it is known.
        stages: place in the chain as it ran, name and parameters, in the order to try.
        chosen: the token that was taken.

    Returns:
        The rows, from the first stage that the stored tokens do not decide on without numbers;
        and the likeliest known token other than the chosen.
    """
    second = max((i for i in p.known if i != chosen), key=lambda i: p.known[i], default=None)
    rows: list[StageRow] = []
    law: PartlyKnown | None = p
    for place, name, params in stages:
        bounded = BOUNDED.get(name)
        after = bounded(law, params) if law is not None and bounded is not None else None
        if law is None or after is None:
            rows.append(StageRow(place, missing=UNKNOWN))
        else:
            rows.append(_row(place, p, law, after, second))
        law = after
    return tuple(rows), second


def _row(
    place: int, p: PartlyKnown, before: PartlyKnown, after: PartlyKnown, second: int | None
) -> StageRow:
    gone = math.fsum(w for i, w in before.known.items() if i not in after.known)
    left = math.fsum(w for i, w in before.known.items() if i in after.known)
    tail_gone = after.tail[1] == 0
    shares = []
    for t in before.tail:
        most = t if tail_gone or after.count != before.count else 0.0
        least = t if tail_gone else 0.0
        shares += [(gone + most) / (gone + left + t), (gone + least) / (gone + left + t)]
    tokens = len(after.known)
    return StageRow(
        place,
        tokens_left=(tokens + after.count[0], tokens + after.count[1]),
        mass_cut=(min(shares), max(shares)),
        entropy_before=entropy_span(before),
        entropy_after=entropy_span(after),
        kl=kl_span(after, p),
        cut_runner_up=second in before.known and second not in after.known,
    )
