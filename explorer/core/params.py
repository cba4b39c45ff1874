"""Declared parameters: one class gives the check, the form, the help and the README row."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen
from pydantic import BaseModel, ConfigDict, ValidationError

from explorer.core.catalog import did_you_mean
from explorer.core.errors import InvalidParams
from explorer.core.types import ParamValue


class Params(BaseModel):
    """Base of every parameter class: frozen, strict about names, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class ParamField:
    """One parameter as a form, a help page or JSON shows it.

    Attributes:
        name: identifier in specs.
        type: "float", "int", "bool", "text" or "choice".
        default: value when it is not given.
        minimum: lower bound or None; `exclusive_minimum` says whether it is itself allowed.
        maximum: upper bound or None; `exclusive_maximum` as above.
        exclusive_minimum: the minimum itself is not allowed.
        exclusive_maximum: the maximum itself is not allowed.
        slider: (lowest, highest, step) of a slider that covers the useful range.
        choices: allowed values of a "choice".
        max_length: most characters of a "text".
        description: one sentence.
    """

    name: str
    type: Literal["float", "int", "bool", "text", "choice"]
    default: ParamValue
    minimum: float | None
    maximum: float | None
    exclusive_minimum: bool
    exclusive_maximum: bool
    slider: tuple[float, float, float] | None
    choices: tuple[str, ...]
    description: str
    max_length: int | None = None


def describe(params: type[Params]) -> tuple[ParamField, ...]:
    """The fields of a parameter class, in declared order."""
    return tuple(_field(name, info) for name, info in params.model_fields.items())


def _field(name: str, info: Any) -> ParamField:
    low, high, open_low, open_high, longest = None, None, False, False, None
    for bound in info.metadata:
        if isinstance(bound, Ge):
            low = float(bound.ge)  # type: ignore[arg-type]  # bounds are declared as numbers
        elif isinstance(bound, Gt):
            low, open_low = float(bound.gt), True  # type: ignore[arg-type]  # as above
        elif isinstance(bound, Le):
            high = float(bound.le)  # type: ignore[arg-type]  # as above
        elif isinstance(bound, Lt):
            high, open_high = float(bound.lt), True  # type: ignore[arg-type]  # as above
        elif isinstance(bound, MaxLen):
            longest = int(bound.max_length)
    annotation = info.annotation
    is_choice = get_origin(annotation) is Literal
    kind = "choice" if is_choice else _KINDS[annotation]
    slider = (info.json_schema_extra or {}).get("slider")
    return ParamField(
        name=name,
        type=kind,  # type: ignore[arg-type]  # a Literal built from a table
        default=info.default,
        minimum=low,
        maximum=high,
        exclusive_minimum=open_low,
        exclusive_maximum=open_high,
        slider=tuple(slider) if slider else None,
        choices=tuple(get_args(annotation)) if is_choice else (),
        description=info.description or "",
        max_length=longest,
    )


_KINDS = {float: "float", int: "int", bool: "bool", str: "text"}


def parse_params(owner: str, params: type[Params], given: Mapping[str, ParamValue]) -> Params:
    """Check values against a parameter class.

    Raises:
        InvalidParams: naming the parameter, the value found and what is allowed.
    """
    try:
        return params.model_validate(dict(given))
    except ValidationError as error:
        raise _readable(owner, params, error) from None


def _readable(owner: str, params: type[Params], error: ValidationError) -> InvalidParams:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else "?"
    known = [field.name for field in describe(params)]
    if first["type"] == "extra_forbidden":
        if not known:
            return InvalidParams(f"'{owner}' has no parameters, got '{name}'.")
        near = did_you_mean(name, known)
        guess = f" Did you mean '{near}'?" if near else ""
        return InvalidParams(
            f"'{owner}' has no parameter '{name}'.{guess}", f"Parameters: {', '.join(known)}."
        )
    said = first["msg"].removeprefix("Value error, ").rstrip(".")
    field = next((f for f in describe(params) if f.name == name), None)
    if field is None:  # a rule between several parameters
        return InvalidParams(f"'{owner}': {said}.")
    if first["type"] == "value_error":  # a text with a form of its own says itself what is wrong
        return InvalidParams(f"'{owner}' cannot take this {name}: {said}.", field.description)
    return InvalidParams(
        f"'{owner}' cannot take {name}={first['input']}.",
        f"Allowed: {allowed(field)}. {field.description}",
    )


def allowed(field: ParamField) -> str:
    """The values a parameter may take, in words.

    >>> from pydantic import Field
    >>> class P(Params):
    ...     p: float = Field(default=0.9, gt=0, le=1)
    >>> allowed(describe(P)[0])
    'a number in (0, 1]'
    """
    if field.type == "choice":
        return "one of " + ", ".join(field.choices)
    if field.type == "bool":
        return "true or false"
    if field.type == "text":
        return f"a text in double quotes of at most {field.max_length} characters"
    noun = "a whole number" if field.type == "int" else "a number"
    if field.minimum is None and field.maximum is None:
        return noun
    low = -math.inf if field.minimum is None else field.minimum
    high = math.inf if field.maximum is None else field.maximum
    left = "(" if field.exclusive_minimum or field.minimum is None else "["
    right = ")" if field.exclusive_maximum or field.maximum is None else "]"
    return f"{noun} in {left}{low:.10g}, {high:.10g}{right}"
