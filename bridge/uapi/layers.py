"""The layers around the routes: each does one thing to every request or reply. Their order stands in ``api.py``."""

import logging
import random
import re
import time
from collections.abc import Callable
from functools import lru_cache
from urllib.parse import unquote

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.uapi.headers import first
from bridge.uapi.resources import Resource

OnAnswer = Callable[[Scope, int], None]

_REQUEST_ID = re.compile(r"[0-9A-Za-z._:-]{1,64}")

_ALIASES = {"unifiedapi": "uapi"}
"""4PSA's own apps say /unifiedapi (uapi.md, 1.1)."""

_SINGULAR = {"phoneCall": "phoneCalls"}
"""So do two examples of the wiki (uapi.md, 7.22)."""


class Paths:
    """One path for all the ways to write it: both prefixes, doubled slashes, a trailing one, percent-encoding.

    Never a redirect: existing clients take one for a failure.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite the path."""
        if scope["type"] == "http":
            scope["path"] = canonical(scope.get("raw_path") or scope["path"].encode())
        await self._app(scope, receive, send)


@lru_cache(maxsize=512)  # who polls asks at the same again
def canonical(raw: bytes) -> str:
    """The path of a request as the routes know it.

    A slash that came as %2F stays what it is, a character within its part; so does a line feed, which a pattern's end
    would pass over.
    """
    parts = [_decoded(part) for part in raw.decode("latin-1").split("/") if part]
    if parts:
        parts[0] = _ALIASES.get(parts[0], parts[0])
    if len(parts) > 1 and parts[0] == "uapi":
        parts[1] = _SINGULAR.get(parts[1], parts[1])
    return "/" + "/".join(parts)


def _decoded(part: str) -> str:
    return unquote(part).replace("/", "%2F").replace("\n", "%0A") if "%" in part else part


class Requests:
    """An id for each request, its client's own if it has one, and a line in the log when it is answered.

    Args:
        app: What answers.
        on_answer: Told of each answer as it begins, with its status.

    The line has the route, not the path, and nothing of the query: what a client may have put there stays out. It comes
    when all is sent, and ``ms`` is how long that took; a stream of events, which ends when its listener has heard enough,
    took as long as until it began.
    """

    def __init__(self, app: ASGIApp, on_answer: OnAnswer) -> None:
        self._app = app
        self._on_answer = on_answer
        self._log = structlog.get_logger(__name__).bind()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = first(scope["headers"], b"x-request-id")
        id_ = given if _REQUEST_ID.fullmatch(given) else f"{random.getrandbits(64):016x}"
        status = 0
        streams_after: float | None = None

        async def answer(message: Message) -> None:
            nonlocal status, streams_after
            if message["type"] == "http.response.start":
                status = scope["state"]["status"] = message["status"]
                headers = message["headers"]
                message["headers"] = [*headers, (b"x-request-id", id_.encode())]
                self._on_answer(scope, status)
                if first(headers, b"content-type").startswith("text/event-stream"):
                    streams_after = time.perf_counter() - started
            await send(message)

        scope.setdefault("state", {})
        started = time.perf_counter()
        bound = structlog.contextvars.bind_contextvars(request_id=id_)
        try:
            await self._app(scope, receive, answer)
        finally:
            # What only reads is the bulk, and says nothing about the calls.
            reads = scope["method"] in ("GET", "HEAD", "OPTIONS")
            level = logging.DEBUG if reads and 0 < status < 500 else logging.INFO
            if self._log.is_enabled_for(level):
                took = time.perf_counter() - started if streams_after is None else streams_after
                self._log.log(level, "request", **_told(scope, status), ms=round(took * 1000, 1))
            structlog.contextvars.reset_contextvars(**bound)


def _told(scope: Scope, status: int) -> dict[str, object]:
    """What the log tells of a request."""
    endpoint, state = scope.get("endpoint"), scope["state"]
    return {
        "method": scope["method"],
        "route": endpoint.path if isinstance(endpoint, Resource) else None,
        "status": status,
        "code": state.get("error_code"),
        "app": state.get("app"),
    }
