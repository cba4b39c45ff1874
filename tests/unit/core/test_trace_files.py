"""Trace files whole: cut anywhere, too large anywhere, older ones, and thousands in a stream."""

from __future__ import annotations

import json
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script

from explorer.core import trace_migrations
from explorer.core.errors import TraceFormatError
from explorer.core.trace_io import read_entries, read_traces, trace_to_json, write_traces
from explorer.core.trace_limits import UPLOAD, ReadLimits, check_line
from explorer.core.trace_schema import SCHEMA, json_schema
from explorer.core.types import Trace
from explorer.services.generation import RunOptions, generate

VOCAB = LetterTokenizer().vocab_size
FIRST_VERSION = Path(__file__).parent / "data" / "trace_of_the_first_version.jsonl"


@pytest.fixture(scope="module")
def small() -> tuple[Trace, ...]:
    model = ScriptedModel(hashed_script(VOCAB))
    options = RunOptions(top=1)
    return generate(model, "é", ["greedy", "top_k:k=2"], max_new_tokens=2, options=options)


def test_a_file_cut_at_any_byte_gives_the_whole_traces_and_one_error(tmp_path, small) -> None:
    path = tmp_path / "cut.jsonl"
    write_traces(path, small)
    whole = path.read_bytes()
    ends = [i for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        complete = sum(cut >= end for end in ends)
        reader = read_traces(path)
        found = [next(reader) for _ in range(complete)]
        assert found == list(small[:complete])
        if cut not in {0, *ends, *(end + 1 for end in ends)}:
            with pytest.raises(TraceFormatError, match=f"line {complete + 1} is not"):
                next(reader)
        assert next(reader, None) is None  # one error, and it is over


def test_files_of_the_first_version_read_as_ever() -> None:
    greedy, beam, nucleus = read_traces(FIRST_VERSION)
    assert (greedy.decoder, nucleus.seed, len(beam.hypotheses)) == ("greedy", 4, 2)
    assert greedy.terms is None
    lines = FIRST_VERSION.read_text(encoding="utf-8").splitlines()
    for line, trace in zip(lines, (greedy, beam, nucleus), strict=True):
        assert json.loads(trace_to_json(trace)) == json.loads(line)


def older(small) -> str:
    """A line as a schema before the first might have had it: one name was another."""
    data = json.loads(trace_to_json(small[0]))
    data["schema"] = "explorer.trace/0"
    data["spec"] = data.pop("decoder")
    return json.dumps(data)


def raise_spec(data):
    data["decoder"] = data.pop("spec")
    return data | {"schema": SCHEMA}


def test_an_older_schema_is_made_into_todays(tmp_path, small, monkeypatch) -> None:
    path = tmp_path / "old.jsonl"
    path.write_text(older(small))
    with pytest.raises(TraceFormatError, match=r"has schema 'explorer.trace/0'"):
        list(read_traces(path))
    steps = {
        "explorer.trace/0": raise_spec,
        "explorer.trace/00": lambda data: data | {"schema": "explorer.trace/0"},
    }
    monkeypatch.setattr(trace_migrations.migrated, "__defaults__", (steps,))
    assert list(read_traces(path)) == [small[0]]
    path.write_text(older(small).replace("trace/0", "trace/00"))  # two steps up
    assert list(read_traces(path)) == [small[0]]
    path.write_text(older(small).replace('"spec"', '"specs"'))
    with pytest.raises(TraceFormatError, match=r"no whole trace of schema 'explorer.trace/0'"):
        list(read_traces(path))


def test_migrations_that_go_in_a_circle_are_our_fault() -> None:
    steps = {"a": lambda data: {"schema": "b"}, "b": lambda data: {"schema": "a"}}
    with pytest.raises(AssertionError, match="circle"):
        trace_migrations.migrated({"schema": "a"}, "here", steps)


def test_the_schema_names_what_is_written_and_nothing_else(small) -> None:
    schema = json_schema()
    for trace in small:
        _covered(json.loads(trace_to_json(trace)), schema, schema["$defs"])


def _covered(data, schema, definitions) -> None:
    schema = definitions.get(schema.get("$ref", "").rsplit("/", 1)[-1], schema)
    if isinstance(data, dict) and "properties" in schema:
        assert schema["additionalProperties"] is False
        assert set(schema["required"]) <= set(data) <= set(schema["properties"])
        for name, value in data.items():
            _covered(value, schema["properties"][name], definitions)


@pytest.mark.parametrize(
    ("line", "limits", "message"),
    [
        (b'{"a":1}', {"line_bytes": 5}, "longer than 5 bytes"),
        (b"[[[[1]]]]", {"depth": 3}, "nested more than 3 deep"),
        (b'{"a":{"b":{}}}', {"depth": 2}, "nested more than 2 deep"),
        (b'["' + b"x" * 50 + b'"]', {"string_bytes": 40}, "a text of 52 bytes; at most 40"),
        (b'["' + b'\\"' * 50 + b'"]', {"string_bytes": 40}, "a text of 102 bytes"),
        (b'["unclosed' + b"x" * 50, {"string_bytes": 40}, "a text of"),
        (b"[" + b"0," * 50 + b"0]", {"values": 40}, "some 51 values; at most 40"),
    ],
)
def test_what_is_too_large_is_refused_unparsed(line, limits, message) -> None:
    with pytest.raises(TraceFormatError, match=r"^here .*") as caught:
        check_line(line, "here", ReadLimits(**limits))
    assert message in caught.value.message


def test_brackets_in_texts_do_not_count() -> None:
    check_line(b'["[[[[[[", "\\"[[[[[", "{{{"]', "here", ReadLimits(depth=1))


def test_no_line_makes_the_limits_slow() -> None:
    started = time.perf_counter()
    for line in (b'"' * 2_000_001, b'"\\' * 1_000_000, b"[" * 2_000_000, b'["\\"' * 500_000):
        try:
            check_line(line, "here", replace(UPLOAD, string_bytes=10))
        except TraceFormatError:
            continue
    assert time.perf_counter() - started < 5


def test_a_file_that_is_too_large_is_refused_unread(tmp_path, small) -> None:
    path = tmp_path / "large.jsonl"
    write_traces(path, small)
    size = path.stat().st_size
    with pytest.raises(TraceFormatError, match=f"has {size:,} bytes; at most 100 are read"):
        list(read_traces(path, ReadLimits(file_bytes=100)))
    with pytest.raises(TraceFormatError, match="more than 1 lines"):
        list(read_traces(path, ReadLimits(lines=1)))
    assert [number for number, _ in read_entries(path)] == [1, 2]


def test_memory_does_not_grow_with_the_number_of_traces(tmp_path) -> None:
    """512 tokens a trace; 12 take no more than 3 do."""
    model = ScriptedModel(hashed_script(VOCAB))
    (trace,) = generate(model, "a", ["ancestral"], max_new_tokens=512)
    path = tmp_path / "many.jsonl"
    peaks = {}
    for count in (3, 12):
        tracemalloc.start()
        assert write_traces(path, (trace for _ in range(count))) == count
        assert sum(1 for _ in read_traces(path)) == count
        peaks[count] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peaks[12] < 1.1 * peaks[3]
