"""The round trip of one sentence: to its point, its box, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from explorer.latent.space import ArielSpace
from explorer.services.asked import text
from explorer.services.latent.maps import encode, plane_of
from explorer.services.latent.tongues import TONGUES
from explorer.services.latent.worlds import facts, open_space, ref_of, verdict

DIGITS = 24


def round_trip(asked: Mapping[str, Any]) -> dict[str, Any]:
    """A typed sentence to a point and back; see docs/wire.md, "latent: trip".

    Raises:
        InvalidParams: for a sentence that the space cannot hold.
    """
    ref = ref_of(asked)
    space = open_space(ref)
    words = TONGUES.language(ref.language).split(text(asked, "text"))
    judged = verdict(ref.language, words)
    code = encode(space, ref, words)[None]
    back = space.decode(code)[0]
    plane, _, _ = plane_of(space, ref, None, None)
    answer: dict[str, Any] = {
        **facts(ref.language, words),
        "why": "" if judged is None else judged.reason,
        "tokens": list(words),
        "point": code[0].tolist(),
        "place": plane.places(code)[0].tolist(),
        "back": list(back.words),
        "same": back.words == words,
        "box": None,
    }
    if isinstance(space, ArielSpace):
        answer["box"] = _box(space, words)
    return answer


def _box(space: ArielSpace[Any], words: tuple[str, ...]) -> dict[str, Any]:
    ids = space.ids(words)
    box = space.ariel.box(ids)
    exact = space.ariel.decode(box.centre)
    lows = [Fraction(0)] * space.dimensions
    widths = [Fraction(1)] * space.dimensions
    cuts = []
    for number, cut in enumerate(space.ariel.cuts(ids)):
        k = cut.dimension
        lows[k] += widths[k] * cut.below / cut.total
        widths[k] = widths[k] * cut.own / cut.total
        cuts.append(
            {
                "word": words[number] if number < len(words) else "",
                "dimension": k + 1,
                "below": cut.below / cut.total,
                "share": cut.own / cut.total,
                "bits": _bits(Fraction(cut.own, cut.total)),
                # Of the first two axes, for the map: low and width.
                "low": [float(x) for x in lows[:2]],
                "width": [float(x) for x in widths[:2]],
                "left": _bits(math.prod(widths, start=Fraction(1))),
            }
        )
    floats = space.decode(np.array([box.centre], dtype=np.float64))[0]
    certain = space.ariel.certain_tokens([float(x) for x in box.centre], exact)
    return {
        "bits": box.bits,
        "bits_by_dimension": list(box.bits_by_dimension),
        "exact_same": space.words.words(exact.tokens) == words and exact.ended,
        "float_same": floats.words == words,
        "certain": certain,
        "kl_nats": space.ariel.laws.kl_nats,
        "centre": [decimal(x) for x in box.centre],
        "cuts": cuts,
    }


def _bits(share: Fraction) -> float:
    return math.log2(share.denominator) - math.log2(share.numerator)


def decimal(value: Fraction, digits: int = DIGITS) -> str:
    """A number from 0 to 1 with so many digits behind the point; "…" where there are more.

    >>> decimal(Fraction(1, 4)), decimal(Fraction(1, 3), 5)
    ('0.25', '0.33333…')
    """
    shown, rest = divmod(value.numerator * 10**digits, value.denominator)
    text = f"{shown:0{digits + 1}d}"
    whole, behind = text[:-digits], text[-digits:]
    if rest:
        return f"{whole}.{behind}…"
    return f"{whole}.{behind.rstrip('0') or '0'}"
