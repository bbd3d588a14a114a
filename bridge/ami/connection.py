"""One connection to the manager interface, from the banner to its loss; it is never connected a second time.

panoramisk's Manager connects and logs in, its actions carry the futures. A Manager is thrown away with its
connection, and with it every action that had no answer: nothing is ever sent again by itself.

What is read goes into a queue and is worked off in order: at once as far as it is little, the rest in the event
loop's next turns. Answers take the same way as events, so whoever has the answer to a list has had its rows, too.
"""

import asyncio
import contextlib
import math
import secrets
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Self

import structlog
from panoramisk import Manager
from panoramisk.actions import Action
from panoramisk.message import Message

from bridge.ami.actions import Request
from bridge.ami.errors import AmiError, LinkDown, NoAnswer, Refused
from bridge.ami.forms import EVERYTHING
from bridge.ami.protocol import QUIET, Decoder, Wire
from bridge.calls import LISTED, LIVE, WANTED, Headers, answers, begins, is_row, whole

log = structlog.get_logger()

LAST_ROWS = frozenset(name for name in WANTED if name.endswith("Complete"))
"""The events that end a list."""

MOST_QUEUED = 200_000
"""Messages that may wait to be worked off; more, and the connection is given up: a resync is cheaper."""
MOST_QUEUED_SIZE = 256 << 20
"""Characters."""

EVENT_CLASSES = "call,agent,system"
"""What the login asks for; Asterisk sends of it what the user may read. Keeps away VarSet (dialplan), half of all
events, from a user who may read everything. `system` brings Shutdown to those who may."""

_TOLD_OTHERWISE = frozenset({"Login", "Logoff", "Ping"})
_SLICE = 256
_LATEST = 1e11
_SHUTTING_DOWN = "The PBX is shutting down."
_LOST = "The connection to the PBX was lost."

_JUST_BEFORE = 10.0
"""Seconds within which a PBX that has said so is gone."""

_LONGEST_PIECES = 1 << 14
"""Characters of an event that came in pieces."""


@dataclass(frozen=True, slots=True)
class Timing:
    """How long the link waits, in seconds."""

    answer: float = 5.0
    """For an answer, the banner and the connection itself; for a list, from its latest row on."""
    ping: float = 3.0
    """Between an answer to Ping and the next. With `answer`: a dead peer is noticed within 8 s."""
    goodbye: float = 1.0
    """For the answer to Logoff."""
    refused: float = 0.5
    """Before a resync that was refused is begun again: Asterisk takes logins while it still boots."""
    resync: float = 60.0
    """Between two resyncs, for events that were lost."""
    backoff: float = 0.2
    """Before the first reconnect; doubles with each that fails."""
    backoff_most: float = 5.0


@dataclass(slots=True)
class _Read:
    """Messages that came with one read."""

    messages: list[str]
    at: float
    """By the clock that dates events."""
    since: float
    """By the event loop's clock."""
    size: int


class _Manager(Manager):  # type: ignore[misc] # panoramisk is untyped
    """panoramisk's Manager without what it would do by itself."""

    login_answer: "asyncio.Future[Any] | None" = None

    def connection_made(self, f: "asyncio.Task[Any]") -> None:
        """Log in. A connection that failed is not tried again here; `Connection.open` tells of it."""
        if not f.cancelled() and f.exception() is None:
            with contextlib.suppress(LinkDown):  # lost again already
                super().connection_made(f)
                self.login_answer = self.authenticated_future

    def login(self, future: "asyncio.Future[Any]") -> bool:
        """Note the answer, if one came: a connection lost meanwhile is no error of this callback."""
        return future.exception() is None and bool(super().login(future))

    def ping(self) -> None:
        """Do nothing: panoramisk pings, but nobody looks at the answer. See `Connection.keep_alive`."""

    def dispatch(self, event: Message) -> list[str]:  # noqa: ARG002 -- panoramisk's signature
        """Do nothing: events are handed on by `Connection` and never become a Message."""
        return []


class Connection:
    """A manager session. Make it with `open`; when `gone` is done it is over, with the reason as its result."""

    def __init__(
        self,
        on_event: Callable[[Headers, float], None],
        clock: Callable[[], float],
        timing: Timing,
        also: frozenset[str] = frozenset(),
        read: Mapping[str, frozenset[str]] = EVERYTHING,
    ) -> None:
        self._on_event = on_event
        self._clock = clock
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Read] = deque()
        self._queued = 0
        self._queued_size = 0
        self._draining = False
        self._closing = False
        self._rows: dict[str, float] = {}
        self._numbers = count(1)
        self._secret = secrets.token_hex(4)
        """In all ActionIDs, so that nobody can make up an answer."""
        self._pieces = ""
        """An event of which something is missing yet."""
        self._shutdown = -math.inf
        """When Asterisk has said that it shuts down, by the event loop's clock."""
        self._decode = Decoder(read)
        self._wire = Wire(WANTED | also | {"Shutdown"}, self._received, self._closed)
        self._manager: Any = None
        self.gone: asyncio.Future[str] = self._loop.create_future()

    @classmethod
    async def open(
        cls,
        host: str,
        port: int,
        username: str,
        secret: str,
        *,
        tls: ssl.SSLContext | None,
        on_event: Callable[[Headers, float], None],
        clock: Callable[[], float],
        timing: Timing,
        also: frozenset[str] = frozenset(),
        read: Mapping[str, frozenset[str]] = EVERYTHING,
    ) -> Self:
        """Connect and log in.

        Args:
            host: Where the manager interface listens.
            port: Its port.
            username: The manager user.
            secret: Its secret.
            tls: For TLS: whom to trust.
            on_event: Is given each event, and when it was read by ``clock``.
            clock: Seconds since the epoch.
            timing: How long to wait.
            also: Names of events that are wanted beside those of the core.
            read: Which headers are read of the events named here; of all others all are.

        Raises:
            LinkDown: nobody is there, or it is no Asterisk, or it says nothing.
            Refused: the login was not accepted.
        """
        self = cls(on_event, clock, timing, also, read)
        self._manager = _Manager(
            host=host,
            port=port,
            username=username,
            secret=secret,
            events=EVENT_CLASSES,
            ssl=tls or False,
            log=QUIET,
            protocol_factory=lambda: self._wire,
        )
        try:
            await self._log_in()
        except BaseException:
            await self.close(logoff=False)
            raise
        return self

    async def _log_in(self) -> None:
        self._manager.loop = self._loop
        connecting: asyncio.Task[Any] = self._manager.connect()
        try:
            await asyncio.wait({connecting}, timeout=self._timing.answer)
        finally:
            connecting.cancel()
        if not connecting.done() or connecting.cancelled():
            raise LinkDown("The PBX cannot be reached: no connection in time.")
        error = connecting.exception()
        if error is not None:
            raise LinkDown("The PBX cannot be reached.") from error
        if self._manager.login_answer is None:
            raise LinkDown(self.gone.result() if self.gone.done() else _LOST)
        try:
            answer = await self._answer(self._manager.login_answer, Request("Login"))
        except NoAnswer:
            said = "a banner but no answer to the login" if self._wire.framer.version else "not even a banner"
            raise LinkDown(f"The PBX takes connections but says nothing ({said}).") from None
        if not answer.success:
            raise _refusal(answer)

    @property
    def lag(self) -> float:
        """Seconds that the oldest message has waited to be worked off."""
        return self._loop.time() - self._queue[0].since if self._queue else 0.0

    async def ask(self, request: Request) -> Headers:
        """Send an action and wait for its answer; for a list, for the event that ends it.

        Raises:
            LinkDown: the connection is over, or was lost before the answer.
            NoAnswer: there was none in time.
            Refused: the answer is an error.
        """
        if self.gone.done():
            raise LinkDown(self.gone.result())
        action_id = request.action_id or f"{request.name}/{next(self._numbers)}-{self._secret}"
        headers: dict[str, Any] = {"Action": request.name, "ActionID": action_id}
        for name, value in request.headers:
            headers[name] = [*headers[name], value] if name in headers else [value]
        # None lets panoramisk see from the answer whether rows follow: told so, it would wait for ever on an error.
        future = self._manager.send_action(Action(headers), as_list=None if request.rows else False)
        if request.rows:
            self._rows[action_id] = 0.0
        try:
            answer = await self._answer(future, request)
        finally:
            self._rows.pop(action_id, None)
            self._wire.responses.pop(action_id, None)
        first = answer[0] if isinstance(answer, list) else answer
        if not first.success:
            refusal = _refusal(first)
            if isinstance(refusal, LinkDown):
                self._lose(str(refusal))
            raise refusal
        return dict(answer[-1] if isinstance(answer, list) else answer)

    async def _answer(self, future: "asyncio.Future[Any]", request: Request) -> Any:
        since = self._loop.time()
        while not future.done():
            # Asterisk works a session's actions off one by one: whoever waits behind a list waits for its rows.
            left = max(since, *self._rows.values(), 0.0) + self._timing.answer - self._loop.time()
            if left <= 0 and not self._queue:
                if request.name not in _TOLD_OTHERWISE:
                    log.error(
                        "ami.no_answer",
                        action=request.name,
                        channel=request.channel,
                        seconds=self._timing.answer,
                        hint="Asterisk took the action and does not answer: perhaps a deadlock;"
                        " look at `core show locks` and `core show threads` there",
                    )
                raise NoAnswer(f"Asterisk has not answered {request.name} within {self._timing.answer:g} s")
            # What has been read but not looked at yet may be the answer: that wait is ours, not Asterisk's.
            await asyncio.wait({future}, timeout=max(left, 0.05))
        return future.result()

    async def keep_alive(self) -> None:
        """Ask for a sign of life for as long as the connection is there; without one it is given up."""
        while not self.gone.done():
            try:
                await self.ask(Request("Ping"))
            except Refused:
                pass  # an answer all the same
            except NoAnswer:
                self._lose("The PBX no longer answers.")
            except LinkDown:
                return
            await asyncio.sleep(self._timing.ping)

    def give_up(self, reason: str) -> None:
        """End the session without a word; ``gone`` tells why."""
        self._lose(reason)

    async def close(self, *, logoff: bool) -> None:
        """End the session, with a goodbye or without."""
        if logoff and not self.gone.done():
            with contextlib.suppress(AmiError, TimeoutError):
                await asyncio.wait_for(self.ask(Request("Logoff")), self._timing.goodbye)
        self._lose("The connection to the PBX was closed.")
        if self._manager is not None:
            self._manager.close()
        if self._wire.transport is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wire.over.wait(), self._timing.goodbye)

    def _received(self, messages: list[str]) -> None:
        if not messages:
            return
        size = sum(map(len, messages))
        self._queue.append(_Read(messages, self._clock(), self._loop.time(), size))
        self._queued += len(messages)
        self._queued_size += size
        if self._queued > MOST_QUEUED or self._queued_size > MOST_QUEUED_SIZE:
            self._lose("The bridge could not keep up with the PBX.")
        elif not self._draining:
            self._draining = True
            self._drain()

    def _drain(self) -> None:
        """Work off some of the queue, then let others have a turn."""
        worked = 0
        while self._queue and worked < _SLICE:
            read = self._queue.popleft()
            self._queued -= len(read.messages)
            self._queued_size -= read.size
            now, rest = read.messages[:_SLICE], read.messages[_SLICE:]
            if rest:
                size = sum(map(len, rest))
                self._queue.appendleft(_Read(rest, read.at, read.since, size))
                self._queued += len(rest)
                self._queued_size += size
            for message in now:
                self._take(message, read.at)
                if self.gone.done():
                    return
            worked += len(now)
        self._draining = bool(self._queue)
        if self._draining:
            self._loop.call_soon(self._drain)
        elif self._closing:
            self._lose(self._lost)

    def _take(self, message: str, at: float) -> None:
        try:
            headers = None if self._pieces else self._decode.known(message)
            if headers is None and (headers := self._put_together(message)) is None:
                return
            name = headers.get("Event")
            # An answer may repeat somebody's text, and that may hold a line that looks like an event's.
            if "Response" in headers and next(iter(headers)) == "Response":
                if (question := self._question(headers)) is not None:
                    if question in self._rows:
                        self._rows[question] = self._loop.time()  # the list begins
                    self._wire.handle_message(_message(headers))
            elif name == "Shutdown":
                self._shutdown = self._loop.time()
            else:
                self._hand_on(name, headers, at)
        except Exception:
            log.exception("ami.message_failed", message=message[:60].partition("\r\n")[0])

    def _put_together(self, message: str) -> Headers | None:
        """Read what is of no usual form.

        Returns:
            Its headers. None where it is no whole message: a piece of an event that has a blank line in somebody's
            number is kept until its other pieces have come; and what somebody has written behind that blank line is
            one of these pieces, whatever it looks like.
        """
        headers = self._decode.unknown(message)
        complete = self._is_complete(headers)
        if begins(headers):
            self._pieces = "" if complete else message
        elif self._pieces and not (complete and answers(headers) and self._question(headers) is not None):
            self._pieces += f"\r\n{message}"
            if len(self._pieces) > _LONGEST_PIECES:
                self._pieces = ""
            headers = self._decode.unknown(self._pieces)
            if self._is_complete(headers):
                self._pieces = ""
                return headers
            return None
        if complete:
            self._decode.learn(message, headers)
        return headers if complete else None

    def _is_complete(self, headers: Headers) -> bool:
        """Whether nothing is missing of a message; a row ends with the ActionID of a question of ours."""
        return (
            next(iter(headers), "") in ("Event", "Response")
            and whole(headers)
            and not (is_row(headers) and self._question(headers) is None)
        )

    def _question(self, headers: Headers) -> str | None:
        """The ActionID of ours that this answers."""
        action_id = headers.get("ActionID", ())
        ids = [action_id] if isinstance(action_id, str) else action_id
        return next((one for one in ids if one in self._rows or one in self._wire.responses), None)

    def _hand_on(self, name: object, headers: Headers, at: float) -> None:
        """Hand on an event, unless it answers what was not asked."""
        question = None
        if "ActionID" in headers:
            question = self._question(headers)
            if question is None and (name in LISTED or (name in LIVE and "Privilege" not in headers)):
                return
        stamp = headers.get("Timestamp")
        self._on_event(headers, at if stamp is None or not _is_stamped(headers) else _seconds(stamp, at))
        if question is not None and question in self._rows:
            self._rows[question] = self._loop.time()
            if name in LAST_ROWS:
                self._wire.handle_message(_message(headers))

    def _closed(self, reason: str) -> None:
        """Called by the wire when it is over; what had been read before is still worked off unless it is bad."""
        if reason or not self._draining:
            self._lose(reason or self._lost)
        self._closing = True

    @property
    def _lost(self) -> str:
        """Why Asterisk has closed the connection; it may have said so just before, or somebody in its name."""
        return _SHUTTING_DOWN if self._loop.time() - self._shutdown < _JUST_BEFORE else _LOST

    def _lose(self, reason: str) -> None:
        if self.gone.done():
            return
        self.gone.set_result(reason)
        self._queue.clear()
        self._queued = self._queued_size = 0
        self._wire.close()
        self._wire.fail(reason)


def _message(headers: Headers) -> Message:
    """For panoramisk, which takes every value for a text, and an event in an answer for one."""
    answer = "Response" in headers
    return Message(
        {
            name: value if isinstance(value, str) else value[-1]
            for name, value in headers.items()
            if not (answer and name.lower() == "event")
        }
    )


def _refusal(answer: Message) -> AmiError:
    """The error that an answer is; a PBX that stops answers everything so, the login too."""
    message = str(answer.get("Message", ""))
    return LinkDown(_SHUTTING_DOWN) if message == "Asterisk is shutting down" else Refused(message)


def _is_stamped(headers: Headers) -> bool:
    """Whether it is Asterisk that says when this happened: it does so ahead of everything that is about a channel."""
    return (
        next(name for name in headers if name == "Timestamp" or name.endswith(("Channel", "id")))
        == "Timestamp"
    )


def _seconds(stamp: str | list[str], otherwise: float) -> float:
    """When an event happened, by Asterisk's own clock; where it says nonsense, the time it was read."""
    try:
        seconds = float(stamp)  # type: ignore[arg-type] # a list is the TypeError
    except (ValueError, TypeError):
        return otherwise
    return seconds if 0 < seconds < _LATEST else otherwise
