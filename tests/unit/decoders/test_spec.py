from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.core.errors import ExplorerError, InvalidParams, UnknownName
from explorer.core.params import describe
from explorer.decoders import CATALOG
from explorer.decoders.quoting import quote
from explorer.decoders.spec import MAX_SPEC_LENGTH, format_value, parse

# Texts that must have a form of their own.
_FORMATS = {
    "logit_bias": ["", "a:1", r" x\|y:-2.5|#7:100"],
    "latent_point": ["", "0.5 1/3", "0,1,0.25"],
    "grammar": [""],
}


@st.composite
def specs(draw) -> str:
    """Any valid spec: distinct processors with values inside their bounds, perhaps a chooser."""
    processors = [i for i in CATALOG.items() if i.kind == "processor"]
    choosers = [i for i in CATALOG.items() if i.kind == "chooser"]
    chain = draw(st.lists(st.sampled_from(processors), unique_by=lambda i: i.name, max_size=5))
    compare = [info for info in chain if info.second is not None]
    chain = [info for info in chain if info not in compare[1:]]
    choosers = [i for i in choosers if i.second is None or not compare]
    if not chain or draw(st.booleans()):
        chain.append(draw(st.sampled_from(choosers)))
    return "+".join(draw(stage(info)) for info in chain)


@st.composite
def stage(draw, info) -> str:
    given_values = []
    for field in describe(info.params):
        if not draw(st.booleans()):
            continue
        if field.type == "choice":
            value = draw(st.sampled_from(field.choices))
        elif field.type == "bool":
            value = format_value(draw(st.booleans()))
        elif field.type == "text":
            text = draw(st.text(max_size=20))
            if info.name in _FORMATS:
                text = draw(st.sampled_from(_FORMATS[info.name]))
            value = quote(text)
        elif field.type == "int":
            value = draw(st.integers(int(field.minimum), int(field.maximum)))
        else:
            value = draw(
                st.floats(
                    field.minimum,
                    field.maximum,
                    exclude_min=field.exclusive_minimum,
                    exclude_max=field.exclusive_maximum,
                )
            )
        given_values.append(
            f"{field.name}={value!r}" if field.type == "float" else f"{field.name}={value}"
        )
    return info.name + (":" + ",".join(given_values) if given_values else "")


@given(specs())
@settings(deadline=None)
def test_the_canonical_form_round_trips(spec: str) -> None:
    chain = parse(spec)
    again = parse(chain.canonical)
    assert again == chain
    assert again.canonical == chain.canonical
    assert chain.build().width >= 1


@given(st.text(max_size=60))
@settings(deadline=None)
def test_no_text_breaks_the_parser(text: str) -> None:
    with suppress(ExplorerError):
        assert parse(text).canonical


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("", InvalidParams, "empty"),
        ("nuclues", UnknownName, "Did you mean 'nucleus'"),
        ("nucleus:p", InvalidParams, "no param=value"),
        ("nucleus:p=", InvalidParams, "no param=value"),
        ("nucleus:p=0.5,p=0.6", InvalidParams, "given twice"),
        ("nucleus:p=1.5", InvalidParams, r"a number in \(0, 1\]"),
        ("temperature:temperature=0", InvalidParams, "0 is spelled greedy"),
        ("greedy+nucleus", InvalidParams, "Put 'greedy' last"),
        ("greedy+ancestral", InvalidParams, "keep one chooser"),
        ("nucleus+nucleus", InvalidParams, "stands twice"),
        ("nucleus++greedy", InvalidParams, "A stage is missing"),
        ("greedy:x=1", InvalidParams, "has no parameters"),
        ("a" * (MAX_SPEC_LENGTH + 1), InvalidParams, "too long"),
    ],
)
def test_a_bad_spec_says_what_is_wrong_and_what_is_right(spec, kind, message) -> None:
    with pytest.raises(kind, match=message):
        parse(spec)


def test_a_chain_without_a_chooser_ends_in_an_ancestral_draw() -> None:
    assert parse("top_k:k=5").chooser.info.name == "ancestral"
    assert parse("top_k:k=5").canonical == "top_k:k=5"
    assert parse("top_k:k=5+ancestral").canonical == "top_k:k=5+ancestral"


def test_a_muted_stage_says_who_muted_it() -> None:
    assert parse("nucleus:p=1").muted == ("nucleus does nothing at p=1.",)
    (reason,) = parse("temperature:temperature=2+greedy").muted
    assert "greedy takes the likeliest token anyway" in reason
    assert parse("locally_typical:mass=0.2+greedy").muted == ()
    assert parse("repetition_penalty+greedy").muted == ()
    assert parse("temperature:temperature=0.3+locally_typical:mass=0.2+greedy").muted == ()
    assert parse("top_k:k=1+no_repeat_ngram:n=2+greedy").muted == ()


def test_titles_read_as_words() -> None:
    assert parse("nucleus:p=0.95").title == "nucleus p=0.95"
    assert parse("temperature:temperature=0.8+min_p:p=0.1").title == "temperature 0.8 + min-p p=0.1"


@pytest.mark.parametrize("plus", ["1e+0", "1E+0", "1.e+0", "0.1e+1", "10e-1", "+1"])
def test_a_plus_inside_a_number_joins_no_stages(plus) -> None:
    chain = parse(f"temperature:temperature={plus}+nucleus:p=0.5")
    assert chain.canonical == "temperature:temperature=1+nucleus:p=0.5"
    assert parse(f"nucleus:p=0.5+temperature:temperature={plus} + greedy").chooser.info.name == (
        "greedy"
    )


def test_a_large_value_reads_back_as_it_was_written() -> None:
    """The shortest form of 1e16 has a plus in it."""
    assert format_value(1e16) == "1e+16"
    with pytest.raises(InvalidParams, match=r"temperature=1e\+16"):
        parse("temperature:temperature=1e+16")
