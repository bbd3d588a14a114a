"""The live calls of an address as they change: Server-Sent Events (WHATWG HTML, 9.2), which the UnifiedAPI does not have."""

import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from sse_starlette import EventSourceResponse, ServerSentEvent
from sse_starlette.sse import SendTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from bridge.uapi import links, seed
from bridge.uapi.addresses import resolve
from bridge.uapi.auth import admit, token_of
from bridge.uapi.errors import ApiError
from bridge.uapi.feed import Audience
from bridge.uapi.limits import Limiter
from bridge.uapi.phonecalls import COMMON, EXTENSION, USER
from bridge.uapi.resources import Operation, Reply, Resource
from bridge.uapi.service import Service

HEARTBEAT = 15
"""Seconds between signs of life. Proxies end what is silent for a minute, and a client can tell that we are gone."""

SEND_WITHIN = 30.0
"""Seconds in which a client has to take what is sent, before it is given up."""

_DESCRIPTION = """The calls of this address as they change, as Server-Sent Events; the UnifiedAPI itself has nothing
like it. The token goes where it always does.

- `snapshot` comes first: `{"entry": [PhoneCall, ...], "totalResults", "missed"}`, all calls of the address.
- `added`, `changed` and `ended` carry the PhoneCall; of one that ended, as it was last seen here. The view's `pickUp`
  tells who took it from whom.
- `unavailable` carries the error object: the PBX cannot be asked, and what was shown may no longer be true. A new
  snapshot follows when it can.
- `overrun`, with the error object too, ends a stream whose events are not read fast enough.

Each event that changes something has an `id`. With it as `Last-Event-ID` a client that was away is told what has
happened since; where that is no longer known, it gets a new snapshot with `"missed": true`. What happens to a call
within 20 ms may be told as one change. Every 15 seconds there is a comment as a sign of life."""


class Events:
    """The handler of the event stream.

    Args:
        service: What it works with.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def resources(self) -> list[Resource]:
        """Where it answers."""
        listen = Operation(
            self.listen,
            "Listen to phone calls",
            _DESCRIPTION,
            headers={"Last-Event-ID": "The id of the last event that was heard."},
            replies={
                200: Reply(
                    "The events, until either side ends it.", example=seed.EVENTS, type="text/event-stream"
                )
            },
            errors=(*COMMON, "request_invalid", "user_invalid", "extension_invalid", "forbidden"),
        )
        return [
            Resource(
                "/uapi/phoneCalls/{user}/{extension}/events",
                {"GET": listen},
                {"user": USER, "extension": EXTENSION},
            )
        ]

    async def listen(self, request: Request) -> Response:
        """Begin a stream."""
        service = self._service
        app = admit(request, service)
        if service.draining.active:
            raise ApiError("pbx_unavailable", "The bridge is shutting down.", headers={"Connection": "close"})
        base = links.base(request, service.settings.http)
        parts = request.path_params
        audience = Audience(resolve(service.directory, app.user, parts["user"], parts["extension"]), base)
        service.limiter.before_listening(app.id)
        return _Stream(
            service.limiter,
            app.id,
            self._events(token_of(request) or "", audience, request.headers.get("last-event-id")),
            ping=HEARTBEAT,
            ping_message_factory=_heartbeat,
            sep="\n",
            send_timeout=SEND_WITHIN,
        )

    async def _events(self, token: str, audience: Audience, last_id: str | None) -> AsyncIterator[bytes]:
        """What is sent, until the client goes, the service ends, or the token does."""
        listener = self._service.feed.join(audience, last_id)
        try:
            look = time.monotonic() + HEARTBEAT
            while (heard := await listener.hear(HEARTBEAT)) is not None:
                if time.monotonic() >= look:
                    if self._service.tokens.authenticate(token) is None:
                        return
                    look = time.monotonic() + HEARTBEAT
                if heard:
                    yield heard
        finally:
            self._service.feed.leave(audience, listener)


class _Stream(EventSourceResponse):
    """A stream that is counted, and gives a client up which takes nothing, without making a fault of it."""

    def __init__(self, limiter: Limiter, app: str, events: AsyncIterator[bytes], **options: Any) -> None:
        super().__init__(events, **options)
        self._limiter = limiter
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Counted before anybody else has a turn: who has passed `before_listening` is listening.
        with self._limiter.listening(self._app), suppress(SendTimeoutError):
            await super().__call__(scope, receive, send)


def _heartbeat() -> ServerSentEvent:
    return ServerSentEvent(comment="still here", sep="\n")
