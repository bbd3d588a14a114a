"""Bytes of the manager interface to messages, and actions to bytes: panoramisk's protocol with its traps closed.

`Framer` and `decode` are plain functions of bytes. Unwanted events are dropped by the name in their first line,
before anything is made of them: of a call's 86 events, 46 are VarSet. Messages stay bytes until they are whole, so
a UTF-8 character that two TCP segments share survives, and broken UTF-8 costs no more than its own bytes.

`Wire` is panoramisk's `AMIProtocol` on top of that. It hands messages on and runs nobody's callback while reading
(stock panoramisk loses the connection when one raises), never asks for an action to be sent again, checks every
header that it writes, and says nothing to panoramisk's logger, which would print a failed Login with its secret.
"""

import asyncio
import logging
from asyncio import BaseTransport, Transport
from collections.abc import Callable, Mapping
from typing import Any, cast

from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol

from bridge.ami.actions import check_headers
from bridge.ami.errors import LinkDown
from bridge.calls import Headers

LONGEST_MESSAGE = 1 << 20
"""Bytes that a message may have before its end must have come."""

_LONGEST_BANNER = 256
_BANNER = b"Asterisk Call Manager/"
_EVENT = b"Event: "
_RESPONSE = b"Response: "

QUIET = logging.Logger("panoramisk", logging.CRITICAL + 1)  # noqa: LOG001 -- unregistered, so that nobody can turn it on
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


class BadStream(Exception):
    """What comes is not the manager interface, or has no end."""


class Framer:
    """Cuts the stream at its blank lines and keeps what counts: responses, and events with a wanted name."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = frozenset(name.encode() for name in wanted)
        self._buffer = bytearray()
        self.version = ""
        """What the banner says, empty until it has come."""

    def feed(self, data: bytes) -> list[bytes]:
        """Take what was read.

        Returns:
            The messages that are whole now and count, each without its blank line.

        Raises:
            BadStream: the peer is no Asterisk, or a message goes on beyond all measure.
        """
        buffer = self._buffer
        searched = max(0, len(buffer) - 3)
        buffer += data
        if not self.version:
            if not self._banner():
                return []
            searched = 0
        end = buffer.rfind(b"\r\n\r\n", searched)
        if end < 0:
            if len(buffer) > LONGEST_MESSAGE:
                raise BadStream("a message without end")
            return []
        # With an empty line too many the last match is not the one that splitting finds.
        while buffer.endswith(b"\r\n", 0, end):
            end -= 2
        blocks = bytes(buffer[:end]).split(b"\r\n\r\n")
        del buffer[: end + 4]
        if len(buffer) > LONGEST_MESSAGE:
            raise BadStream("a message without end")
        return self._counting(blocks)

    def _banner(self) -> bool:
        line, end, _ = self._buffer.partition(b"\r\n")
        if not _BANNER.startswith(line[: len(_BANNER)]) or len(line) > _LONGEST_BANNER:
            raise BadStream("no Asterisk manager interface")
        if not end:
            return False
        self.version = line[len(_BANNER) :].decode("ascii", "replace").strip() or "unknown"
        del self._buffer[: len(line) + 2]
        return True

    def _counting(self, blocks: list[bytes]) -> list[bytes]:
        wanted = self._wanted
        kept = []
        for block in blocks:
            # Some answers of Asterisk have an empty line too many, which then leads the next message.
            message = block.lstrip(b"\r\n") if block[:1] in b"\r\n" else block
            if message.startswith(_EVENT):
                end = message.find(b"\r\n")
                if (message[7:end] if end > 0 else message[7:]) in wanted:
                    kept.append(message)
            elif message.startswith(_RESPONSE):
                kept.append(message)
        return kept


def decode(message: bytes) -> Headers:
    """Make a plain dict of one message; a header that repeats becomes a list. Lines that are no header are left out."""
    lines = message.decode("utf-8", "replace").split("\r\n")
    try:
        plain = dict([line.split(": ", 1) for line in lines])
    except ValueError:
        pass
    else:
        if len(plain) == len(lines):
            return plain
    headers: dict[str, str | list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(": ")
        if not colon:
            if not line.endswith(":"):
                continue
            name = line[:-1]
        before = headers.get(name)
        if before is None:
            headers[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            headers[name] = [before, value]
    return headers


class Wire(AMIProtocol):  # type: ignore[misc] # panoramisk is untyped
    """One connection's protocol: reads into `received`, tells `gone` once when it is over."""

    def __init__(
        self, wanted: frozenset[str], received: Callable[[list[bytes]], None], gone: Callable[[str], None]
    ) -> None:
        self.framer = Framer(wanted)
        self._received = received
        self._gone = gone
        self.transport: Transport | None = None
        self.closed = False
        self.responses: dict[str, Action] = {}
        self.over = asyncio.Event()
        """Set once the socket is closed."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin, and keep panoramisk's own log lines to itself."""
        super().connection_made(transport)
        self.transport = cast("Transport", transport)
        self.log = QUIET

    def data_received(self, data: bytes) -> None:
        """Cut into messages and hand them on; nothing else happens while reading."""
        if self.closed:
            return
        try:
            messages = self.framer.feed(data)
        except BadStream as error:
            self.close()
            self._gone(f"The PBX sent {error}.")
            return
        self._received(messages)

    def send(self, data: Mapping[str, Any], as_list: bool | None = False) -> Any:  # noqa: FBT001, FBT002 -- panoramisk's signature
        """Write an action after a last look at it.

        Raises:
            LinkDown: the connection is over.
            ValueError: a header is not what it seems to be.
        """
        action = data if isinstance(data, Action) else Action(data)
        check_headers(action)
        if self.closed:
            raise LinkDown("The connection to the PBX was lost.")
        return super().send(action, as_list)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 -- asyncio's signature
        """Tell that it is over. Stock panoramisk would connect again and send again what had no answer."""
        self.over.set()
        if not self.closed:
            self.closed = True
            self._gone("")

    def fail(self, reason: str) -> None:
        """End every wait for an answer: it will not come."""
        waiting = {id(action): action for action in self.responses.values()}
        self.responses.clear()
        for action in waiting.values():
            if not action.future.done():
                action.future.set_exception(LinkDown(reason))
                # Seen here once, so that asyncio does not complain about those that nobody waits for any more.
                action.future.exception()

    def close(self) -> None:
        """Drop the connection at once: a dead peer would never take what is still to be written."""
        self.closed = True
        if self.transport is not None:
            self.transport.abort()
