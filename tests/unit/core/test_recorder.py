from __future__ import annotations

import math

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script, table_script

from explorer.core.loops import LoopThresholds
from explorer.core.recorder import tokens_per_s
from explorer.core.types import StopReason
from explorer.services.generation import Run, RunOptions, generate

VOCAB = LetterTokenizer().vocab_size


def test_a_beam_that_changes_its_mind_keeps_only_what_both_paths_share() -> None:
    # "a" looks better at first, but only "b" goes on well: after two steps b leads.
    table = {
        (): {1: 0.6, 2: 0.4},
        (1,): {3: 0.4, 4: 0.6},
        (2,): {5: 1.0},
        (3,): {3: 1.0},
        (4,): {4: 0.5, 3: 0.5},
        (5,): {5: 1.0},
    }
    model = ScriptedModel(table_script(table, 6))
    run = Run(model, [3, 3, 3, 9 % 6], ["beam:width=2,length_penalty=0"], RunOptions(4))
    model.script = lambda h: table_script(table, 6)(h[4:])
    kept, paths = [], []
    for _ in run.columns():
        record = run.recorder.lanes[0]
        kept.append(record.kept)
        paths.append([s.token_id for s in record.steps])
    assert paths == [[1], [2, 5], [2, 5, 5], [2, 5, 5, 5]]
    assert kept == [0, 0, 2, 3]
    (trace,) = run.traces()
    best, second = trace.hypotheses
    assert [s.token_id for s in best.steps] == [2, 5, 5, 5]
    assert best.score > second.score
    assert [s.token_id for s in second.steps][:2] == [1, 4]


def test_every_hypothesis_is_traced_with_all_its_measures() -> None:
    model = ScriptedModel(hashed_script(VOCAB, end=2.5))
    (trace,) = generate(model, "abc", ["beam:width=4"], max_new_tokens=12)
    assert len(trace.hypotheses) >= 4
    scores = [h.score for h in trace.hypotheses]
    assert scores == sorted(scores, reverse=True)
    for hypothesis in trace.hypotheses:
        total = sum(s.surprisal for s in hypothesis.steps)
        assert abs(hypothesis.score + total / len(hypothesis.steps)) < 1e-4
        assert [s.index for s in hypothesis.steps] == list(range(len(hypothesis.steps)))
        assert hypothesis.finished == (hypothesis.steps[-1].token_id == 0)
    assert trace.steps == trace.hypotheses[0].steps


def test_loops_are_reported_and_can_stop_a_lane_while_others_go_on() -> None:
    model = ScriptedModel(lambda h: [0.0, *[9.0 if i == len(h) % 4 else 0.0 for i in range(6)]])
    options = RunOptions(max_new_tokens=80, stop_on_loop=True)
    run = Run(model, [1], ["greedy", "temperature:temperature=9"], options)
    for _ in run.columns():
        pass
    looping, wandering = run.traces()
    assert looping.stop_reason is StopReason.LOOP
    assert len(looping.steps) == 48
    assert (looping.loops[0].onset, looping.loops[0].period) == (0, 4)
    assert wandering.stop_reason is not StopReason.LOOP


def test_a_beam_can_stop_on_a_loop() -> None:
    model = ScriptedModel(lambda h: [-9.0, *[9.0 if i == len(h) % 4 else 0.0 for i in range(6)]])
    run = Run(model, [1], ["beam:width=3"], RunOptions(max_new_tokens=80, stop_on_loop=True))
    for _ in run.columns():
        pass
    (trace,) = run.traces()
    assert trace.stop_reason is StopReason.LOOP
    assert trace.loops[0].period == 4


def _one_row_ends_at_once() -> ScriptedModel:
    """It stays the best; another row goes on saying "b", less and less likely."""
    first, later = (0.5, 0.001, 0.001, 0.4, 0.098), (0.02, 0.001, 0.001, 0.97, 0.008)
    return ScriptedModel(lambda h: [math.log(p) for p in (first if len(h) == 1 else later)])


@pytest.mark.parametrize(
    "options",
    [
        RunOptions(6),
        RunOptions(60, stop_on_loop=True, loop=LoopThresholds(2, 3, 4)),
        RunOptions(60, stop_strings=("bb",)),
    ],
    ids=["length", "loop", "stop string"],
)
def test_a_beam_whose_best_row_ended_by_itself_says_so(options) -> None:
    run = Run(_one_row_ends_at_once(), [1], ["beam:width=3,length_penalty=0"], options)
    for _ in run.columns():
        pass
    (trace,) = run.traces()
    assert trace.token_ids == (0,)
    assert run.recorder.lanes[0].reason is trace.stop_reason is StopReason.EOS


def test_a_beam_that_was_cancelled_says_so_whatever_its_best_row() -> None:
    run = Run(_one_row_ends_at_once(), [1], ["beam:width=3,length_penalty=0"], RunOptions(60))
    for column in run.columns():
        if column.index == 1:
            run.cancel.set()
    (trace,) = run.traces()
    assert trace.token_ids == (0,)
    assert trace.stop_reason is StopReason.CANCELLED


def test_a_speed_is_rounded_once_so_that_page_and_trace_cannot_differ_by_a_tenth() -> None:
    seconds = 39 / 248.8503
    rate = tokens_per_s(40, elapsed_s=seconds, first_s=0.0)
    # the trace holds thousandths: what is rounded from it and from the live figure is the same
    assert rate == 248.85
    assert round(rate, 1) == round(round(rate, 3), 1)
