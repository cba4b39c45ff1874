"""Whatever a program or a browser sends: words, never an incident number."""

from __future__ import annotations

import asyncio
import math
import re
from typing import Any

import gradio as gr
import pytest

from explorer.core.errors import InvalidParams
from explorer.ui.boundary import guarded
from explorer.ui.endpoints import Endpoints
from explorer.ui.model_bar import ModelBar
from explorer.ui.pages.compare_form import make_request
from ui.fake_services import FakeServices

FORM = {
    "prompt": "A prompt",
    "template": "raw",
    "specs": "greedy\nnucleus:p=0.9",
    "tokens": 5,
    "seed": "3",
    "coupled": True,
    "stop_on_loop": False,
    "loop_period": 128,
    "loop_copies": 3,
    "loop_tokens": 48,
    "top": 4,
    "stop_strings": "",
    "deadline": None,
}


def made(**changed: Any) -> Any:
    return make_request("m", *(FORM | changed).values())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tokens": 1.5}, r"“tokens” is 1\.5.*whole number"),
        ({"tokens": math.nan}, "“tokens” is nan"),
        ({"tokens": None}, "“tokens” is empty"),
        ({"tokens": "many"}, "“tokens” is 'many'"),
        ({"tokens": True}, "“tokens” is True"),
        ({"top": 2.5}, r"“alternatives” is 2\.5"),
        ({"seed": "1.5"}, r"“seed” is '1\.5'"),
        ({"seed": "x"}, "“seed” is 'x'"),
        ({"seed": ""}, "“seed” is empty"),
        ({"seed": None}, "“seed” is empty"),
        ({"seed": "9" * 5000}, "“seed” has 5,000 digits"),
        ({"deadline": "soon"}, "“time limit” is 'soon'"),
        ({"prompt": "a\ud800"}, "prompt.*half of a character"),
        ({"prompt": 5}, "prompt"),
        ({"stop_strings": "\udfff"}, "stop strings.*half of a character"),
        ({"specs": None}, "methods"),
        ({"loop_period": 0}, "longest unit must be at least 1|longest unit"),
        ({"loop_period": 2.5}, "longest unit"),
        ({"loop_period": 20_000}, "max_period from 1 to 10,000"),
        ({"loop_copies": 1}, "min_copies from 2"),
        ({"loop_copies": math.nan}, "min_copies from 2"),
        ({"loop_copies": "many"}, "min_copies from 2"),
        ({"loop_tokens": -4}, "fewest tokens"),
        ({"loop_tokens": 2**63}, "min_tokens from 2 to 1,000,000,000"),
        ({"template": "none"}, "template"),
    ],
)
def test_a_form_that_cannot_be_meant_is_refused_in_words(changed: Any, words: str) -> None:
    with pytest.raises(InvalidParams, match=words):
        made(**changed)


def test_a_seed_keeps_all_its_digits() -> None:
    assert made(seed="9007199254740993").seed == 9007199254740993
    assert made(seed=" -1 ").seed == -1
    assert made(seed=7).seed == 7


def test_a_time_limit_of_zero_is_one() -> None:
    assert made(deadline=0).deadline_s == 0.0
    assert made(deadline=None).deadline_s is None


COMPARE = {"prompt": "a", "decoders": ["greedy"], "model": "", "max_new_tokens": 5, "seed": 1}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"decoders": "greedy"}, r"'decoders' is 'greedy'.*list"),
        ({"decoders": None}, "'decoders' is None"),
        ({"decoders": ["greedy", 5]}, "'decoders' holds 5"),
        ({"decoders": ["a\ud800"]}, "half of a character"),
        ({"prompt": None}, "'prompt' is None"),
        ({"prompt": ["a"]}, r"'prompt' is \['a'\]"),
        ({"prompt": "\ud800"}, "half of a character"),
        ({"model": 7}, "'model' is 7"),
        ({"max_new_tokens": "12"}, "'max_new_tokens' is '12'"),
        ({"max_new_tokens": 1.5}, r"'max_new_tokens' is 1\.5"),
        ({"max_new_tokens": math.inf}, "'max_new_tokens' is inf"),
        ({"max_new_tokens": None}, "'max_new_tokens' is None"),
        ({"seed": "x"}, "'seed' is 'x'"),
        ({"seed": True}, "'seed' is True"),
    ],
)
def test_compare_says_what_is_wrong_with_an_argument(changed: Any, words: str) -> None:
    compare = guarded(Endpoints(FakeServices()).compare)
    with pytest.raises(gr.Error) as caught:
        list(compare(**(COMPARE | changed)))
    assert re.search(words, caught.value.message)


@pytest.mark.parametrize("arguments", [(None, ""), (5, ""), ("\udc80", ""), ("a", [])])
def test_score_says_what_is_wrong_with_an_argument(arguments: Any) -> None:
    with pytest.raises(gr.Error) as caught:
        guarded(Endpoints(FakeServices()).score)(*arguments)
    assert caught.value.message.startswith(("'text' ", "'model' "))


def test_whole_numbers_may_come_as_floats_and_seeds_as_text() -> None:
    endpoints = Endpoints(FakeServices())
    assert list(endpoints.compare("a", ["greedy"], "", 5.0, 1))  # type: ignore[arg-type]
    assert list(endpoints.compare("a", ["greedy"], "", 5, "9007199254740993"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("prompt", "tokens"), [("a\ud800", 5), ("a b", 1.5), ("a b", math.nan)])
def test_the_prompts_report_takes_whatever_is_typed(
    event_loop: asyncio.AbstractEventLoop, prompt: str, tokens: float
) -> None:
    async def build() -> ModelBar:
        with gr.Blocks(analytics_enabled=False):
            return ModelBar(FakeServices())

    bar = event_loop.run_until_complete(build())
    facts, *_ = bar.inspect("scripted", prompt, "raw", tokens)
    assert ("half of a character" in facts) == ("\ud800" in prompt)


def test_a_text_in_a_spec_may_hold_marks_that_end_lines_elsewhere() -> None:
    spec = 'banned_phrases:phrases="one\u2028two\x85"'
    assert made(specs=f"{spec}\ngreedy").specs == (spec, "greedy")
