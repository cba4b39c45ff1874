from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field

from explorer.core.catalog import Catalog
from explorer.core.errors import InvalidParams, UnknownName
from explorer.core.params import Params, allowed, describe, parse_params
from explorer.decoders import CATALOG


class Sample(Params):
    share: float = Field(default=0.5, gt=0, le=1, description="A share.")
    count: int = Field(default=3, ge=1, description="A count.")
    loud: bool = Field(default=False, description="Shout.")
    kind: Literal["a", "b"] = Field(default="a", description="A kind.")


def test_fields_say_what_a_form_needs() -> None:
    share, count, loud, kind = describe(Sample)
    assert (share.minimum, share.exclusive_minimum, share.maximum) == (0.0, True, 1.0)
    assert (count.minimum, count.exclusive_minimum, count.maximum) == (1.0, False, None)
    assert (loud.type, kind.choices) == ("bool", ("a", "b"))
    assert [allowed(f) for f in (share, count, loud, kind)] == [
        "a number in (0, 1]",
        "a whole number in [1, inf)",
        "true or false",
        "one of a, b",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"share": "2"}, r"'x' cannot take share=2. Allowed: a number in \(0, 1\]. A share."),
        ({"share": "nan"}, "cannot take share=nan"),
        ({"share": "half"}, "cannot take share=half"),
        ({"count": "1.5"}, "cannot take count=1.5. Allowed: a whole number"),
        ({"kind": "c"}, "one of a, b"),
        ({"shre": "1"}, r"no parameter 'shre'. Did you mean 'share'\? Parameters: share, count"),
    ],
)
def test_a_bad_value_names_the_field_and_what_is_allowed(given, message) -> None:
    with pytest.raises(InvalidParams, match=message):
        parse_params("x", Sample, given)


def test_a_repeated_name_is_an_error_and_an_unknown_one_helps() -> None:
    greedy = CATALOG["greedy"]
    with pytest.raises(ValueError, match="twice"):
        Catalog("decoder", (greedy, greedy))
    first = ", ".join(sorted(CATALOG)[:3])
    with pytest.raises(UnknownName, match=rf"Did you mean 'nucleus'\? Available: {first}, "):
        CATALOG["top-p"]
    with pytest.raises(UnknownName, match=r"Did you mean 'locally_typical'"):
        CATALOG["localy typical"]
    assert "greedy" in CATALOG
    assert len(CATALOG) == len(CATALOG.items())
