"""The spec grammar: `name:param=value,param=value`, stages joined by `+`, run in that order.

Numbers are written as Python and JavaScript write them; the "+" of 1e+5 or =+1 joins no stages.
A chain of logits processors ends in an ancestral draw unless its last stage chooses otherwise.
The canonical form writes every parameter, so a spec in a trace says all there is to say even
after a default has changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from explorer.core.decoder import Decoder, Processor, Second, StageInfo
from explorer.core.errors import InvalidParams
from explorer.core.params import ParamField, Params, describe, parse_params
from explorer.core.types import ParamValue
from explorer.decoders import CATALOG, ancestral
from explorer.decoders.quoting import quote, split_outside_quotes, unquote

MAX_SPEC_LENGTH = 20_000
_BEFORE_NUMBER = re.compile(r"(?:[\d.][eE]|=)$")
_NUMBER = re.compile(r"[\d.]")


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a chain: its catalogue entry and its checked parameters."""

    info: StageInfo
    params: Params

    @property
    def canonical(self) -> str:
        """`name` or `name:param=value,…` with every parameter written."""
        written = ",".join(
            f"{f.name}={written_value(f, getattr(self.params, f.name))}"
            for f in describe(self.info.params)
        )
        return f"{self.info.name}:{written}" if written else self.info.name

    @property
    def is_neutral(self) -> bool:
        """A processor whose values change nothing."""
        neutral = self.info.neutral
        return bool(neutral) and all(getattr(self.params, k) == v for k, v in neutral.items())

    @property
    def idle(self) -> dict[str, str]:
        """Parameters that do nothing beside the others, each with the reason."""
        found: dict[str, str] = {}
        for rule in self.info.idle:
            if rule.holds(getattr(self.params, rule.other)):
                found |= {name: rule.reason for name in rule.params if name not in found}
        return found


@dataclass(frozen=True, slots=True)
class Chain:
    """A checked decoder spec: processors in order, then the chooser."""

    processors: tuple[Stage, ...]
    chooser: Stage
    explicit_chooser: bool

    @property
    def canonical(self) -> str:
        """The one spelling of this chain; `parse` gives the same chain back."""
        stages = [stage.canonical for stage in self.processors]
        if self.explicit_chooser or not stages:
            stages.append(self.chooser.canonical)
        return "+".join(stages)

    @property
    def title(self) -> str:
        """For people: "nucleus p=0.95", "temperature 0.8 + min-p p=0.05"."""
        shown = [*self.processors]
        if self.explicit_chooser or not shown:
            shown.append(self.chooser)
        return " + ".join(_stage_title(stage) for stage in shown)

    @property
    def sources(self) -> str:
        """The papers of its stages."""
        shown = [*self.processors, *([self.chooser] if self.explicit_chooser else [])]
        return "; ".join(stage.info.source for stage in shown or [self.chooser])

    @property
    def muted(self) -> tuple[str, ...]:
        """Stages that change nothing in this chain, each with the reason, in words."""
        reasons = []
        for place, stage in enumerate(self.processors):
            name = stage.info.title
            later = self.processors[place + 1 :]
            # A later stage that can move the argmax may move it elsewhere without this one.
            idle = all(x.info.keeps_argmax or x.is_neutral for x in later)
            if stage.is_neutral:
                values = ", ".join(f"{k}={format_value(v)}" for k, v in stage.info.neutral.items())
                reasons.append(f"{name} does nothing at {values}.")
            elif idle and stage.info.keeps_argmax and self.chooser.info.name == "greedy":
                reasons.append(f"{name} does nothing: greedy takes the likeliest token anyway.")
        return tuple(reasons)

    @property
    def is_deterministic(self) -> bool:
        """True where the seed changes nothing."""
        return not any(stage.info.draws for stage in (*self.processors, self.chooser))

    @property
    def second(self) -> Second | None:
        """The second context its stages compare with, or None."""
        for stage in (*self.processors, self.chooser):
            if stage.info.second is not None:
                return stage.info.second(stage.params)
        return None

    @property
    def reads_layers(self) -> bool:
        """True where a stage reads hidden states."""
        return any(stage.info.layers for stage in (*self.processors, self.chooser))

    @property
    def on_device(self) -> bool:
        """True where its choices can be recorded: all its stages say so."""
        return all(stage.info.on_device for stage in (*self.processors, self.chooser))

    def build(self) -> Decoder:
        """A new decoder object, for one lane of one request."""
        processors = [cast(Processor, s.info.build(s.params)) for s in self.processors]
        return cast(Decoder, self.chooser.info.build(self.chooser.params, processors))


def parse(spec: str) -> Chain:
    """Read and check a decoder spec.

    Raises:
        UnknownName: for a stage that does not exist, with the nearest right name.
        InvalidParams: for an unknown parameter, a value out of bounds, or stages that conflict.

    >>> parse("temperature:temperature=0.8+nucleus").canonical
    'temperature:temperature=0.8+nucleus:p=0.95'
    """
    if not isinstance(spec, str):
        raise InvalidParams(f"A decoder spec is a text, got {spec!r}.", "Write nucleus:p=0.95.")
    if len(spec) > MAX_SPEC_LENGTH:
        raise InvalidParams(
            f"A decoder spec of {len(spec):,} characters is too long.",
            f"At most {MAX_SPEC_LENGTH:,} are read.",
        )
    if not spec.strip():
        raise InvalidParams("The decoder spec is empty.", "Write one like nucleus:p=0.95.")
    parts = _parts(split_outside_quotes(spec, "+"))
    return _assemble(spec, [_stage(part.strip(), spec) for part in parts])


def _parts(pieces: Sequence[str]) -> list[str]:
    """Stages again, where a plus was that of an exponent or a sign: "…=1e" and "5" are one."""
    parts = [pieces[0]]
    for piece in pieces[1:]:
        if _BEFORE_NUMBER.search(parts[-1]) and _NUMBER.match(piece):
            parts[-1] += f"+{piece}"
        else:
            parts.append(piece)
    return parts


def _assemble(spec: str, stages: Sequence[Stage]) -> Chain:
    names = [stage.info.name for stage in stages]
    repeated = [name for i, name in enumerate(names) if name in names[:i]]
    if repeated:
        raise InvalidParams(
            f"'{repeated[0]}' stands twice in '{spec}'.", "Keep one of the two, or use two lanes."
        )
    early = [stage.info.name for stage in stages[:-1] if stage.info.kind == "chooser"]
    if early:
        raise InvalidParams(
            f"'{early[0]}' chooses the token, so nothing can follow it in '{spec}'.",
            f"Put '{early[0]}' last and keep one chooser.",
        )
    second = [stage.info.name for stage in stages if stage.info.second is not None]
    if len(second) > 1:
        raise InvalidParams(
            f"'{second[0]}' and '{second[1]}' each compare with a second context in '{spec}'.",
            "Keep one of the two, or use two lanes.",
        )
    if stages[-1].info.kind == "chooser":
        return Chain(tuple(stages[:-1]), stages[-1], explicit_chooser=True)
    default = Stage(ancestral.INFO, ancestral.AncestralParams())
    return Chain(tuple(stages), default, explicit_chooser=False)


def _stage(part: str, spec: str) -> Stage:
    name, _, arguments = part.partition(":")
    if not name:
        raise InvalidParams(f"A stage is missing in '{spec}'.", "Stages are joined by one '+'.")
    info = CATALOG[name.strip()]
    given: dict[str, ParamValue] = {}
    for pair in filter(None, (p.strip() for p in split_outside_quotes(arguments, ","))):
        key, equals, value = (piece.strip() for piece in pair.partition("="))
        if not equals or not key or not value:
            raise InvalidParams(
                f"'{pair}' in '{part}' is no param=value.", f"Write {info.name}:param=value."
            )
        if key in given:
            raise InvalidParams(f"'{key}' is given twice in '{part}'.", "Keep one of the two.")
        given[key] = unquote(value)
    return Stage(info, parse_params(info.name, info.params, given))


def _stage_title(stage: Stage) -> str:
    fields = describe(stage.info.params)
    if len(fields) == 1 and fields[0].name == stage.info.name:
        return f"{stage.info.title} {format_value(getattr(stage.params, fields[0].name))}"
    values = [f"{f.name}={format_value(getattr(stage.params, f.name))}" for f in fields]
    return " ".join([stage.info.title, *values])


def written_value(field: ParamField, value: ParamValue) -> str:
    """A value as it stands in a spec: texts quoted, all else as `format_value` has it."""
    return quote(str(value)) if field.type == "text" else format_value(value)


def format_value(value: ParamValue) -> str:
    """The one spelling of a value in specs: shortest decimal that reads back the same.

    >>> [format_value(v) for v in (1.0, 0.95, 5, True, "paper")]
    ['1', '0.95', '5', 'true', 'paper']
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    return str(value)
