"""A behaviour map as a plan: two parameters as axes, prompts, seeds; small, for a public page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from explorer.core.errors import InvalidParams
from explorer.core.params import ParamField, describe
from explorer.decoders.spec import format_value
from explorer.processors import ALL as PROCESSORS
from explorer.services.asked import typed, whole
from explorer.services.limits import Limits
from explorer.services.loops.prompts import bundled_prompts
from explorer.services.sweep.cells import count_cells
from explorer.services.sweep.plan import Plan, make_plan

LEAST_VALUES, MOST_VALUES = 2, 6
MOST_PROMPTS, MOST_SEEDS = 12, 8
MOST_TOKENS = 40_000
"""Of all runs of a map: their traces are kept while the page is open, a kilobyte a token."""
TOP = 5
MAUVE_SAMPLES = 1_000
MAUVE = (
    "MAUVE is not drawn: it compares two sets of texts by clustering them, and with few texts it"
    " says more of their number than of the method. Its authors took 5,000 texts a side (Pillutla"
    f" et al., 2021); under {MAUVE_SAMPLES:,} a place it is refused here, and no place of this map"
    " has more than {most:,}. For so many texts use `python -m explorer sweep`."
)


@dataclass(frozen=True, slots=True)
class AxisChoice:
    """A parameter that an axis may be.

    Attributes:
        key: as `Group.params` names it, such as "nucleus.p".
        stage: name of the processor.
        field: the parameter.
        title: for people.
    """

    key: str
    stage: str
    field: ParamField
    title: str


@cache
def axis_choices() -> dict[str, AxisChoice]:
    """Every numeric parameter of a processor that needs nothing else to be told."""
    found = {}
    for info in PROCESSORS:
        fields = describe(info.params)
        if info.second is not None or info.layers or any(f.type == "text" for f in fields):
            continue
        for field in fields:
            if field.type in ("float", "int"):
                key = info.name if field.name == info.name else f"{info.name}.{field.name}"
                title = info.title if field.name == info.name else f"{info.title}: {field.name}"
                found[key] = AxisChoice(key, info.name, field, title)
    return found


def form_data(limits: Limits) -> dict[str, Any]:
    """What the page's form offers, with its bounds."""
    choices = [
        {"key": c.key, "title": c.title, "about": c.field.description}
        for c in axis_choices().values()
    ]
    bounds = {
        "prompts": MOST_PROMPTS,
        "seeds": MOST_SEEDS,
        "tokens": limits.tokens,
        "all_tokens": MOST_TOKENS,
    }
    return {"axes": choices, "bounds": bounds}


@dataclass(frozen=True, slots=True)
class MapPlan:
    """A map's plan and its axes.

    Attributes:
        plan: as `sweep` runs it.
        prompts: texts.
        x: key of the horizontal axis.
        y: key of the vertical axis.
    """

    plan: Plan
    prompts: tuple[str, ...]
    x: str
    y: str


def map_plan(asked: Mapping[str, Any], limits: Limits) -> MapPlan:
    """The plan of a page's question.

    Raises:
        InvalidParams: naming what cannot be used, and what could.
    """
    x, y = (_axis(asked, name) for name in ("x", "y"))
    if x.key == y.key:
        raise InvalidParams("Both axes are the same parameter.", "Choose another for one.")
    first, second = (_values(asked, f"{name}_values", axis) for name, axis in (("x", x), ("y", y)))
    if x.stage == y.stage:
        spec = f"{x.stage}:{x.field.name}={first},{y.field.name}={second}"
    else:
        spec = f"{x.stage}:{x.field.name}={first}+{y.stage}:{y.field.name}={second}"
    tokens = whole(asked, "tokens", 1, limits.tokens)
    prompts = _prompts(asked, limits)
    given = {
        "models": [typed(asked, "model", 500)],
        "decoders": [spec],
        "prompts": prompts,
        "seeds": whole(asked, "seeds", 1, MOST_SEEDS),
        "max_new_tokens": tokens,
        "top": min(TOP, limits.top),
        "lanes": limits.lanes,
    }
    plan, texts = make_plan(given, "the map", None)
    cells = count_cells(plan, len(texts))
    if cells * tokens > MOST_TOKENS:
        raise InvalidParams(
            f"This map is {cells:,} runs of {tokens:,} tokens.",
            f"At most {MOST_TOKENS:,} tokens in all: take fewer values, prompts, seeds or tokens.",
        )
    return MapPlan(plan, texts, x.key, y.key)


def _axis(asked: Mapping[str, Any], name: str) -> AxisChoice:
    key = typed(asked, name, 200)
    if key not in axis_choices():
        raise InvalidParams(f"'{key}' is no axis.", "Choose one of the list.")
    return axis_choices()[key]


def _values(asked: Mapping[str, Any], name: str, axis: AxisChoice) -> str:
    """Values as a spec has them: "0.5|0.8"."""
    found = sorted(set(_numbers(typed(asked, name, 200), axis)))
    if not LEAST_VALUES <= len(found) <= MOST_VALUES:
        raise InvalidParams(
            f"{axis.title} has {len(found)} different values.",
            f"Give {LEAST_VALUES} to {MOST_VALUES}, such as 0.5, 0.8, 1.",
        )
    whole_numbers = axis.field.type == "int"
    return "|".join(format_value(int(x) if whole_numbers else x) for x in found)


def _numbers(text: str, axis: AxisChoice) -> Iterator[float]:
    for word in text.replace(";", " ").replace(",", " ").split():
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        is_whole = axis.field.type != "int" or number == round(number)
        if not math.isfinite(number) or not is_whole:
            kind = "whole number" if axis.field.type == "int" else "number"
            raise InvalidParams(f"'{word[:40]}' is no {kind}.", "Write 0.5, 0.8, 1 for three.")
        yield number


def _prompts(asked: Mapping[str, Any], limits: Limits) -> list[str]:
    """Own prompts, one a line; where there are none, the first of those that ask for loops."""
    own = [line for line in typed(asked, "texts").splitlines() if line.strip()]
    if len(own) > MOST_PROMPTS:
        raise InvalidParams(f"{len(own)} prompts were given.", f"Give at most {MOST_PROMPTS}.")
    for line in own:
        limits.check_text("A prompt", line)
    count = whole(asked, "prompts", 1, MOST_PROMPTS)
    return own or [prompt.text for prompt in bundled_prompts()[:count]]
