"""Where Gradio fails over a request, words come back, with the headers of every answer."""

from __future__ import annotations

import errno

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from explorer.ui.security import SecurityHeaders, WordsForFailures

SECRET = "/a/secret/path"


def client_of(error: Exception, *, after: bytes = b"") -> TestClient:
    """An app that fails over every request, at once or after it has said something."""

    async def say(_request: Request) -> StreamingResponse:
        if not after:
            raise error

        async def parts():
            yield after
            raise error

        return StreamingResponse(parts())

    middleware = [Middleware(SecurityHeaders), Middleware(WordsForFailures)]
    app = Starlette(routes=[Route("/", say)], middleware=middleware)
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    "error", [KeyError(SECRET), ValueError(SECRET), OSError(errno.ENAMETOOLONG, SECRET)]
)
def test_a_request_that_cannot_be_read_is_refused(error: Exception) -> None:
    answer = client_of(error).get("/")
    assert answer.status_code == 400
    assert "cannot be read" in answer.text
    assert SECRET not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_failure_of_the_machine_has_a_number(caplog: pytest.LogCaptureFixture) -> None:
    answer = client_of(OSError(errno.ENOSPC, SECRET)).get("/")
    assert answer.status_code == 500
    assert "incident" in answer.text
    assert SECRET not in answer.text
    assert "content-security-policy" in answer.headers
    assert SECRET in caplog.text


def test_what_a_function_refuses_is_no_failure_of_the_server() -> None:
    async def refuse(_request: Request) -> JSONResponse:
        return JSONResponse({"error": "31 characters"}, status_code=500)

    app = Starlette(routes=[Route("/", refuse)], middleware=[Middleware(WordsForFailures)])
    answer = TestClient(app).get("/")
    assert (answer.status_code, answer.json()) == (400, {"error": "31 characters"})


def test_an_answer_that_has_begun_ends() -> None:
    answer = client_of(RuntimeError(SECRET), after=b"so far").get("/")
    assert (answer.status_code, answer.text) == (200, "so far")
