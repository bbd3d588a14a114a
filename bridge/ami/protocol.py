"""Bytes of the manager interface to messages, and actions to bytes: panoramisk's protocol with its traps closed.

`Framer` and `Decoder` know nothing but the stream. Unwanted events are dropped by the name in their first line,
before anything is made of them: of a call's 86 events, 46 are VarSet. The stream stays bytes until messages are
whole, so a UTF-8 character that two TCP segments share survives, and broken UTF-8 costs no more than its own bytes.

`Wire` is panoramisk's `AMIProtocol` on top of that. It hands messages on to one who lets nothing through that a callback
raises (stock panoramisk loses the connection then), never asks for an action to be sent again, checks every header
that it writes, and says nothing to panoramisk's logger, which would print a failed Login with its secret.
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
from bridge.ami.forms import EVERYTHING, REPEATED, Form, form
from bridge.calls import Headers, whole

LONGEST_MESSAGE = 1 << 20
"""Bytes that a message may have before its end must have come."""

_LONGEST_BANNER = 256
_MOST_FORMS = 200
_FORMS_OF_ONE = 3
_LONGEST_FORM = 64
_BEGINNINGS = ("Event: ", "Response: ")
_BANNER = b"Asterisk Call Manager/"

QUIET = logging.Logger("panoramisk", logging.CRITICAL + 1)  # noqa: LOG001 -- unregistered, so that nobody can turn it on
QUIET.addHandler(logging.NullHandler())
QUIET.propagate = False


class BadStream(Exception):
    """What comes is not the manager interface, or has no end."""


class Framer:
    """Cuts the stream at its blank lines and leaves out events that nobody wants."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = frozenset(f"Event: {name}" for name in wanted)
        self._buffer = bytearray()
        self.version = ""
        """What the banner says, empty until it has come."""

    def feed(self, data: bytes) -> list[str]:
        """Take what was read.

        Returns:
            The messages that are whole now and count, each without its blank line. Broken UTF-8 is replaced.

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
        blocks = buffer[:end].decode("utf-8", "replace").split("\r\n\r\n")
        del buffer[: end + 4]
        if len(buffer) > LONGEST_MESSAGE:
            raise BadStream("a message without end")
        wanted = self._wanted
        return [
            block
            for block in blocks
            if block[: block.find("\r\n")] in wanted
            or ((block[:7] != "Event: " or "\r\n" not in block) and self._counts(block))
        ]

    def _banner(self) -> bool:
        line, end, _ = self._buffer.partition(b"\r\n")
        if not _BANNER.startswith(line[: len(_BANNER)]) or len(line) > _LONGEST_BANNER:
            raise BadStream("no Asterisk manager interface")
        if not end:
            return False
        self.version = line[len(_BANNER) :].decode("ascii", "replace").strip() or "unknown"
        del self._buffer[: len(line) + 2]
        return True

    def _counts(self, message: str) -> bool:
        """Look closer at a message that is not plainly an event."""
        # Some answers of Asterisk have an empty line too many, which then leads the next message.
        first = message.lstrip("\r\n").partition("\r\n")[0]
        # What is neither event nor answer may be the rest of an event that a blank line has cut in two.
        return first in self._wanted or bool(first and not first.startswith("Event: "))


class Decoder:
    """Makes plain dicts of messages; a header that repeats becomes a list. Lines that are no header are left out.

    Asterisk sends events of one name with the same headers in the same order, so their names need not be cut out
    each time: a form seen before is one match of a regular expression, with the same result in three quarters of
    the time. What does not match is read line by line.
    """

    def __init__(self, read: Mapping[str, frozenset[str]] = EVERYTHING) -> None:
        self._read = read
        self._forms: dict[str, list[tuple[Form, list[str]]]] = {}
        self._learnt = 0

    def __call__(self, message: str) -> Headers:
        """Decode one message."""
        if headers := self.known(message):
            return headers
        headers = self.unknown(message)
        self.learn(message, headers)
        return headers

    def known(self, message: str) -> Headers | None:
        """Decode a message of a form that was seen before, and was whole; None for others."""
        for known, _ in self._forms.get(message[: message.find("\r\n")], ()):
            headers = known(message)
            if headers:
                return headers
        return None

    def unknown(self, message: str) -> Headers:
        """Decode a message line by line."""
        return _headers(message)

    def learn(self, message: str, headers: Headers) -> None:
        """Remember the form of a message that is whole, by its first line: an event's, or that of an answer's row."""
        lines = message.count("\r\n") + 1
        names = _names(headers)
        if not (len(names) == lines < _LONGEST_FORM and message.startswith(_BEGINNINGS) and whole(headers)):
            return
        if self._learnt >= _MOST_FORMS:
            return
        first = message[: message.find("\r\n")]
        forms = self._forms.setdefault(first, [])
        if len(forms) >= _FORMS_OF_ONE or any(names == known for _, known in forms):
            return
        learnt = form(names, self._read.get(first.removeprefix("Event: ")))
        if learnt and learnt(message):
            self._learnt += 1
            forms.append((learnt, names))


def _names(headers: Headers) -> list[str]:
    """The headers' names in order, one that repeats by itself as often as it does."""
    row = headers.get(REPEATED)
    names = list(headers)
    if isinstance(row, list):
        place = names.index(REPEATED)
        names[place : place + 1] = [REPEATED] * len(row)
    return names


def _headers(message: str) -> dict[str, str | list[str]]:
    headers: dict[str, str | list[str]] = {}
    for line in message.split("\r\n"):
        name, colon, value = line.partition(": ")
        if not colon:
            if not line.endswith(":"):
                continue
            name = line[:-1]
        before = headers.get(name)
        if before is not None and name == "Event":
            continue  # the first line says what it is; a caller's number may hold line ends (seen on 16.28 and 22.10)
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
        self, wanted: frozenset[str], received: Callable[[list[str]], None], gone: Callable[[str], None]
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
        """Cut into messages and hand them on."""
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
