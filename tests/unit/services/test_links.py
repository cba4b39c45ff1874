"""Links restore what they hold and refuse all else; code that is copied runs and says the same."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import random
import string
import zlib

import pytest
import torch
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from hypothesis import given, settings
from hypothesis import strategies as st

import explorer
from explorer.core.decoder import StepView
from explorer.core.errors import InvalidParams
from explorer.core.loops import LoopThresholds
from explorer.decoders.spec import parse
from explorer.services.generation import RunOptions, generate
from explorer.services.loading import load_model
from explorer.services.permalink import (
    MAX_LINK,
    MAX_STATE,
    LinkState,
    as_data,
    decode_link,
    encode_link,
    link_state,
)
from explorer.services.snippet import package_snippet, transformers_snippet

VOCAB = LetterTokenizer().vocab_size
LANES = (
    "greedy",
    "temperature:temperature=0.8+nucleus:p=0.9",
    'forced:begin="Well, 1+1",end=false',
)

texts = st.text(st.characters(codec="utf-8"), max_size=200)
states = st.builds(
    LinkState,
    prompt=texts,
    lanes=st.lists(st.sampled_from(LANES), min_size=1, max_size=8).map(tuple),
    seed=st.integers(-(2**256), 2**256),
    model=st.sampled_from(["tiny", "smollm2-135m", "org/name", ""]),
    max_new_tokens=st.integers(1, 4000),
    top=st.integers(1, 100),
    coupled=st.booleans(),
    loop_max_period=st.integers(1, 10_000),
    loop_min_copies=st.floats(2, 100),
    loop_min_tokens=st.integers(2, 500),
    chat=st.booleans(),
    stop_strings=st.lists(texts.filter(bool), max_size=3).map(tuple),
    view=st.dictionaries(
        st.sampled_from(["colour", "plot", "pinned", "dark"]),
        st.booleans() | st.integers(0, 99) | st.sampled_from(["entropy", "rank"]),
    ),
)


@given(states)
@settings(deadline=None)
def test_a_link_restores_what_it_holds(state) -> None:
    link = encode_link(state)
    assert len(link) <= MAX_LINK
    assert set(link) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")
    assert decode_link(link) == state
    json.dumps(as_data(state), allow_nan=False)


def test_a_usual_link_is_short() -> None:
    state = LinkState(prompt="The old lighthouse keeper opened the door and", lanes=LANES, seed=7)
    assert len(encode_link(state)) < 200


def packed(data: object) -> str:
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return "1." + base64.urlsafe_b64encode(zlib.compress(text)).decode().rstrip("=")


GOOD = encode_link(LinkState(prompt="abc", seed=4))


@pytest.mark.parametrize(
    ("link", "message"),
    [
        ("", "of version ''"),
        ("2.abc", "of version '2'"),
        ("abc", "of version 'abc'"),
        ("1.", "cut or changed"),
        (GOOD[:-3], "cut or changed"),
        (GOOD[:-1] + "!", "cut or changed"),
        (GOOD + "AAAA", "cut or changed"),
        ("1." + base64.urlsafe_b64encode(b"not deflated").decode(), "cut or changed"),
        ("1.é", "cut or changed"),
        ("1." + "A" * MAX_LINK, "too long"),
        (packed(b"\xff\xfe"), "damaged"),
        (packed(b'{"prompt":'), "damaged"),
        (packed([]), "damaged"),
        (packed({"prompts": "x"}), "prompts: Extra inputs"),
        (packed({"prompt": 5}), "prompt: Input should be a valid string"),
        (packed({"seed": "4"}), "seed: Input should be a valid integer"),
        (packed({"seed": 2**300}), "seed: "),
        (packed({"lanes": []}), "lanes: "),
        (packed({"lanes": ["greedy"] * 9}), "lanes: "),
        (packed({"lanes": ["magic"]}), "cannot be followed: .*magic"),
        (packed({"lanes": ["nucleus:p=7"]}), "cannot be followed"),
        (packed({"max_new_tokens": 10**9}), "max_new_tokens: "),
        (packed({"coupled": 1}), "coupled: "),
        (packed({"view": {"x": {"deep": 1}}}), "view.x"),
        (packed({"view": {str(i): 1 for i in range(50)}}), "view: "),
        (packed({"view": {"x": float("nan")}}), "damaged"),
        (packed(b" " * (MAX_STATE + 5)), "more than 262,144 bytes"),
        (packed(b"[" * 100_000), "damaged"),
    ],
)
def test_a_strangers_link_is_refused_in_words(link, message) -> None:
    with pytest.raises(InvalidParams, match=message) as caught:
        decode_link(link)
    assert len(str(caught.value)) < 1000


@given(st.text(max_size=60) | st.binary(max_size=60).map(packed))
@settings(deadline=None)
def test_no_link_raises_anything_else(link) -> None:
    with contextlib.suppress(InvalidParams):
        decode_link(link)


@pytest.mark.parametrize(
    "data", [{"prompt": "a\ud800"}, {"lanes": ['forced:begin="\udc00"']}, {"view": {"x": "\ud800"}}]
)
def test_half_of_a_character_is_said_in_words(data) -> None:
    with pytest.raises(InvalidParams, match="half of a character"):
        link_state({"lanes": ["greedy"], "seed": "4", **data})


def test_what_does_not_fit_in_a_link_is_said() -> None:
    noise = "".join(random.Random(1).choices(string.printable, k=40_000))
    with pytest.raises(InvalidParams, match="save a trace file"):
        encode_link(LinkState(prompt=noise))
    assert len(encode_link(LinkState(prompt="word " * 30_000))) < MAX_LINK
    with pytest.raises(InvalidParams, match="save a trace file"):
        encode_link(LinkState(prompt="é" * 199_000))


def printed_by(code: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(code, "snippet", "exec"), {"__name__": "snippet"})
    return out.getvalue()


def test_copied_code_says_the_same(monkeypatch) -> None:
    model = ScriptedModel(hashed_script(VOCAB))
    monkeypatch.setattr(explorer, "load_model", lambda name: model, raising=False)
    prompt = "it's \"a\" \\n\nline\tand 'more' {braces}"
    state = LinkState(
        prompt=prompt,
        lanes=("ancestral", 'temperature:temperature=0.5+banned_phrases:phrases="a|b"'),
        seed=-(2**70),
        model="tiny",
        max_new_tokens=12,
        coupled=True,
        stop_strings=("'", '"x'),
        stop_on_loop=True,
        loop_min_copies=2.5,
        loop_min_tokens=4,
    )
    loop = LoopThresholds(min_copies=2.5, min_tokens=4)
    options = RunOptions(coupled=True, stop_strings=("'", '"x'), stop_on_loop=True, loop=loop)
    traces = generate(model, prompt, state.lanes, 12, state.seed, options)
    wanted = "".join(f"--- {t.decoder}\n{t.text}\n" for t in traces)
    assert printed_by(package_snippet(state).code) == wanted
    plain = package_snippet(LinkState(prompt="abc", model="tiny", max_new_tokens=3)).code
    assert "RunOptions" not in plain
    assert printed_by(plain).startswith("--- greedy\n")


@pytest.fixture(scope="module")
def tiny():
    return load_model("tiny", device="cpu")


PLACE = str(explorer.__path__[0]) + "/../assets/models/tiny"


@pytest.mark.parametrize(
    "lane",
    ["greedy", "beam:width=3,length_penalty=0.8", "repetition_penalty:penalty=1.3+greedy",
     "no_repeat_ngram:n=2+beam:width=2", "min_length:tokens=20+greedy"],
)  # fmt: skip
def test_code_for_transformers_says_the_same_where_nothing_is_drawn(tiny, lane) -> None:
    prompt = "Once upon a time there was a 'red' ball."
    state = LinkState(prompt=prompt, lanes=(lane,), model="tiny", max_new_tokens=24)
    snippet = transformers_snippet(state, 0, place=PLACE, eos_ids=sorted(tiny.tokenizer.eos_ids))
    assert snippet.reason == ""
    (trace,) = generate(tiny, prompt, [lane], max_new_tokens=24)
    assert printed_by(snippet.code) == trace.text + "\n"


def test_code_for_the_shipped_model_finds_it_where_the_package_lies(tiny) -> None:
    state = LinkState(prompt="Once upon a time", lanes=("greedy",), model="tiny", max_new_tokens=16)
    snippet = transformers_snippet(state, 0)
    assert PLACE not in snippet.code
    (trace,) = generate(tiny, state.prompt, ["greedy"], max_new_tokens=16)
    assert printed_by(snippet.code) == trace.text + "\n"


@pytest.mark.parametrize(
    "lane",
    ["ancestral", "temperature:temperature=0.7+top_k:k=40+nucleus:p=0.9", "min_p:p=0.1",
     "locally_typical:mass=0.5", "temperature:temperature=2+epsilon:epsilon=0.01",
     "repetition_penalty:penalty=1.5+eta:epsilon=0.01"],
)  # fmt: skip
def test_code_for_transformers_draws_from_the_same_law(tiny, lane) -> None:
    prompt = "Once upon a time there was a ball."
    state = LinkState(prompt=prompt, lanes=(lane,), model="tiny", max_new_tokens=4, seed=3)
    code = transformers_snippet(state, 0, place=PLACE).code
    asked = code.replace("**inputs,", "**inputs, output_scores=True, return_dict_in_generate=True,")
    asked = asked[: asked.index("print(")]
    space: dict = {}
    exec(compile(asked, "snippet", "exec"), space)
    ids = space["made"].sequences[0].tolist()
    start = space["inputs"]["input_ids"].shape[1]
    decoder = parse(lane).build()
    for i, scores in enumerate(space["made"].scores):
        [(_, logits)] = list(tiny.score(ids[: start + i + 1], start + i))
        view = StepView(logits, logits.log_softmax(-1), (ids[: start + i],), start, (0.5,))
        law = decoder.advance(view).logprobs[0].exp()
        assert torch.allclose(law, scores[0].softmax(-1), atol=1e-3)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"lanes": ("mirostat",)}, "no 'mirostat'"),
        ({"lanes": ("xtc+greedy",)}, "no 'xtc'"),
        ({"lanes": ("nucleus+temperature",)}, "another order"),
        ({"lanes": ("temperature+greedy",)}, "leaves 'temperature' out"),
        ({"lanes": ("repetition_penalty:window=9+greedy",)}, "without these parameters"),
        ({"stop_on_loop": True}, "other rules"),
        ({"prompt": ""}, "empty prompt"),
        ({"model": "x.gguf"}, "a folder or a Hub id"),
    ],
)
def test_where_transformers_differs_there_is_a_reason_and_no_code(state, reason) -> None:
    snippet = transformers_snippet(LinkState(**{"prompt": "abc", "model": "a/b", **state}), 0)
    assert snippet.code == ""
    assert reason in snippet.reason


def test_chat_prompts_go_through_the_template() -> None:
    state = LinkState(prompt="a {b} 'c'", model="smollm2-135m", chat=True)
    code = transformers_snippet(state, 0).code
    compile(code, "snippet", "exec")
    assert "apply_chat_template" in code
    assert "HuggingFaceTB/SmolLM2-135M-Instruct" in code
    assert "a {b} 'c'" in code
