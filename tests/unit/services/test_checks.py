"""Whatever a Python program passes in, it gets a trace or one worded error."""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np
import pytest
import torch
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.core.errors import ExplorerError, InvalidParams
from explorer.core.loops import LoopThresholds
from explorer.core.types import Prompt
from explorer.decoders.spec import parse
from explorer.services.generation import Run, RunOptions, generate, stream
from explorer.services.model_sources import Sources, find_model
from explorer.services.prompts import make_prompt
from explorer.services.scoring import score

VOCAB = LetterTokenizer().vocab_size

NO_NUMBERS = [None, "x", "5", 1.5, 5.0, math.nan, math.inf, True, [], {}, b"5", ..., 1j]
SURROGATE = "a\ud800b"


@pytest.fixture(scope="module")
def model() -> ScriptedModel:
    return ScriptedModel(hashed_script(VOCAB))


@pytest.mark.parametrize("name", ["max_new_tokens", "seed", "top"])
@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
def test_what_is_no_whole_number_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(InvalidParams, match=f"{name} must be a whole number, got "):
        RunOptions(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("max_new_tokens", 0, "at least 1, got 0. Give a whole number from 1 to 200,000"),
        ("max_new_tokens", 10**30, "at most 200,000"),
        ("top", 0, "top must be at least 1"),
        ("top", 1001, "top must be at most 1,000, got 1001"),
        ("seed", 10**100, "seed must be at most"),
        *(("deadline_s", x, "above 0") for x in (0, -1, math.nan, math.inf, "5", True, [], 1j)),
        *(("stop_strings", x, "stop_strings must be a list") for x in ("end", b"end", 5, None)),
        ("stop_strings", ("a", None), "Entry 1 of stop_strings must be a text, got None"),
        ("stop_strings", (SURROGATE,), r"half of a character \(U\+D800\) at place 1"),
        *((x, "yes", f"{x} must be True or False") for x in ("coupled", "chat", "ignore_eos")),
        ("stop_on_loop", 1, "stop_on_loop must be True or False, got 1"),
        ("loop", 3, r"loop must be LoopThresholds\(…\), got 3"),
    ],
)
def test_options_that_cannot_be_used_are_refused_by_name(name, value, message) -> None:
    with pytest.raises(InvalidParams, match=message):
        RunOptions(**{name: value})


def test_numbers_of_numpy_and_torch_are_numbers() -> None:
    options = RunOptions(
        np.int64(5), seed=torch.tensor(7), top=np.int8(3), deadline_s=np.float32(2)
    )
    assert (options.max_new_tokens, options.seed, options.top) == (5, 7, 3)
    assert type(options.max_new_tokens) is type(options.seed) is int
    assert RunOptions(stop_strings=["a", "b"]).stop_strings == ("a", "b")


@pytest.mark.parametrize("decoders", [None, 5, b"greedy", [None], ["greedy", 5], [SURROGATE]])
def test_what_is_no_list_of_specs_is_refused(model, decoders) -> None:
    with pytest.raises(InvalidParams, match="decoders"):
        generate(model, "abc", decoders)


def test_a_bare_spec_is_one_lane(model) -> None:
    (trace,) = generate(model, "abc", "greedy", 3)
    assert trace.decoder == "greedy"


@pytest.mark.parametrize("spec", [None, 5, b"greedy", ["greedy"]])
def test_what_is_no_spec_is_refused(spec) -> None:
    with pytest.raises(InvalidParams, match="A decoder spec is a text"):
        parse(spec)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (None, "a text or a list of token ids, got None"),
        (5, "got 5"),
        (b"abc", r"got b'abc'"),
        ({"a": 1}, "got {'a': 1}"),
        ([1, "a"], "Token id 1 of the prompt must be a whole number, got 'a'"),
        ([1, -2], "at least 0, got -2"),
        ([1.5], "got 1.5"),
        ([[1, 2]], r"got \[1, 2\]"),
        (SURROGATE, r"The prompt holds half of a character \(U\+D800\) at place 1"),
        (Prompt("", (1, None)), "Token id 1 of the prompt"),
        ([], "holds no token"),
    ],
)
def test_a_prompt_that_cannot_be_read_is_refused(model, prompt, message) -> None:
    with pytest.raises(InvalidParams, match=message):
        Run(model, prompt, ["greedy"])


def test_ids_may_come_from_numpy_and_torch(model) -> None:
    for ids in (np.array([1, 2]), torch.tensor([1, 2]), (1, 2), range(1, 3)):
        made = make_prompt(model, ids, chat=False)
        assert made.ids == (1, 2)
        assert all(type(i) is int for i in made.ids)


@pytest.mark.parametrize("name", ["smollm2-135m", None, 5])
def test_a_name_is_no_model(name) -> None:
    with pytest.raises(InvalidParams, match=r"must be a loaded model, got .* Load it first"):
        generate(name, "abc")
    with pytest.raises(InvalidParams, match="loaded model"):
        next(stream(name, "abc"))


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        (None, {}, "The text must be a text or a list of token ids, got None"),
        (b"abc", {}, "got b'abc'"),
        ([1, "a"], {}, "Token id 1 of the text"),
        (SURROGATE, {}, "The text holds half of a character"),
        ("abc", {"prompt": None}, "The prompt must be a text or a list"),
        ("abc", {"top": 0}, "top must be at least 1"),
        ("abc", {"top": "x"}, "top must be a whole number"),
    ],
)
def test_what_cannot_be_scored_is_refused(model, text, more, message) -> None:
    with pytest.raises(InvalidParams, match=message):
        score(model, text, **more)
    with pytest.raises(InvalidParams, match="loaded model"):
        score("smollm2-135m", "abc")


@pytest.mark.parametrize("options", [{}, 5, "x", {"seed": 1}])
def test_options_are_options(model, options) -> None:
    with pytest.raises(InvalidParams, match=r"options must be RunOptions\(…\)"):
        Run(model, "abc", ["greedy"], options)


@pytest.mark.parametrize(
    "given", [("x", 3, 48), (128, "x", 48), (128, 3, None), (128, math.nan, 48), (10**9, 3, 48)]
)
def test_loop_thresholds_of_any_type_are_refused_in_words(given) -> None:
    with pytest.raises(ValueError, match="loop thresholds need"):
        LoopThresholds(*given)


NAMES = [
    None, 5, b"tiny", "", " ", "\0", "a\0b", SURROGATE, "a" * 5000, "/" * 5000, "~nobody/x",
    "x/" * 2000 + "y.gguf", "\udcff.gguf", "a\nb", ".", "..", "~", "/proc", "/dev/null", "http://x/y",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_odd_model_names_are_refused_in_words(tmp_path, name) -> None:
    with pytest.raises(ExplorerError) as caught:
        find_model(name, sources=Sources(cache=tmp_path))
    assert len(str(caught.value)) < 1_000
    str(caught.value).encode()


anything = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 40), st.floats(), st.text(max_size=5),
    st.binary(max_size=3), st.lists(st.integers(-1, 9), max_size=3), st.just(SURROGATE),
    st.just("greedy"), st.lists(st.sampled_from(["greedy", "top_k:k=3", "", 5, None]), max_size=3),
)  # fmt: skip


@given(
    prompt=anything,
    decoders=anything,
    max_new_tokens=anything,
    seed=anything,
    more=st.dictionaries(st.sampled_from(["top", "deadline_s", "stop_strings", "chat"]), anything),
)
@settings(deadline=None, max_examples=300)
def test_anything_gives_traces_or_one_worded_error(prompt, decoders, max_new_tokens, seed, more):
    scripted = ScriptedModel(hashed_script(VOCAB))
    with suppress(ExplorerError):
        traces = generate(scripted, prompt, decoders, max_new_tokens, seed, RunOptions(**more))
        assert traces
