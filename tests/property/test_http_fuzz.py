"""Whatever is sent over HTTP: no failure of the server, no file of the machine, headers always.

100 requests in the ordinary run, the same every time; `make fuzz` sends 1,000 new ones.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import pytest
from hostile import broken_traces, hostile_json, hostile_texts, questions
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from ui.served import serving

IS_ORDINARY = "EXPLORER_FUZZ_CASES" not in os.environ
CASES = max(20, int(os.environ.get("EXPLORER_FUZZ_CASES", "500")) // 5)
CHUNK = 100
SECRET = "nobody may read this"
MOST_READ = 2**20
TIGHT = {
    "EXPLORER_MAX_PROMPT_CHARS": "5000",
    "EXPLORER_MAX_NEW_TOKENS": "12",
    "EXPLORER_MAX_RUN_S": "1",
    "EXPLORER_MAX_UPLOAD_BYTES": "200000",
}
PROMISED = (
    "content-security-policy", "x-content-type-options", "referrer-policy", "permissions-policy",
)  # fmt: skip
FULL = 503
"""The queue is full: an answer in words, and no failure."""
JSON = {"content-type": "application/json"}
FORM = "multipart/form-data; boundary=b"
TYPES = (
    "application/json", "text/plain", "multipart/form-data", FORM, "", "a/b/c",
    "application/x-www-form-urlencoded", "application/json; charset=utf-7",
)  # fmt: skip
STRANGE = (
    "{", "[" * 5_000, '{"data": ' * 900, "\x00", '{"data": [1e999]}', '{"data": NaN}', "null",
    '{"data": null}', '{"data": {}}', "[]", '"x"', '{"data": [' + "1," * 60_000 + "1]}",
)  # fmt: skip
PUBLIC = ("compare", "score", "lab", "decoders")
NAMED = ("session_hash", "event_data", "fn_index", "trigger_id", "simple_format", "event_id")
SERVING_FILES = (
    "/gradio_api/file=", "/gradio_api/file/", "/file=", "/static/", "/assets/", "/svelte/",
    "/gradio_api/proxy=", "/proxy=", "/gradio_api/stream/", "/custom_component/", "/", "/login/",
    "/gradio_api/process_recording/", "/theme.css/", "/gradio_api/queue/data?session_hash=",
    "/gradio_api/call/compare/", "/gradio_api/upload_progress?upload_id=", "/monitoring/",
    "/gradio_api/deep_link?session_hash=", "/?deep_link=", "/gradio_api/mcp/",
    "/gradio_api/custom_component/", "/gradio_api/vibe-code/", "/gradio_api/info?all_endpoints=",
)  # fmt: skip
WAYS_OUT = (
    "/etc/passwd", "../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc/passwd", "//etc/passwd",
    "%2e%2e/%2e%2e/etc/passwd", "..%252f..%252fetc/passwd", "....//....//etc/passwd", "app.py",
    "..\\..\\etc\\passwd", "/proc/self/environ", "file:///etc/passwd", "%00/etc/passwd",
    "pyproject.toml", "http://127.0.0.1/",
)  # fmt: skip
PLAIN = (
    "/", "/config", "/gradio_api/info", "/theme.css", "/gradio_api/heartbeat/a", "/robots.txt",
    "/gradio_api/startup-events", "/manifest.json", "/token",
)  # fmt: skip
HEADERS = (
    "host", "origin", "referer", "cookie", "range", "accept", "accept-language", "forwarded",
    "x-forwarded-host", "x-forwarded-proto", "x-forwarded-for", "authorization", "if-none-match",
    "x-gradio-user", "accept-encoding", "content-encoding", "upgrade", "x-http-method-override",
)  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """A request."""

    method: str
    path: str
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back; `torn` where the connection ended amid a body."""

    status: int
    headers: dict[str, str]
    body: bytes
    torn: bool


@dataclass(frozen=True)
class Server:
    """A launched app, and what it says of itself."""

    host: str
    folder: Path
    functions: int = 0
    routes: tuple[str, ...] = ()

    @property
    def canary(self) -> str:
        return str(self.folder / "canary")

    def ask(self, sent: Sent) -> Answer:
        """The beginning of what comes back; a stream without end is left soon."""
        with closing(http.client.HTTPConnection(self.host, timeout=9)) as connection:
            connection.request(sent.method, sent.path, sent.body or None, sent.headers)
            answer = connection.getresponse()
            heard = {name.lower(): value for name, value in answer.getheaders()}
            if connection.sock is not None:
                connection.sock.settimeout(0.4)
            body, torn = b"", False
            try:
                with suppress(TimeoutError):
                    while len(body) < MOST_READ and (part := answer.read1(65_536)):
                        body += part
            except http.client.IncompleteRead:
                torn = True
            return Answer(answer.status, heard, body, torn)

    def follow(self, sent: Sent, answer: Answer) -> Sent | None:
        """Where the result of an accepted call is read."""
        if sent.method != "POST" or answer.status != 200 or b'"event_id"' not in answer.body:
            return None
        if "/queue/join" in sent.path:
            session = quoted(str(json.loads(sent.body).get("session_hash")), safe="")
            return Sent("GET", f"/gradio_api/queue/data?session_hash={session}")
        return Sent("GET", f"{sent.path}/{json.loads(answer.body)['event_id']}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("http")
    (folder / "canary").mkdir()
    (folder / "canary" / "config.json").write_text(SECRET)
    with serving(folder, **TIGHT) as (url, _):
        bare = Server(url.split("/")[2], folder)
        with urlopen(
            f"{url.rstrip('/')}/config"
        ) as whole:  # of which `ask` would read the beginning
            functions = json.load(whole)["dependencies"]
        names = tuple(entry["api_name"] for entry in functions if entry["api_name"])
        yield Server(bare.host, folder, len(functions), names)


def quoted(text: str, safe: str = "/.%") -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe=safe)[:6_000]


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def values(server: Server) -> st.SearchStrategy[Any]:
    """Any JSON, and files that nobody uploaded."""
    paths = st.sampled_from((f"{server.canary}/config.json", "/etc/passwd", "/proc/self/environ"))
    file = paths.map(lambda path: {"path": path, "meta": {"_type": "gradio.FileData"}})
    return st.one_of(hostile_json(server.canary), hostile_json(server.canary), file)


def calls(server: Server) -> st.SearchStrategy[Sent]:
    """Functions called by name, known and unknown, with any JSON or none."""
    value, texts = values(server), hostile_texts(server.canary)
    name = st.one_of(st.sampled_from(PUBLIC), st.sampled_from(server.routes), texts)
    good = st.tuples(st.just("ab"), st.just(["greedy"]), st.just("scripted"), value, value)
    data = st.one_of(
        st.lists(value, max_size=6), good.map(list), questions(server.canary).map(lambda q: [q])
    )
    more = st.dictionaries(st.sampled_from(NAMED), value, max_size=3)
    body = st.one_of(
        st.builds(lambda data, more: as_json({**more, "data": data}), data, more),
        value.map(as_json),
        st.sampled_from(STRANGE).map(str.encode),
        st.binary(max_size=60),
    )
    way = st.sampled_from(("call", "call", "call/v2", "run", "api", "run/../call"))
    return st.builds(
        lambda way, name, body: Sent("POST", f"/gradio_api/{way}/{quoted(name)}", body, JSON),
        way, name, body,
    )  # fmt: skip


def joins(server: Server) -> st.SearchStrategy[Sent]:
    """Calls put into the queue, for functions that exist and others."""
    value = values(server)
    number = st.one_of(st.integers(0, server.functions), st.integers(0, server.functions), value)
    body = st.builds(
        lambda data, number, session, event, trigger: as_json(
            {
                "data": data, "fn_index": number, "session_hash": session, "event_data": event,
                "trigger_id": trigger,
            }
        ),
        st.one_of(st.lists(value, max_size=5), value),
        number, st.one_of(st.just("one"), value), st.one_of(st.none(), value), value,
    )  # fmt: skip
    path = st.sampled_from(("queue/join", "queue/join", "cancel", "reset", "component_server"))
    return st.builds(lambda path, body: Sent("POST", f"/gradio_api/{path}", body, JSON), path, body)


def uploads(server: Server) -> st.SearchStrategy[Sent]:
    """Files with any name and content, and forms that end anywhere."""
    name = hostile_texts(server.canary).map(lambda name: quoted(name, safe=" /\\.:<>{}$"))
    whole = json.dumps({"schema": "explorer.trace/1", "tokens": {"id": [1, 2]}}).encode()

    def form(name: str, content: bytes, cut: int) -> bytes:
        head = f'--b\r\ncontent-disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = head.encode() + content + b"\r\n--b--\r\n"
        return body[: len(body) - cut]

    usual = st.builds(form, name, broken_traces(whole), st.sampled_from((0, 0, 0, 3, 9, 40)))
    long = st.sampled_from((250_000, 400_000)).map(lambda size: form("a", b"x" * size, 0))
    body = st.one_of(usual, usual, usual, usual, long, st.binary(max_size=90))
    query = st.one_of(st.just(""), hostile_texts("").map(lambda id: "?upload_id=" + quoted(id)))
    return st.builds(
        lambda query, body, kind: Sent(
            "POST", f"/gradio_api/upload{query}", body, {"content-type": kind}
        ),
        query, body, st.sampled_from((FORM, FORM, *TYPES)),
    )  # fmt: skip


def files(server: Server) -> st.SearchStrategy[Sent]:
    """Paths that would lead out of what is served, on every route that serves something."""
    out = st.sampled_from((f"{server.canary}/config.json", str(server.folder / "log"), *WAYS_OUT))
    path = st.one_of(out, out, hostile_texts(server.canary).map(quoted))
    method = st.sampled_from(("GET", "GET", "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"))
    return st.builds(
        lambda method, route, path: Sent(method, (route + path)[:8_000]),
        method, st.sampled_from(SERVING_FILES), path,
    )  # fmt: skip


def headed(server: Server) -> st.SearchStrategy[Sent]:
    """Headers that say what is not so; what is no HTTP at all never comes to the app."""
    value = hostile_texts(server.canary).map(
        lambda text: "".join(filter(str.isprintable, text.encode("ascii", "ignore").decode()))
    )
    some = st.dictionaries(
        st.sampled_from(HEADERS), value.map(lambda text: text[:4_000]), min_size=1, max_size=4
    )
    return st.builds(lambda path, some: Sent("GET", path, b"", some), st.sampled_from(PLAIN), some)


def wrong_in(answer: Answer) -> str:
    """What is wrong with an answer; "" for nothing."""
    if answer.status >= 500 and answer.status != FULL:
        return f"status {answer.status}"
    if answer.torn:
        return "torn"
    if missing := [name for name in PROMISED if name not in answer.headers]:
        return f"without {missing}"
    text = answer.body.decode("utf-8", "replace")
    if SECRET in text or "root:x:" in text or "EXPLORER_MAX_RUN_S=" in text:
        return "a file of the machine"
    return "a stack trace" if re.search(r'Traceback \(most|File "[^"]+", line \d', text) else ""


@pytest.mark.timeout(180 if IS_ORDINARY else 0)
def test_nothing_that_is_requested_breaks_anything(server: Server) -> None:
    kinds = (calls(server), joins(server), uploads(server), files(server), headed(server))
    seen = set[int]()
    for number in range(max(1, CASES // CHUNK)):

        @seed(number if IS_ORDINARY else secrets.randbits(64))
        @settings(
            max_examples=min(CASES, CHUNK),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(st.one_of(*kinds))
        def send(sent: Sent) -> None:
            answer = server.ask(sent)
            seen.add(answer.status)
            assert not wrong_in(answer), (wrong_in(answer), sent, answer)
            further = server.follow(sent, answer)
            if further is not None:
                answer = server.ask(further)
                assert not wrong_in(answer), (wrong_in(answer), sent, further, answer)

        send()
    # Most is refused, but some is let in.
    assert {200, 404, 422} <= seen
    assert "incident" not in (server.folder / "log").read_text()
    copied = (path for path in (server.folder / "gradio").rglob("*") if path.is_file())
    assert not [path for path in copied if SECRET.encode() in path.read_bytes()]
