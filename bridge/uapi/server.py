"""The HTTP server: uvicorn, with what it does not do by itself.

It writes header names in lower case, which some clients of the UnifiedAPI do not find (uapi.md, 1.2); its own errors
are plain text; it reads headers of any size, and waits for them for ever; it loses the body of a request that offers
another protocol, as Java's client does with each; and at SIGTERM it neither tells those who wait nor ends with status 0
(all seen with 0.54).
"""

import asyncio
import re
import signal
import socket
import ssl
from collections.abc import Callable
from email.utils import formatdate
from functools import cache
from types import FrameType
from typing import Any

import httptools
import structlog
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bridge.settings import HttpSettings, Limits
from bridge.uapi.errors import ApiError, phrase
from bridge.uapi.service import Draining

_log = structlog.get_logger(__name__)

DRAIN_SECONDS = 6.0
"""After SIGTERM, how long those who wait for an outcome may go on waiting; then they are told how far it has come.

Longer than the 5 s in which a pickup's channel, or its refusal, must show: a 202 told then is the truth.
"""

_GRACE_SECONDS = 2
"""For the last replies to be sent."""

_LINGER_SECONDS = 10.0
"""For what is left to be sent on a connection that is closed."""

ARRIVES_WITHIN = 35.0
"""Seconds in which a request's head has to come whole, from the connection's or its own beginning; and then its body.

A little more than what a handler gives the body, which tells the client more.
"""

TAKES_WITHIN = 30.0
"""Seconds in which a client has to take some of what is sent to it, before its connection is given up."""

MOST_PIPELINED = 32
"""Requests that may wait on a connection for the one before them to be answered."""

_NAME = re.compile(rb"\r\n([a-z][!-9;-~]*):")
_UNUSUAL = {b"etag": b"ETag", b"www-authenticate": b"WWW-Authenticate"}
_MOST_OFTEN = tuple(
    (b"\r\n%b:" % name.lower(), b"\r\n%b:" % name)
    for name in (b"Date", b"Content-Length", b"Content-Type", b"ETag", b"Cache-Control", b"X-Request-Id")
)
"""Header names that are replaced without being looked for one by one."""

_NO_METHOD = "That HTTP method is not implemented."
_REQUEST_LINE = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/1\.[01]\r\n")


def canonical_case(head: bytes) -> bytes:
    """A reply's head with its header names as they are usually written, such as ``Content-Type``."""
    for lower, usual in _MOST_OFTEN:
        head = head.replace(lower, usual)
    return _NAME.sub(lambda match: b"\r\n%b:" % _canonical(match[1]), head)


@cache  # our own replies have few
def _canonical(name: bytes) -> bytes:
    return _UNUSUAL.get(name.lower()) or name.title()


class _Transport:
    """A transport whose reply heads have canonical names, and are sent with what follows them at once.

    The server writes each head by itself, beginning with the version. No body begins like that: they are JSON, HTML or
    JavaScript, or come in chunks with their lengths before them.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._head = b""
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Write."""
        if data.startswith(b"HTTP/1.1 "):
            self._send_head()
            self._head = canonical_case(data)
            # Where nothing follows in this turn of the loop, as to HEAD.
            self._loop.call_soon(self._send_head)
        else:
            head, self._head = self._head, b""
            self._transport.write(head + data if head else data)

    def _send_head(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)

    def close(self) -> None:
        """Close, once all is sent; a client that reads nothing cannot keep the connection for good."""
        self._send_head()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._loop.call_later(_LINGER_SECONDS, self._abandon)

    def _abandon(self) -> None:
        if self._transport.get_write_buffer_size():
            self._transport.abort()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Connection(HttpToolsProtocol):
    """One connection of a client, read within limits."""

    limits = Limits()
    arrives_within = ARRIVES_WITHIN
    takes_within = TAKES_WITHIN
    _size = 0
    _refused: ApiError | None = None
    _method_known = False
    _in_head = False
    _expecting_since: float | None = None
    _looking: asyncio.TimerHandle | None = None
    _answering: RequestResponseCycle | None = None
    _unsent = 0
    _stuck: asyncio.TimerHandle | None = None
    _deaf = False
    """What comes can no longer be read."""
    _last: ApiError | None = None
    """What is said once all requests before are answered."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        super().connection_made(_Transport(transport))  # type: ignore[arg-type]  # stands in for one
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._expecting_since = None
        for timer in (self._looking, self._stuck):
            if timer is not None:
                timer.cancel()
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True  # the server looks at the latest request alone
            self._answering.message_event.set()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """End: a client that says no more and takes nothing cannot keep the connection either."""
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self._unset_keepalive_if_required()
        while data and not self._deaf:
            data = self._parse(data)
        if self._expecting_since is None and (self.cycle is None or self.cycle.response_complete):
            self._expect()  # line ends alone, which may stand before a request (RFC 9112, 2.2)

    def _parse(self, data: bytes) -> bytes:
        """Read what has come.

        Returns:
            What is still to be read, in another way.
        """
        self._method_known = False
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._without_offer(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            # The parser knows the registered methods alone; RFC 9110, 15.6.2, has 501 for one that is not known.
            if not self._method_known and _REQUEST_LINE.match(data):
                self._refused = ApiError("request_not_implemented", _NO_METHOD)
            self.send_400_response("The request is not HTTP.")
        return b""

    def _without_offer(self, rest: bytes) -> bytes:
        """A request without its offer of another protocol (RFC 9110, 7.8): the parser takes its body for that.

        Args:
            rest: What has come behind its head.
        """
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refused = ApiError("request_not_implemented", _NO_METHOD)
            self.send_400_response("")
            return b""
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (method, self.url, version)]
        lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as the server has it
        return b"\r\n".join([*lines, b"", rest])

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._size = 0
        self._in_head = True
        self._expect()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the address."""
        self._method_known = True
        super().on_url(url)
        if len(self.url) > self.limits.uri_bytes:
            self._refuse(ApiError("uri_too_long"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. One that stands behind a body (RFC 9110, 6.5) is none of those that proxies write or check."""
        self._size += len(name) + len(value) + 4
        if self._size > self.limits.header_bytes:
            self._refuse(ApiError("headers_too_large"))
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Answer the request, its body on the way."""
        if self.parser.should_upgrade():
            return
        self._in_head = False
        self._expect()
        if self.parser.get_http_version() == "1.1" and [name for name, _ in self.headers].count(b"host") != 1:
            self._refuse(ApiError("request_invalid", "A request has one Host header (RFC 9112, 3.2)."))
        super().on_headers_complete()
        if len(self.pipeline) > MOST_PIPELINED:
            message = "Too many requests wait on this connection."
            self._refuse(ApiError("too_many_requests", message, headers={"Retry-After": "1"}))

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if not self.parser.should_upgrade():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        if not self.parser.should_upgrade():
            self._expecting_since = None
            super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Go on with the next request, or say what became of the last."""
        over = self._last is not None and not self.pipeline
        super().on_response_complete()
        if over and self._last is not None and not self.transport.is_closing():
            self._say(self._last)

    # --- time

    def _expect(self) -> None:
        """Give the client its time from now on. One timer looks for all requests of a connection."""
        self._expecting_since = self.loop.time()
        if self._looking is None:
            self._looking = self.loop.call_later(self.arrives_within, self._look)

    def _look(self) -> None:
        self._looking = None
        if self._expecting_since is None:
            return
        left = self._expecting_since + self.arrives_within - self.loop.time()
        if left > 0:
            self._looking = self.loop.call_later(left, self._look)
        else:
            self._give_up()

    def _give_up(self) -> None:
        """End a connection on which no whole request comes; not while another on it is being answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._expect()
        elif self._in_head:
            self._refused = ApiError("request_timeout")
            self.send_400_response("")
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """Wait for the client to take what is sent."""
        super().pause_writing()
        self._unsent = 0
        self._look_at_unsent()

    def resume_writing(self) -> None:
        """Send on."""
        if self._stuck is not None:
            self._stuck.cancel()
        super().resume_writing()

    def _look_at_unsent(self) -> None:
        """End a connection whose client has taken nothing since it was last looked at."""
        unsent = self.transport.get_write_buffer_size()
        if unsent == self._unsent:
            self.transport.abort()
        else:
            self._unsent = unsent
            self._stuck = self.loop.call_later(self.takes_within, self._look_at_unsent)

    # --- refusals

    def _refuse(self, error: ApiError) -> None:
        # Raised out of the parser, which ends in send_400_response.
        self._refused = error
        raise error

    def send_400_response(self, msg: str) -> None:
        """Answer what could not be read, once all before it is answered (RFC 9112, 9.3.2), and close."""
        error = self._refused or ApiError("request_invalid", msg)
        self._deaf = True
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self._say(error)
        elif not cycle.more_body:
            self._last = error
        elif self.pipeline:  # what could not be read is the body of the last of those that wait
            self.pipeline.popleft()
            self._last = error
        elif cycle.response_started:
            cycle.keep_alive = False
        else:
            self._say(error)

    def _say(self, error: ApiError) -> None:
        self.transport.write(_head(error))
        self.transport.write(error.body)
        self.transport.close()


def _within(limits: Limits) -> type[Connection]:
    """Connections with these limits; the server makes them of a class."""
    return type("LimitedConnection", (Connection,), {"limits": limits})


def _head(error: ApiError) -> bytes:
    more = "".join(f"{name}: {value}\r\n" for name, value in error.headers.items())
    return (
        f"HTTP/1.1 {error.status} {phrase(error.status)}\r\nDate: {formatdate(usegmt=True)}\r\n{more}"
        f"Content-Type: application/json\r\nContent-Length: {len(error.body)}\r\nConnection: close\r\n\r\n"
    ).encode()


class Server(uvicorn.Server):
    """The server of the API.

    Args:
        app: What answers.
        http: Where to listen.
        limits: How much is read of a request.
        draining: Told when the end begins.
        on_drain: Told then, how long those who wait may still wait.
        on_listening: Told the address, once it is listened on.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        http: HttpSettings,
        limits: Limits,
        draining: Draining,
        on_drain: Callable[[float], None],
        on_listening: Callable[[str], None],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=http.host,
                port=http.port,
                http=_within(limits),
                ws="none",
                loop="uvloop",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=_GRACE_SECONDS,
                ssl_certfile=http.tls_cert or None,
                ssl_keyfile=http.tls_key or None,
            )
        )
        self._draining = draining
        self._on_drain = on_drain
        self._on_listening = on_listening
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say where."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            scheme = "https" if self.config.is_ssl else "http"
            self._loop.add_signal_handler(signal.SIGHUP, self.reload_certificate)
            self._on_listening(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")

    def reload_certificate(self) -> None:
        """Read certificate and key again, for the connections to come; a pair that cannot be used changes nothing."""
        context, certificate, key = self.config.ssl, self.config.ssl_certfile, self.config.ssl_keyfile
        if context is None or certificate is None:
            _log.info("nothing to reload: the API is served without TLS")
            return
        try:
            # First into another context: half a pair in the one in use would end all handshakes.
            for target in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), context):
                target.load_cert_chain(certificate, key)
        except (OSError, ValueError) as error:
            _log.error("certificate not reloaded", certificate=str(certificate), error=str(error))
        else:
            _log.info("certificate reloaded", certificate=str(certificate))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """At the first signal, answer those who wait and then stop; at the second, stop now."""
        del sig, frame
        if self._loop is None or self._draining.active:
            self.should_exit = self.force_exit = True
            return
        self._draining.active = True
        self._loop.call_soon_threadsafe(self._begin_end)

    def _begin_end(self) -> None:
        self._end = asyncio.ensure_future(self._answer_waiting())

    async def _answer_waiting(self) -> None:
        self._on_drain(DRAIN_SECONDS)
        try:
            await asyncio.wait_for(self._draining.idle(), DRAIN_SECONDS + 0.5)
        except TimeoutError:
            pass
        finally:
            # Not before: an EventSource comes back for what a server no longer answers, but never after its 503.
            self._draining.end()
            self.should_exit = True
