"""Every malformed file is refused with its place, its field and its reason, and with no more."""

from __future__ import annotations

import pytest
from corpus.malformed import cases
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.core.errors import TraceFormatError
from explorer.core.trace_io import read_traces, trace_from_json, trace_to_json
from explorer.services.generation import generate

VOCAB = LetterTokenizer().vocab_size
(WHOLE,) = generate(ScriptedModel(hashed_script(VOCAB)), "ab", ["greedy"], max_new_tokens=3)
LINE = trace_to_json(WHOLE)
CASES = list(cases(LINE))


def test_the_corpus_is_large_and_has_no_case_twice() -> None:
    assert len(CASES) >= 60
    assert len({name for name, *_ in CASES}) == len(CASES)


@pytest.mark.parametrize(("data", "message"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_it_is_refused_with_its_reason(tmp_path, data, message) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(data)
    with pytest.raises(TraceFormatError) as caught:
        list(read_traces(path))
    assert message in caught.value.message
    assert caught.value.message.startswith("bad.jsonl, line 1")
    assert len(str(caught.value)) < 400


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_no_bytes_raise_anything_else(data) -> None:
    try:
        trace_from_json(data.decode("latin-1"))
    except TraceFormatError:
        pass
    else:
        raise AssertionError("this is no trace")


@given(st.integers(0, len(LINE) - 1), st.characters(codec="utf-8"))
@settings(deadline=None)
def test_a_changed_letter_is_refused_or_read_and_never_raises_anything_else(place, letter) -> None:
    changed = LINE[:place] + letter + LINE[place + 1 :]
    try:
        trace = trace_from_json(changed)
    except TraceFormatError:
        pass
    else:
        assert trace_from_json(trace_to_json(trace)) == trace
