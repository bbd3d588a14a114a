"""What happens to calls, told to all who listen: each change numbered, kept for a while, and sent as one event.

Nothing is computed while nobody listens, nor of calls that nobody would hear of. A change is built once, and once more
for each address and each base of links that it is sent to; those who listen alike share the bytes.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from sse_starlette import ServerSentEvent

from bridge.calls import Call, Change
from bridge.directory import Directory
from bridge.grammar import CallId, Extension
from bridge.uapi import present
from bridge.uapi.addresses import Address, Calls, found
from bridge.uapi.links import Links
from bridge.uapi.models import ErrorBody, ErrorDetail, PhoneCall

HISTORY = 2000
"""How many changes a listener that was away can be told of."""

QUEUE = 500
"""How many events may wait for one listener; fewer than the history, so that whoever is dropped can resume."""

LINGER = 30.0
"""Seconds that changes go on being kept after an address's last listener has gone, as it may come back."""

GATHER = 0.02
"""Seconds in which changes are gathered after the latest were told of: what happens to a call comes in bursts."""

RETRY_MS = 2000
"""When a browser shall come back after a stream has ended."""


class Tracked(Calls, Protocol):
    """The live calls, and what has changed about them."""

    track_changes: bool

    def take_changes(self, heard: AbstractSet[Extension] | None = None) -> list[Change]:
        """What has changed since the last time about calls that are listed under some extensions, or about all."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Those who are told the same.

    Args:
        address: What they listen at.
        base: The base of the links in what they are told.
    """

    address: Address
    base: str


class Listener:
    """One who listens: events wait here until they are sent.

    Args:
        limit: How many may wait.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self.over = False

    def tell(self, message: bytes) -> None:
        """Have an event sent. Whoever is too far behind is told so instead, and hears no more."""
        if self.over:
            return
        if len(self._pending) >= self._limit:
            self._pending.clear()
            message = _event(
                "overrun", _error("too_slow", "Events were read too slowly. Resume, or begin anew.")
            )
            self.over = True
        self._pending.append(message)
        self._ready.set()

    def end(self) -> None:
        """Have the stream end after what is waiting."""
        self.over = True
        self._ready.set()

    async def hear(self, seconds: float) -> bytes | None:
        """What is to be sent next.

        Args:
            seconds: How long to wait for it.

        Returns:
            One event or several; nothing where the time ran out; None at the end.
        """
        if not self._pending and not self.over:
            try:
                async with asyncio.timeout(seconds):
                    await self._ready.wait()
            except TimeoutError:
                return b""
        if not self._pending:
            return None
        heard = b"".join(self._pending)
        self._pending.clear()
        if not self.over:
            self._ready.clear()
        return heard


_MOST_FORMS = 32
"""Ways to send a state of a call that are kept: for how many addresses, each as many clients call the service by."""


class _Shown:
    """A state of a call, and how it is sent: each form is made once, when it is first needed."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._forms: dict[tuple[Extension, str, str], bytes] = {}

    @cached_property
    def plain(self) -> PhoneCall:
        """As everybody sees it."""
        return present.phone_call(self.call, None, None, None)

    def same(self, other: "_Shown") -> bool:
        """Whether nobody can tell the two states apart."""
        return self.call.listed == other.call.listed and self.plain == other.plain

    def form(self, directory: Directory, audience: Audience, extension: Extension) -> bytes:
        """As those see it to whom it is shown under an extension."""
        key = (extension, audience.address.user.id, audience.base)
        form = self._forms.get(key)
        if form is None:
            if len(self._forms) >= _MOST_FORMS:
                self._forms.clear()
            whole = present.phone_call(
                self.call,
                extension,
                directory.organization_of(extension),
                Links(audience.base, audience.address.user.id),
                views=self.plain.phone_call_view,
            )
            form = self._forms[key] = whole.to_json()
        return form


@dataclass(frozen=True)
class _Step:
    """A change: the call before it and after it, each None where there was, or is, none."""

    number: int
    before: _Shown | None
    after: _Shown | None

    @cached_property
    def tells(self) -> bool:
        """Whether anybody can tell the two states apart."""
        return not (self.before and self.after and self.before.same(self.after))

    @cached_property
    def listed(self) -> frozenset[Extension]:
        """The extensions under which the call was or is found."""
        none: frozenset[Extension] = frozenset()
        return (self.before.call.listed if self.before else none) | (
            self.after.call.listed if self.after else none
        )


@dataclass(slots=True)
class _Group:
    """An audience, and who is in it now."""

    audience: Audience
    listeners: set[Listener] = field(default_factory=set)


class Feed:
    """All changes of calls, and all who listen.

    Args:
        calls: The live calls.
        directory: Who owns what.
        history: How many changes are kept.
        linger: Seconds that those of an address are kept for nobody.
    """

    def __init__(
        self, calls: Tracked, directory: Directory, *, history: int = HISTORY, linger: float = LINGER
    ) -> None:
        self._calls = calls
        self._directory = directory
        self._linger = linger
        self._run = secrets.token_hex(4)
        self._up = True
        self._closed = False
        self._stirred = False
        self._gathering_until = 0.0
        self._number = 0
        self._floor = 0
        self._history: deque[_Step] = deque(maxlen=history)
        self._shown: dict[CallId, _Shown] = {}
        """The calls that are listed under a watched extension, as they were last told."""
        self._watched: dict[Extension | None, int] = {}
        """The extensions whose calls are followed, None for all: since which change."""
        self._leaving: dict[Extension | None, asyncio.TimerHandle] = {}
        """When those of them are followed no longer at which nobody listens now."""
        self._groups: dict[Extension | None, dict[Audience, _Group]] = {}

    # --- what happens

    def stir(self) -> None:
        """Something may have changed. It is told of at once, or together with what follows in the next `GATHER` seconds."""
        if self._watched and not self._stirred:
            self._stirred = True
            loop = asyncio.get_running_loop()
            loop.call_at(max(loop.time(), self._gathering_until), self._look)

    def _look(self) -> None:
        self._gathering_until = asyncio.get_running_loop().time() + GATHER
        self._stirred = False
        self._catch_up()

    def link(self, *, up: bool, reason: str) -> None:
        """The link to the PBX went down or came up."""
        if up == self._up:
            return
        if self._watched and not up:
            self._catch_up()
        self._up = up
        if not self._watched:
            return
        if up:
            self._renew()
        for group in self._all_groups():
            # What happened meanwhile is known by its end alone.
            message = self._snapshot(group.audience, missed=True) if up else _unavailable(reason)
            for listener in group.listeners:
                listener.tell(message)

    def close(self) -> None:
        """End all streams."""
        if self._watched:
            self._catch_up()
        self._closed = True
        for group in self._all_groups():
            for listener in group.listeners:
                listener.end()

    # --- who listens

    def join(self, audience: Audience, last_id: str | None) -> Listener:
        """Listen.

        The first that is heard is a snapshot; or, for whoever has listened before and says until when, what has
        happened since, as far as that is still known.

        Args:
            audience: Where.
            last_id: The id of the last event that was heard.
        """
        listener = Listener(QUEUE)
        if self._closed:
            listener.end()
            return listener
        extension = audience.address.extension
        if leaving := self._leaving.pop(extension, None):
            leaving.cancel()
        if extension not in self._watched:
            self._watch(extension)
        self._catch_up()
        listener.tell(self._beginning(audience, last_id) if self._up else _unavailable("The PBX is away."))
        self._groups.setdefault(extension, {}).setdefault(audience, _Group(audience)).listeners.add(listener)
        return listener

    def leave(self, audience: Audience, listener: Listener) -> None:
        """Listen no more."""
        extension = audience.address.extension
        groups = self._groups.get(extension, {})
        group = groups.get(audience)
        if group is None:
            return
        group.listeners.discard(listener)
        if not group.listeners:
            del groups[audience]
        if not groups:
            del self._groups[extension]
            self._leaving[extension] = asyncio.get_running_loop().call_later(
                self._linger, self._unwatch, extension
            )

    @property
    def listeners(self) -> int:
        """How many listen."""
        return sum(len(group.listeners) for group in self._all_groups())

    # --- inside

    def _all_groups(self) -> list[_Group]:
        return [group for groups in self._groups.values() for group in groups.values()]

    def _watch(self, extension: Extension | None) -> None:
        """Follow an extension's calls, or all, from now on; whoever has heard of earlier changes there cannot resume."""
        if self._watched:
            self._catch_up()
        else:
            self._calls.track_changes = True
        self._number += 1
        self._watched[extension] = self._watched.get(None, self._number)
        for call in self._calls.calls() if extension is None else self._calls.calls_of(extension):
            self._shown.setdefault(call.id, _Shown(call))

    def _unwatch(self, extension: Extension | None) -> None:
        """Nobody has come back."""
        del self._leaving[extension], self._watched[extension]
        self._shown = {id_: shown for id_, shown in self._shown.items() if self._follows(shown.call)}
        if not self._watched:
            self._calls.track_changes = False
            self._calls.take_changes()
            self._history.clear()

    def _follows(self, call: Call) -> bool:
        return None in self._watched or not call.listed.isdisjoint(self._watched)

    def _renew(self) -> None:
        """Begin anew from the calls as they are; whoever heard of earlier ones cannot resume."""
        self._calls.take_changes()
        self._number += 1
        self._floor = self._number
        self._history.clear()
        self._shown = {call.id: _Shown(call) for call in self._calls.calls() if self._follows(call)}

    def _catch_up(self) -> None:
        """Tell of what has changed."""
        heard = None if None in self._watched else {extension for extension in self._watched if extension}
        for change in self._calls.take_changes(heard):
            id_ = change.call.id
            before = self._shown.pop(id_, None)
            after = None if change.kind == "ended" else _Shown(change.call)
            if after is not None and self._follows(change.call):
                self._shown[id_] = after
            elif before is None:
                continue
            if not self._up:
                continue
            step = _Step(self._number + 1, before, after)
            if self._is_heard(step) and not step.tells:
                continue
            self._number = step.number
            if len(self._history) == self._history.maxlen:
                self._floor = self._history[0].number
            self._history.append(step)
            self._tell(step)

    def _is_heard(self, step: _Step) -> bool:
        """Whether anybody listens who may see the call: what nobody hears is not put into words."""
        return None in self._groups or any(extension in self._groups for extension in step.listed)

    def _tell(self, step: _Step) -> None:
        for extension in (None, *step.listed):
            for group in self._groups.get(extension, {}).values():
                message = self._message(step, group.audience)
                if message:
                    for listener in group.listeners:
                        listener.tell(message)

    def _message(self, step: _Step, audience: Audience) -> bytes:
        """A change as an audience hears of it; nothing where it does not see that call."""
        if not step.tells:
            return b""
        was = self._seen(audience, step.before)
        now = self._seen(audience, step.after)
        if step.after is not None and now is not None:
            kind, shown, extension = ("changed" if was else "added"), step.after, now
        elif step.before is not None and was is not None:
            # As it was last seen: what became of a call that has left is for others.
            kind, shown, extension = "ended", step.before, was
        else:
            return b""
        form = shown.form(self._directory, audience, extension)
        return _event(kind, form, self._id(step.number))

    def _seen(self, audience: Audience, shown: _Shown | None) -> Extension | None:
        """The extension under which an audience sees a call, if it does."""
        return audience.address.extension_of(self._directory, shown.call) if shown else None

    def _beginning(self, audience: Audience, last_id: str | None) -> bytes:
        last = self._number_of(last_id, audience.address.extension)
        if last is None:
            return self._snapshot(audience, missed=bool(last_id))
        since = (self._message(step, audience) for step in self._history if step.number > last)
        return b"".join((_hello("resumed"), *since))

    def _number_of(self, id_: str | None, extension: Extension | None) -> int | None:
        """The number of an event id, where all that has happened at an extension since is known."""
        run, _, number = (id_ or "").partition("-")
        if run != self._run or not (number.isascii() and number.isdigit()) or len(number) > 15:
            return None
        since = max(self._floor, self._watched[extension])
        return int(number) if since <= int(number) <= self._number else None

    def _snapshot(self, audience: Audience, *, missed: bool) -> bytes:
        calls = found(self._directory, self._calls, audience.address)
        forms = [
            self._shown[call.id].form(self._directory, audience, extension)
            for call in calls
            if (extension := audience.address.extension_of(self._directory, call))
        ]
        body = b'{"entry":[%b],"totalResults":%d,"missed":%b}' % (
            b",".join(forms),
            len(forms),
            b"true" if missed else b"false",
        )
        return _hello("listening") + _event("snapshot", body, self._id(self._number))

    def _id(self, number: int) -> str:
        return f"{self._run}-{number}"


def _hello(comment: str) -> bytes:
    return ServerSentEvent(comment=comment, retry=RETRY_MS, sep="\n").encode()


def _event(kind: str, data: bytes, id_: str | None = None) -> bytes:
    return ServerSentEvent(data.decode(), event=kind, id=id_, sep="\n").encode()


def _error(code: str, message: str) -> bytes:
    return ErrorBody(error=ErrorDetail(code=code, message=message)).to_json()


def _unavailable(reason: str) -> bytes:
    return _event("unavailable", _error("pbx_unavailable", reason))
