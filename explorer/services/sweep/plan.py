"""The plan of a sweep: a TOML file, checked before anything runs.

    models = ["tiny"]
    decoders = ["greedy", "temperature:temperature=0.7|1+nucleus:p=0.8|0.95"]
    prompts = { bundled = "loops", first = 10 }
    seeds = 3
    max_new_tokens = 64

A value written `a|b` stands for both; several such values stand for all pairs of them.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from explorer.analyzers import CATALOG as ANALYZERS
from explorer.core.catalog import did_you_mean
from explorer.core.errors import ExplorerError, InvalidParams
from explorer.core.trace_schema import MAX_TOKENS, MAX_TOP
from explorer.decoders.spec import Chain
from explorer.services.generation import MAX_LANES, MAX_ROWS
from explorer.services.loops.escape_methods import read_methods
from explorer.services.loops.prompts import bundled_prompts, parse_prompts

MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_DECODERS = 1_000
MAX_SEEDS = 10_000
LOOP_RATE = "loop_rate"
METRICS = (LOOP_RATE, *ANALYZERS)
"""What can be shown; all of them are kept of every cell."""
SHOWN = (LOOP_RATE, "rep_4", "distinct_2", "mean_entropy", "perplexity")
SETS = {"loops": bundled_prompts}
"""Prompts that come with the project."""

Name = Annotated[str, Field(min_length=1, max_length=500)]
_WORDS = {
    "list_type": "must be a list",
    "too_short": "must not be empty",
    "int_type": "must be a whole number",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "model_type": 'must be a list of texts, or a table such as { bundled = "loops" }',
}
"""Complaints in our words; pydantic's own serve for the rest."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class PromptSource(_Strict):
    """Where prompts come from: exactly one of a bundled set, a file, or the texts themselves."""

    bundled: Literal["loops"] | None = None
    file: Name | None = None
    texts: Annotated[list[str], Field(min_length=1)] | None = None
    first: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _one(self) -> PromptSource:
        if sum(x is not None for x in (self.bundled, self.file, self.texts)) != 1:
            raise ValueError("give exactly one of bundled, file and texts")
        return self


class Plan(_Strict):
    """What is run, and what is shown of it.

    Attributes:
        models: names, as every command takes them.
        decoders: specs; `a|b` stands for several values.
        prompts: a list of texts, or a table (`PromptSource`).
        seeds: a number N for 0 … N-1, or a list. Decoders that do not draw run by the first.
        max_new_tokens: of every run.
        metrics: those that are shown; all are kept.
        engine: "local" or "ray".
        top: alternatives kept a token.
        chat: prompts go into the model's chat template.
        ignore_eos: go on past the end mark.
        lanes: specs in one lockstep run.
        runs_per_file: runs that are kept as one file. A kill costs at most the runs of one file
            a worker; a million traces want fewer files than that.
    """

    models: Annotated[list[Name], Field(min_length=1, max_length=50)]
    decoders: Annotated[list[Name], Field(min_length=1, max_length=MAX_DECODERS)]
    prompts: PromptSource
    seeds: int | list[int] = 1
    max_new_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] = 128
    metrics: Annotated[list[str], Field(min_length=1)] = list(SHOWN)
    engine: Literal["local", "ray"] = "local"
    top: Annotated[int, Field(ge=1, le=MAX_TOP)] = 10
    chat: bool = False
    ignore_eos: bool = False
    lanes: Annotated[int, Field(ge=1, le=MAX_ROWS)] = MAX_LANES
    runs_per_file: Annotated[int, Field(ge=1, le=1_000)] = 1

    @model_validator(mode="before")
    @classmethod
    def _listed_prompts(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("prompts"), list):
            return data | {"prompts": {"texts": data["prompts"]}}
        return data

    @field_validator("seeds", mode="before")
    @classmethod
    def _seeds(cls, seeds: Any) -> Any:
        listed = seeds if isinstance(seeds, list) else [seeds]
        if any(isinstance(seed, bool) or not isinstance(seed, int) for seed in listed):
            raise ValueError("must be a whole number N, for 0 to N-1, or a list of whole numbers")
        if isinstance(seeds, int) and not 1 <= seeds <= MAX_SEEDS:
            raise ValueError(f"must be 1 to {MAX_SEEDS:,}")
        if isinstance(seeds, list) and not 1 <= len(seeds) <= MAX_SEEDS:
            raise ValueError(f"must hold 1 to {MAX_SEEDS:,} seeds")
        if isinstance(seeds, list) and not all(0 <= seed < 2**63 for seed in seeds):
            raise ValueError("every seed must be 0 to 2^63 - 1")
        return seeds

    @property
    def chains(self) -> tuple[Chain, ...]:
        """The decoders, each once, in order.

        Raises:
            InvalidParams, UnknownName: for a spec that is none.
        """
        return tuple(method.chain for method in read_methods(self.decoders))

    @property
    def seed_list(self) -> tuple[int, ...]:
        """The seeds, each once, in order."""
        given = range(self.seeds) if isinstance(self.seeds, int) else self.seeds
        return tuple(dict.fromkeys(given))

    @property
    def model_list(self) -> tuple[str, ...]:
        """The models, each once, in order."""
        return tuple(dict.fromkeys(self.models))


def read_plan(path: Path) -> tuple[Plan, tuple[str, ...]]:
    """A plan and its prompts; a prompt file is looked for beside the plan.

    Raises:
        InvalidParams: naming the file, the key, what was found and what is allowed.
    """
    try:
        given = tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise InvalidParams(f"'{path}' is no TOML: {error}.", "See docs/scaling.md.") from None
    return make_plan(given, str(path), path.parent)


def make_plan(
    given: Mapping[str, Any], name: str, folder: Path | None
) -> tuple[Plan, tuple[str, ...]]:
    """A plan from its keys, and its prompts.

    Args:
        given: keys and values.
        name: of the plan, for messages.
        folder: in which a prompt file is looked for; None allows none.

    Raises:
        InvalidParams: as `read_plan`.
    """
    try:
        plan = Plan.model_validate(dict(given))
    except ValidationError as error:
        raise _readable(name, error) from None
    for metric in plan.metrics:
        if metric not in METRICS:
            near = did_you_mean(metric, METRICS)
            guess = f" Did you mean '{near}'?" if near else ""
            raise InvalidParams(
                f"'{name}': metrics: there is no '{metric}'.{guess}",
                f"Available: {', '.join(METRICS)}.",
            )
    try:
        if len(plan.chains) > MAX_DECODERS:
            raise InvalidParams(
                f"{len(plan.chains):,} methods are too many.", f"At most {MAX_DECODERS:,}."
            )
        wide = [c.canonical for c in plan.chains if c.build().width > MAX_ROWS]
        if wide:
            raise InvalidParams(f"'{wide[0]}' holds more than {MAX_ROWS} rows at once.")
    except ExplorerError as error:
        raise InvalidParams(f"'{name}': decoders: {error.message}", error.hint) from None
    return plan, _prompts(plan.prompts, name, folder)


def _prompts(source: PromptSource, name: str, folder: Path | None) -> tuple[str, ...]:
    if source.texts is not None:
        found = tuple(dict.fromkeys(source.texts))
        for text in found:
            if any("\ud800" <= letter <= "\udfff" for letter in text):
                raise InvalidParams(f"'{name}': prompts: a text is no UTF-8.", "Take it out.")
    elif source.bundled is not None:
        found = tuple(prompt.text for prompt in SETS[source.bundled]())
    elif folder is None:
        raise InvalidParams(f"'{name}': prompts.file: no file is read here.", "Give texts.")
    else:
        path = folder / str(source.file)
        try:
            found = tuple(prompt.text for prompt in parse_prompts(_read(path), path.name))
        except InvalidParams as error:
            raise InvalidParams(f"'{name}': prompts.file: {error.message}", error.hint) from None
    return found[: source.first]


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InvalidParams(f"'{path}' is larger than {MAX_FILE_BYTES:,} bytes.", "Cut it.")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise InvalidParams(f"'{path}' cannot be read: {reason}.", "Check it.") from None


def _readable(name: str, error: ValidationError) -> InvalidParams:
    """The first complaint in words, with the key it is about."""
    first = error.errors()[0]
    places = [str(part) for part in first["loc"]]
    key = ".".join(places) or "the plan"
    owner = PromptSource if key.startswith("prompts.") else Plan
    known = ", ".join(owner.model_fields)
    if first["type"] == "extra_forbidden":
        near = did_you_mean(places[-1], owner.model_fields)
        guess = f" Did you mean '{near}'?" if near else ""
        return InvalidParams(f"'{name}': there is no key '{key}'.{guess}", f"Keys: {known}.")
    if first["type"] == "missing":
        return InvalidParams(f"'{name}': the key '{key}' is missing.", f"Keys: {known}.")
    said = _WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
    said = said.removeprefix("Input ")
    found = repr(first["input"])[:60]
    return InvalidParams(f"'{name}': {key}: {said}; got {found}.", "See docs/scaling.md.")
