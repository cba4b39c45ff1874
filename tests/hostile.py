"""What a stranger may send: any JSON, text like paths and templates, broken traces."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import explorer

SERVICES = Path(explorer.__file__).parent / "services"
_FIELD = re.compile(r'asked(?:\.get\(|, |\[)"(\w+)"')
_KIND = re.compile(r'(?:kind|asked\.get\("ask"\)) == "(\w+)"|^    "(\w+)": ', re.MULTILINE)


def _found(pattern: re.Pattern[str]) -> list[str]:
    texts = (path.read_text(encoding="utf-8") for path in sorted(SERVICES.rglob("*.py")))
    hits = (group for text in texts for match in pattern.findall(text) for group in _all(match))
    return sorted(set(hits) - {"umap"})


def _all(match: str | tuple[str, ...]) -> tuple[str, ...]:
    return tuple(filter(None, (match,) if isinstance(match, str) else match))


FIELDS = _found(_FIELD)
"""Names that questions have, read from the code: a new one is asked for as soon as it is read."""
KINDS = _found(_KIND)
SPECS = ("greedy", "nucleus:p=0.9", "beam:width=3", "top_k:k=3+min_p:p=0.1", "best_of_n:n=3")
USEFUL = ("scripted", "raw", "chat", "compare", "traces", "ariel", "watermarks", "prior", "0", "b1")


def hostile_texts(canary: str) -> st.SearchStrategy[str]:
    """Texts; `canary` is the path of a folder that must never be opened."""
    known = (
        "${document.cookie}", "${7*7}", "{{7*7}}", "{% raw %}", "<img src=x onerror=alert(1)>",
        "<script>alert(1)</script>", "../../../etc/passwd", "/etc/passwd", "file:///etc/passwd",
        "C:\\Windows\\win.ini", "~/.ssh/id_rsa", canary, f"{canary}/config.json", "a/../../b",
        "\x00", "\ud800", "\u202e", "𝔘𝔫𝔦", "\U0001f469\u200d\U0001f680" * 9, "NaN", "1e999", "-0",
        "' OR 1=1 --", "$(id)", "`id`", "%00", "%s%n", "\r\nSet-Cookie: a=b", "\\",
        "",
        "latent_point:point=1e999", "temperature:temperature=nan", "grammar:regex=\"(a+)+$\"",
        "contrastive_decoding:amateur=" + canary, "forced:begin=\"\\", "nucleus:p=0.9+" * 40,
        "scripted\x1fabc", f"{canary}\x1fabc",
    )  # fmt: skip
    long = st.sampled_from("a \U0001f680").map(lambda one: one * 30_000)
    usual = st.sampled_from((*known, *SPECS, *USEFUL))
    return st.one_of(usual, usual, usual, st.text(max_size=40), long)


def hostile_json(canary: str) -> st.SearchStrategy[Any]:
    """Any JSON, with numbers that hardly are ones."""
    numbers = st.one_of(
        st.integers(-3, 20),
        st.integers(),
        st.sampled_from((2**53, 2**63, -(2**63), 2**64, 10**400, 1e308, 5e-324, -0.0, 0.5)),
        st.floats(),
    )
    leaves = st.one_of(st.none(), st.booleans(), numbers, hostile_texts(canary))
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=5),
            st.dictionaries(hostile_texts(canary), inner, max_size=4),
        ),
        max_leaves=12,
    )


def questions(canary: str) -> st.SearchStrategy[str]:
    """Questions of a bridge: mostly a known kind with known fields, and anything in them."""
    value = hostile_json(canary)
    fields = st.dictionaries(st.sampled_from(FIELDS), value, max_size=8)
    kind = st.one_of(st.sampled_from(KINDS), value)
    asked = st.builds(lambda ask, rest: json.dumps({**rest, "ask": ask}), kind, fields)
    return st.one_of(asked, asked, asked, value.map(json.dumps), hostile_texts(canary))


_TOY = {"language": "toy", "space": "ariel", "dimensions": 2}
_STATE = {"prompt": "ab", "lanes": ["greedy"], "model": "scripted", "seed": 1}
_LOOP = {"ask": "run", "model": "scripted", "prompt": "abab", "tokens": 6}
_MAP = {
    "model": "scripted", "x": "temperature", "y": "nucleus.p", "x_values": "0.5 1",
    "y_values": "0.5 0.9", "texts": "ab", "prompts": 1, "seeds": 1, "tokens": 4,
}  # fmt: skip
VALID: dict[str, tuple[dict[str, Any], ...]] = {
    "latent": (
        {**_TOY, "ask": "cells", "prefix": [], "window": [0, 0, 1, 1], "pixels": 300},
        {**_TOY, "ask": "point", "place": [0.2, 0.4]},
        {**_TOY, "ask": "trip", "text": "Is it a red ball?"},
        {**_TOY, "ask": "patches", "window": [0, 0, 1, 1], "columns": 4, "rows": 3},
        {**_TOY, "ask": "sample", "how": "uniform", "count": 5, "seed": 1},
    ),
    "score": (
        {"ask": "score", "model": "scripted", "text": "abc abc", "before": "a"},
        {"ask": "probe", "text": "b"},
        {"ask": "could", "specs": ["greedy", "nucleus:p=0.9"]},
    ),
    "traces": (
        {"ask": "state"},
        {"ask": "fork", "branch": "b1", "at": 1, "token": 2, "tokens": 4, "count": 2},
        {"ask": "fork", "branch": "b2", "at": 0, "text": "a", "decoder": "ancestral", "tokens": 4},
        {"ask": "rename", "branch": "b1", "text": "<b>${x}"},
        {"ask": "annotate", "branch": "b1", "text": "{{x}}"},
        {"ask": "show", "branches": ["b1"]},
        {"ask": "part", "one": "b1", "other": "b2"},
        {"ask": "stages", "branch": "b1", "index": 0, "order": []},
        {"ask": "verify"},
        {"ask": "take", "where": "compare"},
        {"ask": "undo"},
        {"ask": "redo"},
    ),
    "labs": (
        {"ask": "gallery", "model": "scripted"},
        {"ask": "code", "lab": "watermarks"},
        {"ask": "run", "lab": "best_of_n", "model": "scripted", "seed": 1, "params": {}},
    ),
    "maps": (
        {"ask": "form"},
        {**_MAP, "ask": "run"},
        {"ask": "choose", "column": "0.5", "row": "0.9"},
    ),
    "loops": (
        {**_LOOP, "decoders": ["greedy", "momentum"]},
        {**_LOOP, "decoders": ["ancestral"], "seed": 3, "loop": {"max_period": 4}},
        {"ask": "state"},
        {"ask": "take", "where": "compare"},
        {"ask": "choose", "lane": 0},
        {"ask": "experiment", "model": "scripted", "typed": "ab a", "repetitions": 2},
        {"ask": "escape", "at": 4, "decoders": ["greedy"], "draws": 1, "tokens": 4},
        {"ask": "escape_places"},
    ),
    "share": (
        {"ask": "link", "state": _STATE},
        {"ask": "code", "state": _STATE, "lane": 0},
        {"ask": "open", "link": "?prompt=ab"},
    ),
    "stages": ({"lane": 0, "index": 0, "token": 1, "order": []},),
}
"""Questions as the page asks them, by bridge."""


def nearly_valid(bridge: str, canary: str) -> st.SearchStrategy[str]:
    """A question of the page with at most two fields changed to anything."""
    asked = st.sampled_from(VALID[bridge])
    fields = st.sampled_from(FIELDS)
    changed = st.one_of(
        st.just({}), st.dictionaries(fields, hostile_json(canary), min_size=1, max_size=2)
    )
    own = st.dictionaries(
        st.sampled_from(sorted({name for one in VALID[bridge] for name in one})),
        hostile_json(canary),
        max_size=1,
    )
    return st.builds(lambda one, *more: json.dumps(_merged(one, *more)), asked, changed, own)


def _merged(one: dict[str, Any], other: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    return {**one, **other, **{name: value for name, value in own.items() if name in one}}


def broken_traces(whole: bytes) -> st.SearchStrategy[bytes]:
    """A trace file with bytes gone, changed or doubled, or no trace at all."""
    places = st.integers(0, len(whole))
    cut = places.map(lambda at: whole[:at])
    changed = st.builds(
        lambda at, new: whole[:at] + new + whole[at + len(new) :], places, st.binary(max_size=6)
    )
    swapped = st.builds(
        lambda old, new: whole.replace(old, json.dumps(new).encode(), 1),
        st.sampled_from([b'"tokens"', b"null", b"1", b"[", b'"greedy"', b"3", b"true", b"-"]),
        st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=9)),
    )
    return st.one_of(cut, changed, swapped, st.binary(max_size=60), st.just(whole))
