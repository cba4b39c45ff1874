"""Constrained texts against Python's own re and json; bad grammars are refused in words."""

from __future__ import annotations

import json
import re

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.core.errors import InvalidParams
from explorer.decoders.quoting import quote
from explorer.decoders.spec import parse
from explorer.services.generation import generate

TOKENIZER = LetterTokenizer(extra=['"', ":", "{", "}", *"0123456789", "cat", "dogs", 'a": '])


def texts(spec: str, seeds: range, tokens: int = 40):
    model = ScriptedModel(hashed_script(TOKENIZER.vocab_size, end=-1.0), TOKENIZER)
    return [generate(model, "abc", [spec], tokens, seed)[0] for seed in seeds]


@pytest.mark.parametrize(
    "expression", ["(cat|dogs)+ [ab]{2,5}", "[a-c]{8}", "x?y?z", "[0-9]{1,3}(,[0-9]{3})*"]
)
@pytest.mark.parametrize("chooser", ["ancestral", "beam:width=3", "best_of_n:n=3,rule=mbr"])
def test_every_finished_text_matches_the_expression(expression: str, chooser: str) -> None:
    for trace in texts(f"grammar:kind=regex,text={quote(expression)}+{chooser}", range(4)):
        if trace.stop_reason == "eos":
            assert re.fullmatch(expression, trace.text.removesuffix("<|end|>")), trace.text


def test_every_finished_text_fits_the_schema() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    spec = f"grammar:kind=json,text={quote(json.dumps(schema))}+greedy"
    (trace,) = texts(spec, range(1), 30)
    if trace.stop_reason == "eos":
        assert set(json.loads(trace.text.removesuffix("<|end|>"))) == {"a"}
    assert trace.text.lstrip().startswith("{")


def test_a_lark_grammar() -> None:
    grammar = 'start: "cat" | "dogs" start'
    for trace in texts(f"grammar:kind=lark,text={quote(grammar)}", range(5)):
        assert re.fullmatch("(dogs)*(cat)?", trace.text.removesuffix("<|end|>"))


@pytest.mark.parametrize(
    ("kind", "text"), [("regex", "(["), ("json", "{nope"), ("json", "[1]"), ("lark", "start: $$")]
)
def test_a_bad_grammar_is_refused_before_anything_runs(kind: str, text: str) -> None:
    with pytest.raises(InvalidParams, match="grammar"):
        parse(f"grammar:kind={kind},text={quote(text)}")
