"""The escape board: verdicts and figures of a scripted loop, and what it costs to ask."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from fakes import LetterTokenizer, NumberTokenizer, ScriptedModel, hashed_script, tiny_llama
from loop_model import (
    BREAKS,
    ENDS,
    OTHER,
    RETURNS,
    UNIT,
    WANDERS,
    bias,
    looping_model,
    looping_trace,
)

from explorer.analyzers.leaving import ORDER, Verdict
from explorer.core.errors import InvalidParams, NotCapable, UnknownName
from explorer.core.kv_cache import KVBatch
from explorer.core.models import HFModel
from explorer.core.trace_io import trace_from_json, trace_to_json
from explorer.core.types import Loop
from explorer.decoders import CATALOG
from explorer.decoders.spec import parse
from explorer.services.generation import RunOptions, generate
from explorer.services.loops import escape_methods
from explorer.services.loops.escape import Board, Plan, escape
from explorer.services.loops.escape_methods import LEFT_OUT, all_specs, read_methods, strengths
from explorer.services.loops.escape_place import find_place, real_loops
from explorer.services.verify.files import verify_traces


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return looping_model()


@pytest.fixture(scope="module")
def trace(model):
    made = looping_trace(model)
    assert [(x.onset, x.period) for x in made.loops] == [(0, 8)]
    return made


def board_of(model, trace, *specs, tokens=48, draws=1, at=None) -> dict:
    report = escape(model, trace, Plan(specs, draws, tokens), at=at)
    return {row.decoder: row for row in report.rows}


@pytest.mark.parametrize(
    ("spec", "verdict", "exit_"),
    [
        ("greedy", Verdict.STAYS, None),
        (bias(WANDERS), Verdict.ESCAPED, 0),
        (bias(RETURNS), Verdict.CAME_BACK, 0),
        (bias(OTHER), Verdict.OTHER_LOOP, 0),
        (bias(ENDS), Verdict.ESCAPED, 0),
        ("repetition_penalty:penalty=5+greedy", Verdict.ENDED, 0),
    ],
)
def test_every_verdict_has_a_lane_that_earns_it(model, trace, spec, verdict, exit_) -> None:
    row = board_of(model, trace, spec, tokens=48)[parse(spec).canonical]
    assert (row.left.verdict, row.left.exit) == (verdict, exit_)
    if verdict is Verdict.STAYS:
        assert row.figures.exit_surprisal is row.figures.paid is row.figures.coherence is None
        assert row.text == ""


def test_who_comes_back_is_told_where(model, trace) -> None:
    (row,) = board_of(model, trace, bias(RETURNS), tokens=48).values()
    assert [(x.first, x.end, x.same) for x in row.left.loops] == [(1, 48, True)]


def test_what_leaving_cost_is_the_difference_to_the_loops_own_token(model, trace) -> None:
    row = board_of(model, trace, bias(WANDERS))[parse(bias(WANDERS)).canonical]
    assert row.figures.paid == pytest.approx(6.0 - 3.0, abs=1e-5)
    law = model.law([1, *trace.token_ids[:24]]).log_softmax(0)
    letter = LetterTokenizer().pieces.index(WANDERS)
    assert row.figures.exit_surprisal == pytest.approx(-float(law[letter]), abs=1e-5)
    steps = row.trace.steps[24:]
    mean = sum(step.surprisal for step in steps) / len(steps)
    assert row.figures.perplexity == pytest.approx(math.exp(mean))
    assert row.text[0] == WANDERS
    assert row.trace.token_ids[:24] == trace.token_ids[:24]


def test_coherence_is_read_without_the_loop() -> None:
    """A model that likes its own past: with the loop before it, the same text is less likely."""
    model = looping_model()
    trace = looping_trace(model)
    for at in (24, 27):
        row = board_of(model, trace, bias(WANDERS), at=at)[parse(bias(WANDERS)).canonical]
        begun = at % 8
        own = [step.token_id for step in row.trace.steps[at:]]
        history = [*model.tokenizer.encode("a"), *trace.token_ids[: 8 + begun]]
        told = []
        for token_id in own:
            told.append(float(model.law(history).log_softmax(0)[token_id]))
            history.append(token_id)
        assert row.figures.coherence == pytest.approx(sum(told) / len(told), abs=1e-5)


def test_short_texts_have_no_figures_of_repetition(model, trace) -> None:
    for tokens, known in ((3, 0), (4, 1), (6, 2), (8, 4)):
        row = board_of(model, trace, bias(WANDERS), tokens=tokens)
        (found,) = row.values()
        figures = found.figures
        values = [figures.rep_2, figures.rep_3, figures.rep_4, figures.diversity]
        assert sum(value is not None for value in values) == known, tokens


def test_all_lanes_share_one_forward_a_step(model, trace) -> None:
    specs = ("greedy", "momentum", "nucleus:p=0.9", "beam", "contrastive_search", "power_smc")
    board = Board(model, trace, find_place(trace), Plan(specs, 4, 20))
    assert len(board.lanes) == 4 + 2 * 4
    assert len(board.runs) == 1
    before = model.forwards
    seen = []
    board.run(lambda run, token: seen.append((run, token)))
    assert seen[0] == (0, 1)
    # what looks ahead reads its candidates once more to settle the last
    assert model.forwards - before in (19, 20)
    rows = board.report().rows
    assert {row.draw for row in rows if row.decoder.startswith("nucleus")} == {1, 2, 3, 4}
    by_verdict = [ORDER.index(row.left.verdict) for row in rows]
    assert by_verdict == sorted(by_verdict)


def test_more_rows_than_a_forward_takes_go_in_several_runs(model, trace) -> None:
    board = Board(model, trace, find_place(trace), Plan(("power_smc:particles=30",), 5, 6))
    assert [len(run.chains) for run in board.runs] == [2, 2, 1]
    board.run()
    assert len(board.report().rows) == 5
    many = Board(model, trace, find_place(trace), Plan(("ancestral", "nucleus"), 64, 2))
    assert [len(run.chains) for run in many.runs] == [64, 64]


def test_shares_are_over_draws_and_those_without_chance_have_one(model, trace) -> None:
    hot = "temperature:temperature=2+top_k:k=3"
    report = escape(model, trace, Plan(("greedy", hot), 20, 5))
    shares = {share.decoder: share for share in report.shares}
    assert shares["greedy"].left.n == 1
    hot = shares[hot]
    assert hot.left.n == 20
    assert 0 < hot.left.low < hot.left.value < hot.left.high < 1
    left = sum(r.left.exit is not None for r in report.rows if r.decoder == hot.decoder)
    assert hot.left.value == left / 20


def test_a_lane_whose_numbers_fail_fails_alone_and_says_why(model, trace) -> None:
    report = escape(model, trace, Plan(("greedy", bias(BREAKS), bias(WANDERS)), 1, 12))
    verdicts = {row.decoder: row.left.verdict for row in report.rows}
    assert verdicts[parse(bias(BREAKS)).canonical] is Verdict.FAILED
    assert verdicts["greedy"] is Verdict.STAYS
    assert verdicts[parse(bias(WANDERS)).canonical] is Verdict.ESCAPED
    assert "logit_bias" in report.failures[0]
    assert parse(bias(BREAKS)).canonical not in {share.decoder for share in report.shares}


def test_cancelling_keeps_what_there_is(model, trace) -> None:
    specs = ("top_k:k=1", "nucleus:p=0.1", "min_p:p=0.9")
    board = Board(model, trace, find_place(trace), Plan((*specs, bias(WANDERS)), 40, 30))
    board.run(lambda run, token: board.cancel.set() if (run, token) == (1, 5) else None)
    report = board.report()
    assert (len(report.rows), report.missing, report.stopped) == (80, 41, True)
    assert sorted(row.tokens for row in report.rows) == [6] * 40 + [30] * 40
    assert all(row.figures.coherence is None for row in report.rows)
    assert not any(row.left.verdict is Verdict.FAILED for row in report.rows)


def test_cancelling_while_coherence_is_read_ends_at_once(model, trace) -> None:
    board = Board(model, trace, find_place(trace), Plan((bias(WANDERS), "greedy"), 1, 400))
    board.run()
    before, script = model.forwards, model.script

    def cancels(history):
        board.cancel.set()
        return script(history)

    model.script = cancels
    try:
        rows = board.report().rows
    finally:
        model.script = script
    assert model.forwards == before
    assert [row.figures.coherence for row in rows] == [None, None]
    assert rows[0].figures.perplexity is not None
    assert [str(row.left.verdict) for row in rows] == ["escaped", "stays"]


def test_traces_of_a_board_can_be_proven(model, trace) -> None:
    report = escape(model, trace, Plan(("momentum", "nucleus", bias(WANDERS)), 2, 12))
    assert len(report.traces) == 4
    for found in verify_traces(report.traces, model):
        assert found.agrees, found.mismatch.sentence
    again = trace_from_json(trace_to_json(report.traces[0]))
    assert again.token_ids == report.traces[0].token_ids


def test_what_would_end_a_lane_at_once_is_not_taken_over(model) -> None:
    stopped = looping_trace(model, 200, stop_on_loop=True)
    assert stopped.stop_reason == "loop"
    row = board_of(model, stopped, "greedy", tokens=9)["greedy"]
    assert (row.tokens, row.left.verdict) == (9, Verdict.STAYS)


def test_where_a_board_begins(model, trace) -> None:
    place = find_place(trace)
    assert (place.at, place.least, place.most, place.done) == (24, 8, 60, 24)
    letters = "".join(LetterTokenizer().pieces[i] for i in place.unit)
    assert letters == "bcdefgha"
    assert set(letters) == set(UNIT)
    assert find_place(trace, 60).at == 60
    for at in (7, 61, -1, True, "3"):
        with pytest.raises(InvalidParams):
            find_place(trace, at)
    with pytest.raises(InvalidParams, match="in no loop") as refused:
        find_place(trace, 7)
    assert "8 to 60" in refused.value.hint
    wild = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
    (other,) = generate(wild, "abc", ["ancestral"], 30)
    with pytest.raises(InvalidParams, match="no loop to leave"):
        find_place(other)
    object.__setattr__(wild.info, "digest", "sha256:" + "1" * 64)
    with pytest.raises(InvalidParams, match="other weights"):
        escape(wild, trace, Plan(("greedy",)))


@pytest.mark.parametrize(
    ("plan", "match"),
    [
        (Plan(("ancestral",), 65), "64"),
        (Plan(("ancestral",) * 1, 0), "draws"),
        (Plan(("ancestral", "nucleus"), 33, most_lanes=64), "66 lanes"),
        (Plan(("power_smc:particles=65",)), "particles=65"),
        (Plan((" ",)), "No decoding method"),
        (Plan(("nope",)), "nope"),
        (Plan(("greedy",), max_new_tokens=0), "max_new_tokens"),
    ],
)
def test_plans_that_cannot_be_run_are_refused_in_words(model, trace, plan, match) -> None:
    with pytest.raises((InvalidParams, UnknownName), match=match):
        escape(model, trace, plan)


def test_what_does_not_fit_the_context_is_refused_with_figures(trace) -> None:
    model = looping_model()
    object.__setattr__(model.info, "context_length", 100)
    with pytest.raises(NotCapable, match="100"):
        escape(model, trace, Plan(("greedy",), 1, 90))


def test_the_catalogue_is_whole_and_can_be_run(model, trace) -> None:
    named = {stage for spec in all_specs() for stage in spec.split("+")}
    assert named | set(LEFT_OUT) == set(CATALOG)
    assert not named & set(LEFT_OUT) - {"greedy"}
    report = escape(model, trace, Plan(max_new_tokens=4))
    assert len(report.rows) == len(all_specs()) <= 64
    assert len({row.decoder for row in report.rows}) == len(report.rows)


def test_values_with_a_bar_between_them_are_several_methods() -> None:
    assert strengths("nucleus:p=0.5|0.9|0.95") == (
        "nucleus:p=0.5",
        "nucleus:p=0.9",
        "nucleus:p=0.95",
    )
    assert len(strengths("momentum:k=5|10,alpha=0.1|0.2|0.3")) == 6
    assert strengths('grammar:kind=regex,text="a|b"+greedy') == (
        'grammar:kind=regex,text="a|b"+greedy',
    )
    methods = read_methods(["momentum:k=5|6", "momentum:alpha=0.2,k=6", " "])
    assert [method.label for method in methods] == ["momentum:k=5", "momentum:k=6"]
    assert methods[1].chain.canonical == "momentum:k=6,alpha=0.2,resistance=paper"
    with pytest.raises(InvalidParams, match="more than 64"):
        strengths("momentum:k=" + "|".join(map(str, range(1, 70))))
    assert escape_methods.MOST_STRENGTHS == 64


def llama_loop():
    """A random Llama and a trace of it that loops."""
    model = HFModel(tiny_llama(seed=1), NumberTokenizer(), ScriptedModel(lambda _: [0.0] * 97).info)
    for start in range(1, 40):
        (made,) = generate(model, str(start), ["greedy"], 200, 0, RunOptions(ignore_eos=True))
        if made.loops:
            return model, made
    raise AssertionError("no prompt loops")


def test_runs_after_the_first_read_the_prefix_no_more(monkeypatch) -> None:
    model, trace = llama_loop()
    read: list[int] = []
    extend = KVBatch.extend

    def counted(self, token_ids):
        read.append(len(token_ids))
        yield from extend(self, token_ids)

    monkeypatch.setattr(KVBatch, "extend", counted)
    plan = Plan(("top_k:k=1", "ancestral", "nucleus:p=0.1"), 60, 3)
    board = Board(model, trace, find_place(trace), plan)
    board.run()
    assert len(board.runs) == 3
    assert read == [len(trace.prompt.ids) + board.place.at]
    verdicts = {row.left.verdict for row in board.report().rows if row.decoder == "top_k:k=1"}
    assert verdicts == {Verdict.STAYS}


def test_methods_that_look_inside_share_the_run_and_say_what_they_say_alone() -> None:
    model, trace = llama_loop()
    specs = ("greedy", "contrastive_search", "dola+greedy", "momentum", "beam")
    board = Board(model, trace, find_place(trace), Plan(specs, 1, 12))
    assert len(board.runs) == 1
    board.run()
    beside = {row.decoder: row.trace.token_ids for row in board.report().rows}
    for spec in specs:
        (row,) = escape(model, trace, Plan((spec,), 1, 12)).rows
        assert beside[row.decoder] == row.trace.token_ids, spec
    for found in verify_traces(board.report().traces, model):
        assert found.agrees, found.mismatch.sentence


def test_pieces_of_bytes_and_hostile_ones_come_through() -> None:
    tokenizer = LetterTokenizer(["<script>alert(1)</script>", "\U0001f600"])
    first = tokenizer.vocab_size - 2

    def script(history):
        logits = [-9.0] * tokenizer.vocab_size
        logits[first if history[-1] != first else first + 1] = 6.0
        return logits

    model = ScriptedModel(script, tokenizer)
    (trace,) = generate(model, "a", ["greedy"], 60)
    report = escape(model, trace, Plan(("greedy", "momentum"), 1, 8))
    assert set(report.unit) == {"<script>alert(1)</script>", "\U0001f600"}
    assert json.loads(json.dumps(report.as_data()))["unit"] == list(report.unit)


def test_a_text_that_is_one_token_again_and_again() -> None:
    model = ScriptedModel(lambda history: [0.0, 9.0, 8.0, *[0.0] * 5])
    (trace,) = generate(model, "a", ["greedy"], 60)
    assert [(x.onset, x.period) for x in trace.loops] == [(0, 1)]
    report = escape(model, trace, Plan(("greedy", "momentum:alpha=1"), 1, 20), at=1)
    assert {row.left.verdict for row in report.rows} >= {Verdict.STAYS}


@pytest.mark.parametrize(
    "loop",
    [Loop(500, 3, 4.0), Loop(0, 7, 4.0), Loop(50, 8, 1e300), Loop(0, 8, 0.5), Loop(0, 8, -3.0)],
)
def test_loops_that_a_file_only_claims_are_none(model, trace, loop) -> None:
    claimed = replace(trace, loops=(loop,))
    with pytest.raises(InvalidParams, match="no loop to leave"):
        find_place(claimed)
    both = replace(trace, loops=(*trace.loops, loop))
    assert find_place(both).at == 24
    assert real_loops(both) == trace.loops
