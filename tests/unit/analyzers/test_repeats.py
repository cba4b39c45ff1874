"""All repeated spans: the automaton against all pairs of places."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.analyzers.repeats import Span, places, repeated_spans
from explorer.cli import main
from explorer.services import repeat_costs as module
from explorer.services.repeat_costs import repeat_costs, scanned


@given(st.lists(st.integers(0, 3), max_size=60))
@settings(deadline=None, max_examples=150)
def test_the_spans_are_those_of_a_scan_of_all_pairs(tokens) -> None:
    spans = repeated_spans(tokens, 1)
    assert {tuple(tokens[s.first : s.first + s.length]) for s in spans} == scanned(tokens, 1)
    for span in spans:
        unit = tokens[span.first : span.first + span.length]
        n = span.length
        naive = [i for i in range(len(tokens) - n + 1) if tokens[i : i + n] == unit]
        assert list(places(tokens, span)) == naive
        assert (span.first, span.count) == (naive[0], len(naive))


def test_texts_at_the_edges() -> None:
    assert repeated_spans([]) == repeated_spans([1]) == repeated_spans(range(1000)) == ()
    assert repeated_spans(["🙂", "é", "🙂", "é"]) == (Span(0, 2, 2),)
    with pytest.raises(ValueError, match="at least 1 token, got min_length 0"):
        repeated_spans([1], 0)


def test_a_text_that_is_one_loop_of_100_000_tokens_is_read() -> None:
    spans = repeated_spans([5] * 100_000)
    assert len(spans) == 99_998
    assert spans[0] == Span(0, 99_999, 2)


def test_the_bench_compares_what_is_the_same(monkeypatch, capsys) -> None:
    costs = repeat_costs(tokens=300, long_tokens=1_000, rounds=1)
    assert costs.agree
    monkeypatch.setattr(module, "repeat_costs", lambda rounds: costs)
    assert main(["bench", "--repeats"]) == 0
    assert "both found the same" in capsys.readouterr().out
    assert main(["bench", "--repeats", "--json"]) == 0
    assert '"agree": true' in capsys.readouterr().out
