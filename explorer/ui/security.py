"""Response headers for every answer, as pure ASGI: streams pass through untouched."""

from __future__ import annotations

import errno
import logging

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.ui.boundary import describe_failure
from explorer.ui.incoming import shown

log = logging.getLogger("explorer.ui")

_UNREADABLE = "This request cannot be read. Programs call the app by gradio_client."
_OF_NAMES = (errno.EINVAL, errno.ENAMETOOLONG)
"""Errors of the system that a path of a request brings about, and not the machine."""

_POLICY = (
    ("default-src", "'self'"),
    # Gradio compiles templates and starts from an inline script.
    ("script-src", "'self' 'unsafe-inline' 'unsafe-eval'"),
    ("style-src", "'self' 'unsafe-inline'"),
    ("img-src", "'self' data: blob:"),
    ("font-src", "'self' data:"),
    ("connect-src", "'self'"),
    ("worker-src", "'self' blob:"),
    ("object-src", "'none'"),
    ("base-uri", "'self'"),
    ("frame-ancestors", "'self' https://huggingface.co https://*.hf.space"),
)
# A Space's own frame loads these two whatever the theme says.
_ON_SPACE = {
    "style-src": " https://fonts.googleapis.com",
    "font-src": " https://fonts.gstatic.com",
    "connect-src": " https://huggingface.co",
}


def content_policy(*, on_space: bool = False) -> str:
    """The content security policy: this server and nothing else."""
    extra = _ON_SPACE if on_space else {}
    return "; ".join(f"{name} {value}{extra.get(name, '')}" for name, value in _POLICY)


class SecurityHeaders:
    """Middleware that adds the headers to every HTTP response.

    Args:
        app: the application behind it.
        on_space: allow what a hosted Space loads by itself.
    """

    def __init__(self, app: ASGIApp, on_space: bool = False) -> None:
        self._app = app
        self._headers = {
            "content-security-policy": content_policy(on_space=on_space),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "permissions-policy": "camera=(), microphone=(), geolocation=()",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class WordsForFailures:
    """Middleware that answers in words where Gradio fails over a request.

    What the app's own functions raise has become words before; what comes here is how Gradio reads
    requests. Left alone it would be answered outside of all middleware, without any header. Where
    Gradio answers with 500 itself, a function has refused something, and said why.

    Args:
        app: the application behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answered = False

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            if message.get("status") == 500:
                message = {**message, "status": 400}
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:  # noqa: BLE001  # the outermost frame: nothing may be sent raw
            if answered:
                # Too late for words: the stream ends, and is not torn.
                log.info("an answer ended early: %s", shown(error))
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                return
            log.info("a request could not be read: %s", shown(error))
            words, status = _UNREADABLE, 400
            if isinstance(error, OSError) and error.errno not in _OF_NAMES:
                words, status = str(describe_failure(error)), 500
            await PlainTextResponse(words, status_code=status)(scope, receive, send)


class BodyLimit:
    """Middleware that refuses requests that are too long; Gradio counts each file by itself.

    Args:
        app: the application behind it.
        most: bytes of a body.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "")
        if length.isdigit() and int(length) > self._most:
            await self._refuse(scope, receive, send)
            return
        read, answered = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most:
                raise _TooLong
            return message

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        # A body without a length, or with a false one, is counted as it comes.
        try:
            await self._app(scope, counted, noted)
        except _TooLong:
            if not answered:
                await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        words = f"This request is too long: at most {self._most:,} bytes are read."
        await PlainTextResponse(words, status_code=413)(scope, receive, send)


class _TooLong(Exception):
    """A body went past its limit."""
