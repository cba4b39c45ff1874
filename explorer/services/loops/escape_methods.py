"""Methods that are handed a loop: the whole catalogue, or chosen ones at several strengths."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from explorer.core.errors import InvalidParams
from explorer.decoders import CATALOG
from explorer.decoders.families import FAMILIES
from explorer.decoders.quoting import split_outside_quotes
from explorer.decoders.spec import Chain, parse
from explorer.services import checks

MOST_STRENGTHS = 64
"""Specs that one written with "|" may stand for."""
GREEDY_AFTER = frozenset({"repetition", "contexts"})
"""Families of processors that move the likeliest token: greedy shows whether they do."""
LEFT_OUT = MappingProxyType(
    {
        "min_length": "it forbids the end mark only",
        "constrained_beam": "it must be told a phrase",
        "grammar": "it must be told a form",
        "logit_bias": "it must be told tokens",
        "banned_phrases": "it must be told phrases",
        "suppressed": "it must be told what",
        "forced": "it must be told a text",
    }
)
"""Stages of the catalogue that say nothing of loops as they are, and why."""


def catalogue() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Every method of the catalogue with its parameters as they are, by family.

    A chooser stands alone; a processor ends in greedy where it moves the likeliest token, and in
    a draw otherwise. `LEFT_OUT` names what is not here.

    Returns:
        (heading, specs) of each family, in the catalogue's order.
    """
    found: dict[str, list[str]] = {family: [] for family in FAMILIES}
    for name in CATALOG:
        if name not in LEFT_OUT:
            info = CATALOG[name]
            ends = info.kind == "processor" and info.family in GREEDY_AFTER
            found[info.family].append(f"{name}+greedy" if ends else name)
    return tuple((FAMILIES[family], tuple(specs)) for family, specs in found.items() if specs)


def all_specs() -> tuple[str, ...]:
    """The specs of `catalogue`, one after the other."""
    return tuple(spec for _, specs in catalogue() for spec in specs)


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a board.

    Attributes:
        chain: its stages.
        label: as it was written, which is shorter than the canonical spec.
    """

    chain: Chain
    label: str


def read_methods(specs: Sequence[str]) -> tuple[Method, ...]:
    """Methods of specs in which a value may be several: `nucleus:p=0.5|0.9|0.95` is three.

    Several values of several parameters stand for all pairs of them. A method that stands there
    twice counts once.

    Raises:
        InvalidParams, UnknownName: for a spec that is none, or no spec at all.
    """
    specs = [spec for spec in checks.texts("decoders", specs) if spec.strip()]
    found: dict[str, Method] = {}
    for label in (one for spec in specs for one in strengths(spec)):
        chain = parse(label)
        found.setdefault(chain.canonical, Method(chain, label.strip()))
    if not found:
        raise InvalidParams("No decoding method was named.", "Name one, such as nucleus:p=0.95.")
    return tuple(found.values())


def strengths(spec: str) -> tuple[str, ...]:
    """The specs that one with several values stands for.

    Raises:
        InvalidParams: for more than `MOST_STRENGTHS`.

    >>> strengths("temperature:temperature=0.5|1+top_k:k=5|50")[1]
    'temperature:temperature=0.5+top_k:k=50'
    """
    stages = []
    count = 1
    for stage in split_outside_quotes(spec, "+"):
        name, colon, arguments = stage.partition(":")
        pairs = split_outside_quotes(arguments, ",")
        choices = [_values(pair) for pair in pairs]
        for values in choices:
            count *= len(values)
        if count > MOST_STRENGTHS:
            raise InvalidParams(
                f"'{spec[:60]}' stands for more than {MOST_STRENGTHS} methods.",
                "Write fewer values between the signs |.",
            )
        stages.append([name + colon + ",".join(chosen) for chosen in itertools.product(*choices)])
    return tuple("+".join(chosen) for chosen in itertools.product(*stages))


def _values(pair: str) -> list[str]:
    key, equals, value = pair.partition("=")
    if not equals:
        return [pair]
    return [f"{key}={one.strip()}" for one in split_outside_quotes(value, "|")]
