from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.core.errors import TraceFormatError
from explorer.core.trace_io import read_traces, trace_from_json, trace_to_json, write_traces
from explorer.core.types import (
    BranchPlace,
    Candidate,
    Loop,
    Noise,
    Prompt,
    StopReason,
    Terms,
    TokenStep,
    Trace,
)
from explorer.services.generation import generate

VOCAB = LetterTokenizer().vocab_size


@pytest.fixture(scope="module")
def traces() -> tuple[Trace, ...]:
    specs = ["greedy", "beam:width=3", "locally_typical:mass=0.3", "momentum", "top_k:k=2"]
    return generate(ScriptedModel(hashed_script(VOCAB)), "abc", specs, max_new_tokens=25, seed=4)


def test_what_is_written_is_read(tmp_path, traces) -> None:
    path = tmp_path / "run.jsonl"
    assert write_traces(path, traces) == 5
    assert tuple(read_traces(path)) == traces
    assert [p.name for p in tmp_path.iterdir()] == ["run.jsonl"]


def test_the_file_has_the_names_of_the_public_contract(traces) -> None:
    data = json.loads(trace_to_json(traces[2]))
    assert data["schema"] == "explorer.trace/1"
    for name in ("id", "revision", "digest", "dtype", "device", "vocab_size"):
        assert name in data["model"]
    for name in ("tokenizer", "versions", "decoder", "seed", "batch_rows", "text", "timing"):
        assert name in data
    assert set(data["prompt"]) == {"text", "ids", "template"}
    assert data["stop_reason"] == "max_new_tokens"
    tokens = data["tokens"]
    for name in ("id", "piece", "surprisal", "entropy", "varentropy", "rank", "support_size"):
        assert len(tokens[name]) == 25
    for name in ("top_ids", "top_logprobs", "top_sampling_logprobs"):
        assert [len(row) for row in tokens[name]] == [10] * 25
    assert None in tokens["top_sampling_logprobs"][0]  # a cut token is -inf, written as null
    assert data["loops"] == []


finite = st.floats(-1e6, 1e6)
logprob = finite | st.just(-math.inf)
candidates = st.lists(st.builds(Candidate, st.integers(0, 10**6), logprob, logprob), max_size=4)
text = st.text(st.characters(codec="utf-8"), max_size=20)
steps = st.builds(
    TokenStep,
    lane=st.just(2),
    row=st.integers(0, 9),
    parent_row=st.integers(0, 9),
    index=st.just(0),
    token_id=st.integers(0, 10**6),
    surprisal=finite | st.just(math.inf),
    entropy=finite,
    varentropy=finite,
    rank=st.integers(0, 10**6),
    sampling_surprisal=finite | st.just(math.inf),
    sampling_entropy=finite,
    support_size=st.integers(0, 10**6),
    top=candidates.map(tuple),
    extra=candidates.map(tuple),
    score=st.none(),
    notes=st.dictionaries(text, st.booleans() | st.integers(0, 99) | text, max_size=2),
)


ids = st.integers(0, 999)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@given(
    st.lists(steps, max_size=4),
    text,
    st.dictionaries(ids, text, max_size=4),
    st.dictionaries(ids, st.binary(min_size=1, max_size=8), max_size=4),
    st.none() | st.builds(BranchPlace, names, st.none() | names, st.integers(0, 99), text, text),
)
@settings(deadline=None)
def test_any_trace_round_trips(given_steps, words, pieces, partial, place) -> None:
    (base,) = generate(ScriptedModel(hashed_script(VOCAB)), "a", ["greedy"], max_new_tokens=1)
    trace = replace(
        base,
        lane=2,
        prompt=Prompt(words, (1, 2), "raw"),
        noise=Noise(words, coupled=True),
        text=words,
        steps=tuple(replace(s, index=i) for i, s in enumerate(given_steps)),
        pieces=pieces,
        loops=(Loop(3, 4, 5.25),),
        stop_reason=StopReason.LOOP,
        terms=Terms(9, ignore_eos=True, stop_strings=(words,), stop_on_loop=True),
        given=len(given_steps),
        special=tuple(pieces),
        partial=partial,
        branch=place,
    )
    line = trace_to_json(trace)
    assert "\n" not in line
    assert trace_from_json(line) == trace


def change(line: str, **fields) -> str:
    data = json.loads(line)
    data.update(fields)
    return json.dumps(data)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda line: line[: len(line) // 2], "not whole JSON"),
        (lambda line: "[" * 100_000, "nested more than 16 deep"),
        (lambda line: "[1, 2]", "has schema None"),
        (lambda line: change(line, schema="explorer.trace/9"), "'explorer.trace/9'"),
        (lambda line: change(line, unknown=1), "unknown: Extra inputs are not permitted"),
        (lambda line: change(line, seed="x"), "seed: "),
        (lambda line: change(line, stop_reason="bored"), "stop_reason: "),
        (lambda line: change(line, tokens={}), "tokens.id: Field required"),
        (lambda line: line.replace('"rank":[', '"rank":[0,'), "tokens.rank has 26 entries"),
        (lambda line: line.replace('"surprisal":[', '"surprisal":[NaN,', 1), "finite number"),
        (lambda line: change(line, decoder="x" * 70_000), "at most 65536 characters"),
    ],
)
def test_a_damaged_line_is_refused_with_place_and_reason(tmp_path, traces, damage, message) -> None:
    path = tmp_path / "bad.jsonl"
    whole = trace_to_json(traces[0])
    path.write_text(whole + "\n" + damage(whole) + "\n")
    reader = read_traces(path)
    assert next(reader) == traces[0]
    with pytest.raises(TraceFormatError, match="line 2") as caught:
        next(reader)
    assert message in caught.value.message


def test_a_file_cut_anywhere_gives_all_whole_traces_before_the_cut(tmp_path, traces) -> None:
    path = tmp_path / "cut.jsonl"
    whole = "".join(trace_to_json(t) + "\n" for t in traces[:2]).encode()
    first = whole.index(b"\n") + 1
    for cut in range(first + 1, len(whole) - 2, 997):
        path.write_bytes(whole[:cut])
        reader = read_traces(path)
        assert next(reader) == traces[0]
        with pytest.raises(TraceFormatError):
            next(reader)


def test_a_missing_or_binary_file_is_a_clear_error(tmp_path) -> None:
    with pytest.raises(TraceFormatError, match="no trace file"):
        next(read_traces(tmp_path / "none.jsonl"))
    path = tmp_path / "binary.jsonl"
    path.write_bytes(b"\xff\xfe\x00pickle")
    with pytest.raises(TraceFormatError, match="not UTF-8"):
        next(read_traces(path))


def test_a_failed_write_leaves_the_old_file(tmp_path, traces) -> None:
    path = tmp_path / "run.jsonl"
    write_traces(path, traces[:1])

    def breaking():
        yield traces[1]
        raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="fire"):
        write_traces(path, breaking())
    assert tuple(read_traces(path)) == traces[:1]
    assert [p.name for p in tmp_path.iterdir()] == ["run.jsonl"]
