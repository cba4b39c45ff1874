"""Values of a lab's parameters as they are typed: K=V on a command line, fields of a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from explorer.core.errors import InvalidParams
from explorer.core.lab import LabInfo
from explorer.core.params import describe, parse_params
from explorer.core.types import ParamValue
from explorer.services import checks


def read_values(info: LabInfo, given: Sequence[str]) -> dict[str, ParamValue]:
    """Typed pairs, checked by the lab's own rules.

    Args:
        info: whose parameters.
        given: "name=value" each.

    Raises:
        InvalidParams: for a pair without "=", a name the lab has not, or a value out of bounds.
    """
    values: dict[str, Any] = {}
    for pair in given:
        name, sign, text = pair.partition("=")
        if not sign:
            raise InvalidParams(f"{checks.shown(pair)} is no parameter.", "Write name=value.")
        values[name.strip()] = text
    return checked(info, values)


def checked(info: LabInfo, given: Mapping[str, Any]) -> dict[str, ParamValue]:
    """Values as text or as JSON has them, turned into what the lab takes.

    Raises:
        InvalidParams: naming the parameter, the value and what is allowed.
    """
    fields = {field.name: field for field in describe(info.params)}
    plain: dict[str, ParamValue] = {}
    for name, value in given.items():
        if isinstance(value, str) and name in fields and fields[name].type == "text":
            checks.text(f"The parameter {name}", value)
        if not isinstance(value, (str, int, float, bool)):
            raise InvalidParams(
                f"'{info.name}' cannot take {name}={checks.shown(value)}.",
                "Give a number, a text, or true or false.",
            )
        plain[name] = value
    parse_params(info.name, info.params, plain)
    return plain
