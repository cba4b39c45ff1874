from __future__ import annotations

import math
import threading
from dataclasses import replace

import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script, spelling_script

from explorer.core.errors import (
    InvalidParams,
    ModelUnavailable,
    NotCapable,
    NumericalFailure,
)
from explorer.core.types import Prompt, StopReason
from explorer.services import generation
from explorer.services.generation import MAX_ROWS, Run, RunOptions, generate, stream
from explorer.services.scoring import score

VOCAB = LetterTokenizer().vocab_size


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel(hashed_script(VOCAB))


def test_one_trace_a_spec_with_all_that_replays_it(model) -> None:
    first, second = generate(model, "abc", ["greedy", "top_k:k=5"], max_new_tokens=9, seed=4)
    assert (first.decoder, second.decoder) == ("greedy", "top_k:k=5")
    assert (first.lane, second.lane) == (0, 1)
    assert first.prompt == Prompt("abc", (2, 3, 4), "raw")
    assert first.seed == second.seed == 4
    assert second.noise.lane == "top_k:k=5"
    assert {"python", "torch", "transformers", "explorer"} <= set(first.versions)
    assert first.batch_rows == 2
    assert first.text == "".join(first.pieces[i] for i in first.token_ids)


def test_an_empty_prompt_means_bos(model) -> None:
    (trace,) = generate(model, "", ["greedy"], max_new_tokens=3)
    assert trace.prompt.ids == (0,)
    model.tokenizer.bos_id = None
    with pytest.raises(InvalidParams, match="no begin mark"):
        generate(model, "", ["greedy"], max_new_tokens=3)


def test_a_chat_prompt_is_the_template_around_it(model) -> None:
    options = RunOptions(chat=True)
    (trace,) = generate(model, "hi", ["greedy"], 3, options=options)
    assert trace.prompt.ids == tuple(model.tokenizer.encode("user: hi\nyou: "))
    assert trace.prompt.template == "chat"
    model.tokenizer.has_chat_template = False
    with pytest.raises(InvalidParams, match="no chat template"):
        generate(model, "hi", ["greedy"], 3, options=options)


def test_a_drawn_seed_is_written_in_the_trace_and_replays(model) -> None:
    (drawn,) = generate(model, "abc", ["ancestral"], 12, seed=-1)
    assert drawn.seed >= 0
    (again,) = generate(model, "abc", ["ancestral"], 12, seed=drawn.seed)
    assert again.token_ids == drawn.token_ids


def test_coupled_lanes_share_their_noise_and_say_so(model) -> None:
    options = RunOptions(coupled=True)
    plain, neutral = generate(
        model, "abc", ["ancestral", "nucleus:p=1+top_k:k=0"], 20, options=options
    )
    assert plain.token_ids == neutral.token_ids
    assert plain.noise.coupled


def test_stop_strings_and_eos_and_length_are_told_apart() -> None:
    tokenizer = LetterTokenizer()
    speller = ScriptedModel(spelling_script("the end. more", tokenizer, sharpness=30), tokenizer)
    options = RunOptions(stop_strings=("end",))
    (stopped,) = generate(speller, "", ["greedy"], 40, options=options)
    assert stopped.stop_reason is StopReason.STOP_STRING
    assert stopped.text.endswith("end")
    ending = ScriptedModel(lambda h: [9.0 if len(h) > 4 else 0.0, 5.0, 1.0])
    (ended,) = generate(ending, [1], ["greedy"], 40)
    assert (ended.stop_reason, len(ended.steps)) == (StopReason.EOS, 5)
    (longer,) = generate(ending, [1], ["greedy"], 20, options=RunOptions(ignore_eos=True))
    assert (longer.stop_reason, len(longer.steps)) == (StopReason.MAX_NEW_TOKENS, 20)


def test_cancel_from_another_thread_ends_within_a_token() -> None:
    slow = ScriptedModel(hashed_script(VOCAB), delay_s=0.02)
    cancel = threading.Event()
    run = Run(slow, "abc", ["greedy", "ancestral"], RunOptions(500), cancel=cancel)
    at_cancel: list[int] = []

    def press() -> None:
        at_cancel.append(slow.forwards)
        cancel.set()

    threading.Timer(0.2, press).start()
    list(run.columns())
    assert slow.forwards - at_cancel[0] <= 1
    assert {t.stop_reason for t in run.traces()} == {StopReason.CANCELLED}
    assert all(t.steps for t in run.traces())


def test_a_deadline_ends_a_run_and_keeps_it() -> None:
    slow = ScriptedModel(hashed_script(VOCAB), delay_s=0.02)
    (trace,) = generate(slow, "abc", ["greedy"], 500, options=RunOptions(deadline_s=0.15))
    assert trace.stop_reason is StopReason.DEADLINE
    assert 0 < len(trace.steps) < 100


def test_a_stream_gives_columns_and_closing_it_stops_the_compute(model) -> None:
    columns = stream(model, "abc", ["greedy", "ancestral"], 50)
    assert [len(next(columns).steps) for _ in range(3)] == [2, 2, 2]
    columns.close()
    assert model.forwards == 2


def test_nan_in_the_middle_keeps_what_was_made() -> None:
    broken = ScriptedModel(lambda h: [0.0, math.nan if len(h) > 5 else 1.0])
    run = Run(broken, [1], ["greedy"], RunOptions(20))
    with pytest.raises(NumericalFailure):
        list(run.columns())
    assert len(run.traces()[0].steps) == 5


def test_a_lane_that_fails_keeps_what_it_made_and_its_neighbours_go_on(monkeypatch) -> None:
    def script(history):
        return [-9.0, math.nan if 2 in history else 3.0, 2.0, 1.0]

    run = Run(ScriptedModel(script), [1], ["greedy", "ancestral"], RunOptions(30, seed=1))
    with pytest.raises(NumericalFailure, match=r"Lane 2 \(ancestral\) ended at token"):
        list(run.columns())
    greedy, drawn = run.traces()
    assert (len(greedy.steps), greedy.stop_reason) == (30, StopReason.MAX_NEW_TOKENS)
    assert drawn.stop_reason is StopReason.CANCELLED
    assert drawn.token_ids[-1] == 2


@pytest.mark.parametrize(
    ("decoders", "message"),
    [
        ([], "0 decoding methods"),
        (["greedy"] * 9, "9 decoding methods"),
        (["beam:width=40", "beam:width=40"], f"hold 80 rows at once. At most {MAX_ROWS}"),
    ],
)
def test_too_many_or_no_lanes_are_refused(model, decoders, message) -> None:
    with pytest.raises(InvalidParams, match=message):
        generate(model, "abc", decoders)


def test_a_prompt_longer_than_the_context_is_refused_with_figures() -> None:
    small = ScriptedModel(hashed_script(VOCAB), context_length=100)
    with pytest.raises(NotCapable, match="reads 100 tokens; this prompt has 90 and 128 new"):
        generate(small, "a" * 90, ["greedy"])


def test_a_run_too_large_for_the_memory_is_refused_with_figures(monkeypatch) -> None:
    model = ScriptedModel(hashed_script(VOCAB))
    model.info = replace(model.info, kv_bytes_per_token=50_000)
    monkeypatch.setattr(generation, "free_memory", lambda device: 300_000_000)
    with pytest.raises(ModelUnavailable, match=r"8 rows by 1,003 tokens needs 0.60 GB") as caught:
        generate(model, "abc", ["ancestral"] * 8, 1000)
    assert "0.30 GB are free" in caught.value.message
    assert generate(model, "abc", ["greedy"], 100)


def test_scored_text_stands_after_bos_or_its_prompt(model) -> None:
    alone = score(model, "abc")
    assert alone.prompt.ids == (0,)
    assert [alone.pieces[i] for i in alone.token_ids] == ["a", "b", "c"]
    after = score(model, "bc", prompt="a")
    assert after.prompt.ids == (2,)
    for step in after.steps:
        assert step.sampling_surprisal == step.surprisal
        assert step.support_size == VOCAB
    with pytest.raises(InvalidParams, match="holds no token"):
        score(model, "")


def test_a_run_begins_once(model) -> None:
    run = Run(model, "abc", ["greedy"], RunOptions(max_new_tokens=4))
    made = len(list(run.columns()))
    with pytest.raises(NotCapable, match="begun already"):
        next(run.columns())
    assert len(run.traces()[0].steps) == made
