"""The lockstep loop: lanes do not disturb each other, rows follow parents, nothing is lost."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from fakes import LetterTokenizer, ScriptedModel, hashed_script, table_script

from explorer.core.decoder import Decoder, Move, StepView
from explorer.core.distribution import one_hot
from explorer.core.engine import Context, Lane, Request, generate
from explorer.core.errors import InvalidParams, NotCapable, NumericalFailure
from explorer.core.noise import lane_keys
from explorer.core.types import Column, Noise, StopReason
from explorer.decoders.ancestral import Ancestral
from explorer.decoders.beam import Beam
from explorer.decoders.greedy import Greedy
from explorer.decoders.spec import parse

VOCAB = LetterTokenizer().vocab_size


def lanes_of(*specs: str, coupled: bool = False) -> tuple[Lane, ...]:
    chains = [parse(spec) for spec in specs]
    keys = lane_keys(tuple(c.canonical for c in chains), coupled=coupled)
    return tuple(Lane(c.build(), key) for c, key in zip(chains, keys, strict=True))


def run(
    *specs: str,
    model: ScriptedModel | None = None,
    tokens: int = 20,
    seed: int = 7,
    coupled: bool = False,
    prompt: Sequence[int] = (3, 4, 5),
) -> list[Column]:
    model = model or ScriptedModel(hashed_script(VOCAB))
    lanes = lanes_of(*specs, coupled=coupled)
    request = Request(tuple(prompt), lanes, tokens, seed=seed, eos_ids=frozenset({0}))
    return list(generate(model, request))


def ids(columns: list[Column], lane: int) -> list[int]:
    return [s.token_id for c in columns for s in c.steps if s.lane == lane]


EIGHT = (
    "greedy",
    "ancestral",
    "nucleus:p=0.9",
    "top_k:k=5",
    "temperature:temperature=1.5",
    "momentum",
    "locally_typical:mass=0.5",
    "repetition_penalty:penalty=1.3",
)


def test_a_lane_says_the_same_alone_and_beside_seven_others() -> None:
    together = run(*EIGHT)
    for lane, spec in enumerate(EIGHT):
        assert ids(together, lane) == ids(run(spec), 0), spec
    backwards = run(*EIGHT[::-1])
    assert ids(backwards, 0) == ids(together, 7)


def test_equal_specs_draw_different_numbers_unless_coupled() -> None:
    apart = run("ancestral", "ancestral")
    assert ids(apart, 0) != ids(apart, 1)
    coupled = run("ancestral", "ancestral", coupled=True)
    assert ids(coupled, 0) == ids(coupled, 1)


def test_the_seed_decides_the_draws_and_nothing_else() -> None:
    assert ids(run("ancestral", seed=1), 0) == ids(run("ancestral", seed=1), 0)
    assert ids(run("ancestral", seed=1), 0) != ids(run("ancestral", seed=2), 0)
    assert ids(run("greedy", seed=1), 0) == ids(run("greedy", seed=2), 0)


def test_one_forward_a_step_for_all_lanes_and_none_after_the_last() -> None:
    model = ScriptedModel(hashed_script(VOCAB))
    run(*EIGHT, model=model, tokens=12)
    assert model.forwards == 11


def test_finished_rows_leave_the_batch() -> None:
    # "ab" then the end for one lane; the other goes on.
    table = {(): {1: 0.6, 2: 0.4}, (1,): {0: 1.0}, (2,): {2: 1.0}}
    model = ScriptedModel(table_script(table, 4))
    columns = run("greedy", "ancestral", model=model, tokens=5, prompt=(3,), seed=0)
    assert [end.reason for c in columns for end in c.ended if end.lane == 0] == [StopReason.EOS]
    assert ids(columns, 0) == [1, 0]
    if len(ids(columns, 1)) > 2:
        assert columns[2].batch_rows == 1


class Spy(Decoder):
    """Fans out, crosses over and prunes by a fixed plan, and checks every view it gets."""

    width = 3
    plan = (((0, 0, 0), (5, 6, 7)), ((2, 0, 2), (8, 9, 10)), ((1, 1), (11, 12)), ((1, 0), (13, 14)))

    def __init__(self) -> None:
        self.expected: list[list[int]] = [[3, 4]]
        self.step = 0

    def advance(self, view: StepView) -> Move:
        assert [list(h) for h in view.histories] == self.expected
        assert view.logits.shape[0] == len(self.expected)
        model = ScriptedModel(hashed_script(VOCAB))
        for row, history in enumerate(self.expected):  # logits belong to their history
            assert torch.equal(view.logits[row], model.law(history))
        parents, tokens = self.plan[self.step % len(self.plan)]
        self.expected = [self.expected[p] + [t] for p, t in zip(parents, tokens, strict=True)]
        self.step += 1
        law = one_hot(view.logprobs[list(parents)], torch.tensor(tokens))
        return Move(parents, tokens, law, scores=tuple(-float(i) for i in range(len(tokens))))


def test_histories_and_logits_follow_parents_between_neighbours() -> None:
    model = ScriptedModel(hashed_script(VOCAB))
    (other,) = lanes_of("ancestral")
    (last,) = lanes_of("greedy")
    spy = Spy()
    lanes = (other, Lane(spy, Noise("spy")), last)
    columns = list(generate(model, Request((3, 4), lanes, 4, eos_ids=frozenset())))
    assert spy.step == 4
    assert [s.parent_row for s in columns[1].steps if s.lane == 1] == [2, 0, 2]
    assert ids(columns, 0) == ids(run("ancestral", tokens=4, prompt=(3, 4), seed=0), 0)


class Doubter(Decoder):
    """Reads a second model: takes what the first likes and the second does not."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def advance(self, view: StepView) -> Move:
        assert view.second_logits is not None
        self.seen.append(view.second_logits.clone())
        choice = (view.logprobs - view.second_logits.log_softmax(-1)).argmax(-1)
        return Move((0,), (int(choice[0]),), one_hot(view.logprobs, choice))


def test_a_second_model_is_a_second_cache_with_only_the_rows_that_asked() -> None:
    expert = ScriptedModel(hashed_script(VOCAB))
    amateur = ScriptedModel(hashed_script(VOCAB, end=1))
    (greedy,), (sampled,) = lanes_of("greedy"), lanes_of("ancestral")
    doubter = Doubter()
    second = Context("amateur", amateur, (5,))
    lanes = (greedy, Lane(doubter, Noise("d"), second=second), sampled)
    request = Request((3, 4), lanes, 6, eos_ids=frozenset())
    columns = list(generate(expert, request))
    history = [5]  # after another prompt, the same continuation
    for seen, token in zip(doubter.seen, ids(columns, 1), strict=True):
        assert torch.equal(seen[0], amateur.law(history))
        history.append(token)
    assert amateur.forwards == 5


def test_closing_the_generator_stops_before_the_next_forward() -> None:
    model = ScriptedModel(hashed_script(VOCAB))
    columns = generate(model, Request((3,), lanes_of("greedy"), 100))
    for _ in range(3):
        next(columns)
    columns.close()
    assert model.forwards == 2


def test_an_interrupt_ends_all_lanes_and_keeps_the_column() -> None:
    calls = iter([None, None, None, StopReason.DEADLINE])
    request = Request(
        (3,), lanes_of("greedy", "ancestral"), 100, interrupted=lambda: next(calls, None)
    )
    columns = list(generate(ScriptedModel(hashed_script(VOCAB)), request))
    assert len(columns) == 3
    assert [end.reason for end in columns[-1].ended] == [StopReason.DEADLINE] * 2
    assert len(columns[-1].steps) == 2


def test_an_interrupt_while_the_prompt_is_read_gives_one_empty_column() -> None:
    request = Request((3,) * 500, lanes_of("greedy"), 10, interrupted=lambda: StopReason.CANCELLED)
    (column,) = generate(ScriptedModel(hashed_script(VOCAB)), request)
    assert column.steps == ()
    assert column.ended[0].reason is StopReason.CANCELLED


def test_the_reading_of_a_prompt_is_told_with_its_share_over_all_models() -> None:
    told: list[tuple[int, int]] = []
    model = ScriptedModel(hashed_script(VOCAB))
    request = Request((3,) * 150, lanes_of("greedy"), 1, on_prefill=lambda *x: told.append(x))
    list(generate(model, request))
    assert told == [(64, 150), (128, 150), (150, 150)]
    told.clear()
    second = Context("amateur", model, (3,) * 100)
    lanes = (*lanes_of("greedy"), Lane(Doubter(), Noise("d"), second=second))
    request = Request((3,) * 100, lanes, 1, on_prefill=lambda *x: told.append(x))
    list(generate(model, request))
    assert told == [(64, 200), (100, 200), (164, 200), (200, 200)]


def test_bad_requests_are_refused_with_figures() -> None:
    model = ScriptedModel(hashed_script(VOCAB), context_length=16)
    with pytest.raises(NotCapable, match=r"reads 16 tokens; this prompt has 10 and 7"):
        next(generate(model, Request((1,) * 10, lanes_of("greedy"), 7)))
    with pytest.raises(InvalidParams, match="no token"):
        next(generate(model, Request((), lanes_of("greedy"), 7)))
    with pytest.raises(InvalidParams, match="at least 1"):
        next(generate(model, Request((1,), lanes_of("greedy"), 0)))
    with pytest.raises(InvalidParams, match="at least one lane"):
        next(generate(model, Request((1,), (), 5)))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_logits_raise_after_the_good_columns(bad: float) -> None:
    def script(history: Sequence[int]) -> list[float]:
        return [bad if len(history) > 4 else 0.0, 1.0, 2.0]

    columns = generate(ScriptedModel(script), Request((1,), lanes_of("greedy"), 10))
    assert [len(next(columns).steps) for _ in range(4)] == [1] * 4
    last = next(columns)
    assert (last.steps, last.alive_rows) == ((), {})
    assert [(end.lane, end.reason) for end in last.ended] == [(0, StopReason.CANCELLED)]
    with pytest.raises(NumericalFailure, match="NaN"):
        next(columns)


def drain(columns) -> tuple[list[Column], NumericalFailure | None]:
    """All columns, and what was raised after them."""
    made = []
    try:
        made.extend(columns)  # keeps what came before the failure
    except NumericalFailure as error:
        return made, error
    return made, None


def breaks_at(length: int, value: float = math.nan):
    """A processor whose law fails once a row has so many tokens."""

    def process(logits: torch.Tensor, view: StepView) -> torch.Tensor:
        broken = len(view.histories[0]) >= length
        return torch.full_like(logits, value) if broken else logits

    return process


@pytest.mark.parametrize("value", [math.nan, -math.inf, math.inf])
@pytest.mark.parametrize("chooser", [Ancestral, Greedy, lambda p: Beam(3, 1.0, p)])
def test_a_lane_whose_law_fails_ends_alone_and_is_named(chooser, value) -> None:
    broken = Lane(chooser([breaks_at(9, value)]), Noise("b"), name="broken")
    before, after = lanes_of("ancestral", "nucleus:p=0.9")
    model = ScriptedModel(hashed_script(VOCAB))
    request = Request((3, 4, 5), (before, broken, after), 20, seed=7, eos_ids=frozenset())
    columns, failure = drain(generate(model, request))
    alone = list(generate(model, Request((3, 4, 5), (lanes_of("ancestral")), 20, seed=7)))
    assert failure is not None
    assert "Lane 2 (broken) ended at token 7" in failure.message
    assert "The other lanes went on." in failure.hint
    assert ids(columns, 0) == ids(alone, 0)
    assert len(ids(columns, 2)) == 20
    assert max(s.index for c in columns for s in c.steps if s.lane == 1) == 5
    ends = {end.lane: (c.index, end.reason) for c in columns for end in c.ended}
    assert ends[1] == (6, StopReason.CANCELLED)
    assert ends[0] == ends[2] == (19, StopReason.MAX_NEW_TOKENS)


class Careless(Decoder):
    """Says that it drew from NaN, and does not notice."""

    def advance(self, view: StepView) -> Move:
        return Move((0,), (1,), torch.full_like(view.logprobs, math.nan))


def test_a_decoder_that_answers_with_nan_is_found_out() -> None:
    lanes = (Lane(Careless(), Noise("c"), name="careless"), *lanes_of("greedy"))
    model = ScriptedModel(hashed_script(VOCAB))
    columns, failure = drain(generate(model, Request((3,), lanes, 5, eos_ids=frozenset())))
    assert "Lane 1 (careless) ended at token 1" in str(failure)
    assert (ids(columns, 0), len(ids(columns, 1))) == ([], 5)


def test_a_model_that_fails_for_one_lane_ends_that_lane_only() -> None:
    def script(history: Sequence[int]) -> list[float]:
        return [-9.0, math.nan if 2 in history else 3.0, 2.0, 1.0]

    first, second = lanes_of("greedy", "ancestral")
    lanes = (first, Lane(second.decoder, second.noise, name="drawn"))
    columns, failure = drain(generate(ScriptedModel(script), Request((1,), lanes, 30, seed=1)))
    assert failure is not None
    assert failure.message.startswith("Lane 2 (drawn) ended at token ")
    assert "The model answered with NaN" in failure.message
    assert ids(columns, 0) == [1] * 30
    assert ids(columns, 1)[-1] == 2


def test_masked_logits_and_a_one_token_vocabulary_survive() -> None:
    masked = ScriptedModel(lambda history: [-math.inf, 0.0, -math.inf, 1.0])
    for column in run(*EIGHT, "beam:width=3", model=masked, tokens=4, prompt=(1,)):
        for step in column.steps:
            assert step.token_id in (1, 3)
            assert math.isfinite(step.entropy)
            assert math.isfinite(step.sampling_surprisal)
    single = ScriptedModel(lambda history: [0.0])
    lanes = lanes_of(*EIGHT, "beam:width=3")
    columns = list(generate(single, Request((0,), lanes, 3)))
    assert all(s.token_id == 0 and s.entropy == 0 and s.rank == 0 for c in columns for s in c.steps)
