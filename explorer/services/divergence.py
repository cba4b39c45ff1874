"""Where two lanes part: the first token they do not share, and how far their laws are apart there.

Up to that token both read the same text, so one model's law p is the same for both, and what
parts them is their sampling laws q (and their luck). With the model, q is computed whole; without
it, the stored tokens and the mass of the others give bounds that hold whatever the law is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from explorer.core.deferred import torch
from explorer.core.distribution import kl, log_normalise
from explorer.core.errors import InvalidParams, NumericalFailure
from explorer.core.forcing import forced_laws
from explorer.core.handle import ModelHandle
from explorer.core.types import TokenStep, Trace
from explorer.decoders.spec import Chain, parse
from explorer.services.prompts import make_prompt
from explorer.services.scoring import is_scored
from explorer.services.verify.views import view_at

if TYPE_CHECKING:
    from torch import Tensor

Span = tuple[float, float]
_ROUNDED = 1e-5
"""Six decimals of some ten numbers."""
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Side:
    """One of two lanes at the token where they part.

    Attributes:
        token_id: what it took; None where its text ends there.
        own: its q of its own token; -inf in nats where it has none.
        other: its q of the other's token, nats: what it thought of going the other way.
        would_say: its likeliest tokens there, with log q, likeliest first.
    """

    token_id: int | None
    own: float
    other: float
    would_say: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class Parting:
    """Where and how two lanes part.

    Attributes:
        index: the first token that differs; equal to a length where one text goes on.
        first: the first lane there.
        second: the second lane there.
        kl: KL(q of the first || q of the second), nats; least and most.
        kl_back: the same, the other way.
        js: Jensen-Shannon divergence, nats; at most log 2.
        exact: the laws were computed whole; else the spans are bounds.
    """

    index: int
    first: Side
    second: Side
    kl: Span
    kl_back: Span
    js: Span
    exact: bool

    def as_data(self, pieces: Mapping[int, str]) -> dict[str, object]:
        """As JSON has it; infinities are null."""
        return {
            "index": self.index,
            "first": _side(self.first, pieces),
            "second": _side(self.second, pieces),
            "kl": [_finite(x) for x in self.kl],
            "kl_back": [_finite(x) for x in self.kl_back],
            "js": [_finite(x) for x in self.js],
            "exact": self.exact,
        }


def first_divergence(a: Trace, b: Trace) -> int | None:
    """Index of the first token that differs; None where the texts are the same.

    Where one text is the beginning of the other it is the shorter one's length.

    Raises:
        InvalidParams: for traces of different prompts.
    """
    if a.prompt.ids != b.prompt.ids:
        raise InvalidParams("These traces follow different prompts.", "Take two of one run.")
    for i, (x, y) in enumerate(zip(a.token_ids, b.token_ids, strict=False)):
        if x != y:
            return i
    return None if len(a.steps) == len(b.steps) else min(len(a.steps), len(b.steps))


def parting(a: Trace, b: Trace, model: ModelHandle | None = None) -> Parting | None:
    """Where two lanes of one prompt part; None where they say the same.

    Args:
        a: one.
        b: another.
        model: the one that made both; None for what the traces themselves say.

    Raises:
        InvalidParams: for traces of different prompts, or a model that made neither.
    """
    index = first_divergence(a, b)
    if index is None:
        return None
    if model is not None:
        for trace in (a, b):
            if trace.model.digest != model.info.digest:
                raise InvalidParams(
                    f"{model.info.id} did not make both traces.", "Leave it out for bounds."
                )
        laws = [law_at(trace, index, model) for trace in (a, b)]
        if laws[0] is not None and laws[1] is not None:
            return _exact(index, a, b, laws[0], laws[1])
    if index >= min(len(a.steps), len(b.steps)):
        return _one_sided(index, a, b)
    return _bounded(index, a, b)


def law_at(trace: Trace, index: int, model: ModelHandle) -> Tensor | None:
    """log q [vocab] of a lane at one token; None where it cannot be computed along its text.

    Searches, and what reads hidden states or another model, cannot. A given token has the law p.
    """
    ids = (*trace.token_ids[:index], 0)
    is_given = is_scored(trace.decoder) or index < trace.given
    chain = None if is_given else parse(trace.decoder)
    if chain is not None and not _is_plain(chain):
        return None
    decoder = None if chain is None else chain.build()
    others = None if chain is None else _second(chain, trace, ids, model)
    law: Tensor | None = None
    for first, block in forced_laws(model, trace.prompt.ids, [ids]):
        logits, logprobs = block[0], log_normalise(block[0])
        for i in range(min(len(logits), index + 1 - first)):
            other = None if others is None else next(others)
            law = logprobs[i]
            if decoder is None or first + i < trace.given:
                continue
            here = slice(i, i + 1)
            view = view_at(trace, first + i, logits[here], logprobs[here], other, model)
            try:
                law = decoder.advance(view).logprobs[0]
            except NumericalFailure:
                return None
    return law


def _is_plain(chain: Chain) -> bool:
    second = chain.second
    return chain.build().width == 1 and not chain.reads_layers and not (second and second.model)


def _second(
    chain: Chain, trace: Trace, ids: tuple[int, ...], model: ModelHandle
) -> Iterator[Tensor] | None:
    if chain.second is None:
        return None
    prompt = trace.prompt
    if chain.second.prompt is not None:
        prompt = make_prompt(model, chain.second.prompt, chat=prompt.template == "chat")
    laws = forced_laws(model, prompt.ids, [ids])
    return (block[0, i : i + 1] for _, block in laws for i in range(block.shape[1]))


def _exact(index: int, a: Trace, b: Trace, p: Tensor, q: Tensor) -> Parting:
    p, q = p.double(), q.double()
    middle = torch.logaddexp(p, q) - math.log(2)
    js = max(0.0, float(kl(p, middle) + kl(q, middle)) / 2)
    there, back = max(0.0, float(kl(p, q))), max(0.0, float(kl(q, p)))
    x, y = _token(a, index), _token(b, index)
    return Parting(
        index,
        Side(x, _at(p, x), _at(p, y), _likeliest(p)),
        Side(y, _at(q, y), _at(q, x), _likeliest(q)),
        (there, there),
        (back, back),
        (js, js),
        exact=True,
    )


def _token(trace: Trace, index: int) -> int | None:
    return trace.token_ids[index] if index < len(trace.steps) else None


def _at(law: Tensor, token_id: int | None) -> float:
    return -math.inf if token_id is None else float(law[token_id])


def _likeliest(law: Tensor) -> tuple[tuple[int, float], ...]:
    best = law.topk(min(_SHOWN, len(law)))
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return tuple((i, x) for i, x in pairs if x > -math.inf)


def _known(step: TokenStep) -> tuple[dict[int, float], bool]:
    """q of the stored tokens, and whether that is all of q."""
    found = {c.token_id: math.exp(c.sampling_logprob) for c in (*step.top, *step.extra)}
    found[step.token_id] = math.exp(-step.sampling_surprisal)
    whole = sum(x > 0 for x in found.values()) == step.support_size
    return found, whole


def _bounded(index: int, a: Trace, b: Trace) -> Parting:
    """Bounds: the tokens known on both sides one by one, all others as one.

    Lumping tokens together can only lessen a divergence. At most, the others of one law are
    where the other law has nothing.
    """
    (p, p_whole), (q, q_whole) = _known(a.steps[index]), _known(b.steps[index])
    shared = {i for i in p | q if (i in p or p_whole) and (i in q or q_whole)}
    pairs = [(p.get(i, 0.0), q.get(i, 0.0)) for i in shared]
    rest = [max(0.0, 1.0 - math.fsum(x)) for x in zip(*pairs, strict=True)] if pairs else [1.0, 1.0]
    for k, (law, whole) in enumerate(((p, p_whole), (q, q_whole))):
        if whole and shared.issuperset(i for i, x in law.items() if x > 0):
            rest[k] = 0.0  # rounding aside
    js_known = math.fsum(_js_term(x, y) for x, y in pairs)
    return Parting(
        index,
        _seen(a, b, index, p, p_whole),
        _seen(b, a, index, q, q_whole),
        _kl_span(pairs, rest[0], rest[1]),
        _kl_span([(y, x) for x, y in pairs], rest[1], rest[0]),
        (
            max(0.0, js_known + _js_term(*rest) - _ROUNDED),
            min(math.log(2), js_known + sum(rest) / 2 * math.log(2) + _ROUNDED),
        ),
        exact=False,
    )


def _kl_span(pairs: list[tuple[float, float]], tail: float, other: float) -> Span:
    if any(x > 0 and y == 0 for x, y in pairs):
        return math.inf, math.inf
    known = math.fsum(x * math.log(x / y) for x, y in pairs if x > 0)
    if tail == 0:
        return max(0.0, known - _ROUNDED), max(0.0, known + _ROUNDED)
    if other == 0:
        return math.inf, math.inf
    return max(0.0, known + tail * math.log(tail / other) - _ROUNDED), math.inf


def _js_term(x: float, y: float) -> float:
    middle = (x + y) / 2
    return sum(z / 2 * math.log(z / middle) for z in (x, y) if z > 0)


def _seen(mine: Trace, other: Trace, index: int, law: dict[int, float], whole: bool) -> Side:
    def log_q(token_id: int | None) -> float:
        x = 0.0 if token_id is None else law.get(token_id, 0.0 if whole else math.nan)
        return math.log(x) if x > 0 else (x if math.isnan(x) else -math.inf)

    best = sorted((i for i in law if law[i] > 0), key=lambda i: -law[i])[:_SHOWN]
    own, theirs = _token(mine, index), _token(other, index)
    return Side(own, log_q(own), log_q(theirs), tuple((i, math.log(law[i])) for i in best))


def _one_sided(index: int, a: Trace, b: Trace) -> Parting:
    """One text ends: the law of the shorter one at that place is in no file."""
    unknown, nothing = (0.0, math.inf), Side(None, -math.inf, math.nan, ())
    sides = [
        _seen(x, y, index, *_known(x.steps[index])) if index < len(x.steps) else nothing
        for x, y in ((a, b), (b, a))
    ]
    js = (0.0, math.log(2))
    return Parting(index, sides[0], sides[1], unknown, unknown, js, exact=False)


def _finite(x: float) -> float | None:
    return round(x, 9) if math.isfinite(x) else None


def _side(side: Side, pieces: Mapping[int, str]) -> dict[str, object]:
    return {
        "token_id": side.token_id,
        "piece": None if side.token_id is None else pieces.get(side.token_id, ""),
        "own": _finite(side.own),
        "other": _finite(side.other),
        "other_is_known": not math.isnan(side.other),
        "would_say": [[i, pieces.get(i, ""), round(x, 6)] for i, x in side.would_say],
    }
