"""Whatever is sent, words come back: every endpoint, bridge, form and upload, with hostile input.

500 cases in the ordinary run, the same every time; `make fuzz` runs 5,000 new ones
(EXPLORER_FUZZ_CASES sets how many).
"""

from __future__ import annotations

import gc
import json
import logging
import os
import secrets
import sys
import sysconfig
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import gradio as gr
import psutil
import pytest
from fakes import LetterTokenizer, ScriptedModel, hashed_script
from hostile import (
    FIELDS,
    KINDS,
    VALID,
    broken_traces,
    hostile_json,
    hostile_texts,
    nearly_valid,
    questions,
)
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

import explorer
from explorer import generate, write_traces
from explorer.core.errors import ExplorerError
from explorer.services.compare import Services
from explorer.services.model_pool import ModelPool
from explorer.services.settings import Settings
from explorer.ui.bridge import BridgeEvents
from explorer.ui.endpoints import Endpoints
from explorer.ui.pages import labs, latent, loops, traces
from explorer.ui.pages.compare import CompareEvents
from explorer.ui.pages.traces import TracesEvents

CASES = int(os.environ.get("EXPLORER_FUZZ_CASES", "500"))
IS_ORDINARY = "EXPLORER_FUZZ_CASES" not in os.environ
CHUNK = 250
ROOT = Path(explorer.__file__).parent.parent
TIGHT = Settings(
    model="scripted", models=("scripted",), max_prompt_chars=5_000, max_new_tokens=12,
    max_run_s=1.0, max_top=5, max_upload_bytes=200_000, max_visitor_runs=3,
)  # fmt: skip
SESSIONS = ("one", "two", "")
FORM = [
    *("scripted", "abab", "raw", "greedy", 8, "3", False, False),
    *(None, None, None, 3, "", None),
]


class Request(gr.Request):
    def __init__(self, session: str) -> None:
        self.session_hash = session


class OpenedFiles:
    """Which files this process opens while it is on; an audit hook cannot be taken away."""

    def __init__(self) -> None:
        self.on = False
        self.paths: set[str] = set()
        sys.addaudithook(self._heard)

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in ("open", "os.listdir", "os.scandir") and arguments:
            path = arguments[0]
            if isinstance(path, (str, bytes, os.PathLike)):
                self.paths.add(os.path.realpath(os.fsdecode(path)))


OPENED = OpenedFiles()


@pytest.fixture(scope="module")
def canary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that looks like a model, and that nobody may open."""
    folder = tmp_path_factory.mktemp("canary")
    (folder / "config.json").write_text('{"model_type": "llama"}')
    return folder


@pytest.fixture(scope="module")
def whole_trace(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "run.jsonl"
    model = ScriptedModel(hashed_script(LetterTokenizer().vocab_size))
    write_traces(path, generate(model, "ab", ["greedy", "beam:width=2"], max_new_tokens=5))
    return path.read_bytes()


class Stranger:
    """One who sends everything to every entry.

    Args:
        services: behind all of them.
        folder: for what is uploaded.
    """

    def __init__(self, services: Services, folder: Path) -> None:
        self.services, self.folder = services, folder
        self.events, self.endpoints = CompareEvents(services), Endpoints(services)
        self.uploads = TracesEvents(services)
        self.bridges: dict[str, Callable[..., Any]] = {
            "latent": services.latent.answer,
            "score": services.scores.answer,
            "traces": services.traces.answer,
            "labs": services.labs.answer,
            "maps": services.maps.answer,
            "loops": services.loops.answer,
            "share": services.sharing.answer,
            "stages": self.events.token_stages,
        }

    def ask(self, bridge: str, session: str, asked: str) -> bool:
        told = BridgeEvents(self.bridges[bridge]).ask(Request(session), asked)
        answer = json.loads(told)
        assert isinstance(answer, dict)
        told.encode()
        assert "incident" not in json.dumps(answer.get("error", "")), (bridge, asked, answer)
        return "error" not in answer

    def run(self, session: str, values: list[Any]) -> bool:
        shown = ""
        with closing(self.events.run(Request(session), *values)) as frames:
            for line, *_ in frames:
                if isinstance(line, str):
                    assert "incident" not in line, values
                    shown = line
        return '"done"' in shown

    def call(self, name: str, session: str, values: list[Any]) -> bool:
        function = getattr(self.endpoints, name)
        try:
            answer = function(*values, request=Request(session))
            told = list(answer) if name == "compare" else answer
        except ExplorerError:
            return False
        json.dumps(told, allow_nan=False)
        return True

    def upload(self, session: str, content: bytes) -> bool:
        path = self.folder / "dropped.jsonl"
        path.write_bytes(content)
        try:
            self.uploads.open_file(Request(session), str(path))
        except ExplorerError:
            return False
        return True

    def save(self, session: str, page: Any, kind: str) -> bool:
        arguments = (self.services, session) if page is loops else (self.services, kind, session)
        try:
            page._save(*arguments)
        except ExplorerError:
            return False
        return True


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stranger]:
    pool = ModelPool(names=["scripted"])
    pool.add("scripted", ScriptedModel(hashed_script(LetterTokenizer().vocab_size)))
    folder = tmp_path_factory.mktemp("stranger")
    services = Services(TIGHT, pool)
    yield Stranger(services, folder)
    for session in SESSIONS:
        services.forget(session)


def one_of_all(canary: str, whole: bytes) -> st.SearchStrategy[tuple[str, tuple[Any, ...]]]:
    """A method of `Stranger`, which tells whether it got an answer, and what to give it."""
    session, value = st.sampled_from(SESSIONS), hostile_json(canary)
    names = st.sampled_from(list(VALID))
    strange = st.tuples(names, session, questions(canary))
    nearly = st.one_of(
        *(st.tuples(st.just(name), session, nearly_valid(name, canary)) for name in VALID)
    )
    ask = st.tuples(st.just("ask"), st.one_of(strange, nearly, nearly))
    form = st.lists(value, min_size=len(FORM), max_size=len(FORM))
    likely = one_changed(FORM, value)
    run = st.tuples(st.just("run"), st.tuples(session, st.one_of(form, likely)))
    api = st.one_of(
        st.tuples(st.just("compare"), session, st.lists(value, min_size=2, max_size=5)),
        st.tuples(st.just("compare"), session, one_changed(["ab", ["greedy"], "", 5, 1], value)),
        st.tuples(st.just("score"), session, st.lists(value, min_size=1, max_size=2)),
        st.tuples(st.just("score"), session, st.tuples(hostile_texts(canary)).map(list)),
    )  # fmt: skip
    call = st.tuples(st.just("call"), api)
    upload = st.tuples(st.just("upload"), st.tuples(session, broken_traces(whole)))
    saved = st.tuples(
        session,
        st.sampled_from([labs, latent, loops, traces]),
        st.sampled_from(["jsonl", "html", "x"]),
    )
    save = st.tuples(st.just("save"), saved)
    return st.one_of(ask, ask, ask, run, call, upload, save)


def one_changed(values: list[Any], value: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    """Values as they should be, but for one, or none."""
    places = st.integers(0, len(values))
    return st.builds(
        lambda at, new: [*values[:at], new, *values[at + 1 :]][: len(values)], places, value
    )


def is_ours(path: str, stranger: Stranger) -> bool:
    """The project, Python and its packages, uploads, saved files, and what tells of memory."""
    homes = [
        ROOT, Path(sys.prefix), Path(sys.base_prefix), Path(sysconfig.get_paths()["purelib"]),
        stranger.folder, Path("/proc"), Path("/sys"), Path("/dev"), Path("/usr"),
        Path("/etc/localtime"), Path.home() / ".cache" / "explorer",
    ]  # fmt: skip
    saved = Path(tempfile.gettempdir()) / "explorer-"
    place = Path(path)
    return path.startswith(str(saved)) or any(
        place.is_relative_to(home.resolve()) for home in homes
    )


def settle(services: Services) -> None:
    """Close all tabs and wait until nothing works on for them."""
    for session in SESSIONS:
        services.forget(session)
    wait_for_runs(services)


def wait_for_runs(services: Services) -> None:
    """Until nothing is under way."""
    end = time.monotonic() + 30
    while services.limits.runs._runs and time.monotonic() < end:
        time.sleep(0.05)
    assert not services.limits.runs._runs, "a run is stuck"


def memory() -> int:
    gc.collect()
    return psutil.Process().memory_info().rss


def everything_once(stranger: Stranger, whole: bytes) -> list[tuple[str, dict[str, Any]]]:
    """Every question of the page, as it is meant; gives those that were refused."""
    refused = []
    assert stranger.run("one", FORM)
    assert stranger.upload("one", whole)
    for bridge, asked in VALID.items():
        for question in asked:
            if not stranger.ask(bridge, "one", json.dumps(question)):
                refused.append((bridge, question))
            wait_for_runs(stranger.services)
    for page in (labs, latent, loops, traces):
        stranger.save("one", page, "html")
    settle(stranger.services)
    return refused


def test_every_question_of_the_page_is_answered(stranger: Stranger, whole_trace: bytes) -> None:
    refused = everything_once(stranger, whole_trace)
    # No loop, no link and no pinned token is at hand.
    assert {asked.get("ask", "stages") for _, asked in refused} <= {"escape", "open", "stages"}


def test_the_questions_are_those_of_the_code() -> None:
    assert {"run", "fork", "verify", "score", "sample", "gallery", "escape"} <= set(KINDS)
    assert {"prompt", "branch", "specs", "plane", "lab", "seed"} <= set(FIELDS)


@pytest.mark.timeout(180 if IS_ORDINARY else 0)
def test_nothing_that_is_sent_breaks_anything(
    stranger: Stranger, canary: Path, whole_trace: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    answered = Counter[str]()
    # What is loaded once and kept (spaces, catalogues, imports) is there before memory is read.
    everything_once(stranger, whole_trace)
    threads, held = threading.active_count(), list[int]()
    OPENED.on, OPENED.paths = True, set()
    try:
        for number in range(max(2, CASES // CHUNK)):
            answered += chunk(stranger, one_of_all(str(canary), whole_trace), number, caplog)
            settle(stranger.services)
            held.append(memory())
    finally:
        OPENED.on = False
    strange = {path for path in OPENED.paths if not is_ours(path, stranger)}
    assert not strange, sorted(strange)[:9]
    assert not any(path.startswith(str(canary)) for path in OPENED.paths)
    assert threading.active_count() <= threads + 4
    assert held[-1] <= held[0] * 1.10, held
    # Most is refused, but not all: what gets past the first check is what may break later.
    others = [answered[name] for name in ("run", "call", "upload", "save")]
    assert answered["ask"] > CASES // 25, answered
    assert min(others) > 0, answered


def chunk(
    stranger: Stranger, sent: Any, number: int, caplog: pytest.LogCaptureFixture
) -> Counter[str]:
    """Some cases; apart, because Hypothesis keeps all that it drew in one test."""
    answered = Counter[str]()

    @seed(number if IS_ORDINARY else secrets.randbits(64))
    @settings(
        max_examples=CHUNK, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(sent)
    def send(one: tuple[str, tuple[Any, ...]]) -> None:
        name, values = one
        answered[name] += getattr(stranger, name)(*values)
        assert not [r for r in caplog.records if "incident" in r.getMessage()], caplog.text

    send()
    return answered
