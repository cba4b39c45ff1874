"""Traces with a token that the model rules out: p is 0, and its surprisal has no number."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer import generate, write_traces
from explorer.core.trace_io import read_traces, trace_to_json
from explorer.core.types import Trace
from explorer.services.replay import replay


@pytest.fixture
def forbidden() -> Trace:
    """Six tokens, the third of which had probability 0 under both laws."""
    model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
    (trace,) = generate(model, "ab", ["greedy"], max_new_tokens=6)
    steps = list(trace.steps)
    steps[2] = replace(steps[2], surprisal=math.inf, sampling_surprisal=math.inf)
    return replace(trace, steps=tuple(steps))


def test_a_token_of_probability_zero_is_shown_with_null_surprisals(forbidden: Trace) -> None:
    lines = [json.loads(line) for line in replay([forbidden]).ndjson.splitlines()]
    token = next(line for line in lines if line.get("i") == 2)
    assert token["s"] is None
    assert token["qs"] is None
    metrics = next(line["metrics"] for line in lines if "metrics" in line)
    assert metrics["mean_surprisal"] is None


def test_a_token_of_probability_zero_is_written_as_null_and_read_back(
    tmp_path, forbidden: Trace
) -> None:
    path = tmp_path / "forbidden.jsonl"
    write_traces(path, [forbidden])
    columns = json.loads(trace_to_json(forbidden))["tokens"]
    assert columns["surprisal"][2] is None
    assert columns["sampling_surprisal"][2] is None
    assert tuple(read_traces(path)) == (forbidden,)
