"""Named orders: the order in which other programs run the same stages."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from explorer.core.catalog import Catalog
from explorer.decoders.spec import Chain, Stage


@dataclass(frozen=True, slots=True)
class Order:
    """An order of logits processors.

    Attributes:
        name: as it is asked for.
        title: for people.
        stages: names of processors, first to last.
        others: where processors go that it does not name, in their own order among themselves:
            "first" or "last".
        source: where the order stands.
    """

    name: str
    title: str
    stages: tuple[str, ...]
    others: str
    source: str


ORDERS: Catalog[Order] = Catalog(
    "order",
    (
        Order(
            "transformers",
            "transformers",
            (
                "temperature",
                "top_h",
                "top_k",
                "nucleus",
                "min_p",
                "locally_typical",
                "epsilon",
                "eta",
            ),
            # generate() puts penalties, bans and constraints in front of its warpers.
            "first",
            "transformers, GenerationMixin._get_logits_processor",
        ),
        Order(
            "llamacpp",
            "llama.cpp",
            (
                "repetition_penalty",
                "frequency_penalty",
                "presence_penalty",
                "dry",
                "top_n_sigma",
                "top_k",
                "locally_typical",
                "nucleus",
                "min_p",
                "xtc",
                "temperature",
            ),
            # It applies logit biases and grammars to the raw logits, before its samplers.
            "first",
            "llama.cpp, common_params_sampling",
        ),
    ),
    aliases={"hf": "transformers", "llama.cpp": "llamacpp", "llama_cpp": "llamacpp"},
)
"""By name."""

VARIANTS = MappingProxyType({"dynamic_temperature": "temperature"})
"""Stages that stand where another is named: llama.cpp's temperature has a range."""


def reordered(chain: Chain, order: str) -> Chain:
    """The same stages in a named order; the chooser stays last.

    Stages that the order does not name go where it says (`Order.others`), in the order they had.

    Raises:
        UnknownName: for an order that does not exist.

    >>> from explorer.decoders.spec import parse
    >>> reordered(parse("top_k:k=5+temperature:temperature=2"), "transformers").canonical
    'temperature:temperature=2+top_k:k=5'
    """
    named = ORDERS[order]
    places = {name: place for place, name in enumerate(named.stages)}
    elsewhere = -1 if named.others == "first" else len(places)

    def place(stage: Stage) -> int:
        name = stage.info.name
        return places.get(VARIANTS.get(name, name), elsewhere)

    return Chain(tuple(sorted(chain.processors, key=place)), chain.chooser, chain.explicit_chooser)
