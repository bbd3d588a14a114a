"""A manager interface that does what a test tells it: for the faults that a real Asterisk does not show on demand."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from lab.listeners import stop_listening
from snapshots import snapshot

BANNER = b"Asterisk Call Manager/11.0.0\r\n"

Heard = dict[str, list[str]]
"""An action as it came: each header with all its values."""

Reply = bytes | None
"""What to say; None for nothing at all."""


def message(*headers: tuple[str, str], **more: str) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in (*headers, *more.items())]
    return "".join(lines).encode() + b"\r\n"


def event(name: str, **headers: str) -> bytes:
    """An event; a running one with all that Asterisk's own have."""
    return message(("Event", name), *snapshot(name, headers).items())


def success(heard: Heard, **headers: str) -> bytes:
    return message(("Response", "Success"), ("ActionID", heard["ActionID"][0]), **headers)


def error(heard: Heard, text: str) -> bytes:
    return message(("Response", "Error"), ("ActionID", heard["ActionID"][0]), ("Message", text))


def rows(heard: Heard, end: str, *events: tuple[str, Mapping[str, str]]) -> bytes:
    """A list as Asterisk answers with one: announced, told, ended."""
    id_ = heard["ActionID"][0]
    body = b"".join(message(("Event", name), *headers.items(), ("ActionID", id_)) for name, headers in events)
    last = event(end, ActionID=id_, EventList="Complete", ListItems=str(len(events)))
    return success(heard, EventList="start", Message="will follow") + body + last


def settings(heard: Heard, version: str = "22.10.1", cdr: str = "Yes", systemname: str = "") -> bytes:
    return success(heard, AsteriskVersion=version, SystemName=systemname, CoreCDRenabled=cdr)


ANSWERS: dict[str, Callable[[Heard], Reply]] = {
    "Login": lambda heard: success(heard, Message="Authentication accepted"),
    "Logoff": lambda heard: message(("Response", "Goodbye"), ("ActionID", heard["ActionID"][0])),
    "Ping": lambda heard: success(heard, Ping="Pong", Timestamp="1795466369.086403"),
    "CoreSettings": settings,
    "BridgeList": lambda heard: rows(heard, "BridgeListComplete"),
    "ParkedCalls": lambda heard: rows(heard, "ParkedCallsComplete"),
    "QueueStatus": lambda heard: rows(heard, "QueueStatusComplete"),
    "DeviceStateList": lambda heard: rows(heard, "DeviceStateListComplete"),
    "Status": lambda heard: rows(heard, "StatusComplete"),
    "Getvar": lambda heard: success(heard, Variable=heard["Variable"][0], Value="1"),
    "Originate": lambda heard: success(heard, Message="Originate successfully queued"),
    "Hangup": lambda heard: success(heard, Message="Channel Hungup"),
    "Setvar": lambda heard: success(heard, Message="Variable Set"),
}


@dataclass
class FakeAsterisk:
    """A PBX's manager interface.

    ``answers`` is what it does on an action: change an entry to make it refuse, be silent (None), or close
    (an entry that calls ``hang_up``). ``heard`` is every action of every session.
    """

    port: int = 0
    banner: bytes = BANNER
    chunk: int = 0
    """Bytes to a segment; 0 to write at once."""
    deaf: bool = False
    """Takes connections and says nothing."""
    answers: dict[str, Callable[[Heard], Reply]] = field(default_factory=lambda: dict(ANSWERS))
    heard: list[Heard] = field(default_factory=list)
    sessions: int = 0
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def names(self) -> list[str]:
        return [heard["Action"][0] for heard in self.heard]

    def of(self, name: str) -> list[Heard]:
        return [heard for heard in self.heard if heard["Action"][0] == name]

    async def until_heard(self, name: str, times: int = 1) -> list[Heard]:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.of(name)) >= times)
        return self.of(name)

    async def until_sessions(self, times: int) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: self.sessions >= times)

    def say(self, data: bytes) -> None:
        """Send to every session."""
        for writer in self._writers:
            writer.write(data)

    def hang_up(self) -> None:
        """Close every session."""
        for writer in self._writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        async with self._changed:
            self.sessions += 1
            self._changed.notify_all()
        try:
            if not self.deaf:
                await self._write(writer, self.banner)
            while True:
                await self._act(writer, await reader.readuntil(b"\r\n\r\n"))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _act(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        heard: Heard = {}
        for line in data.decode().split("\r\n"):
            name, colon, value = line.partition(": ")
            if colon:
                heard.setdefault(name, []).append(value)
        async with self._changed:
            self.heard.append(heard)
            self._changed.notify_all()
        reply = None if self.deaf else self.answers[heard["Action"][0]](heard)
        if reply is not None:
            await self._write(writer, reply)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        size = self.chunk or len(data) or 1
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            if self.chunk:
                await writer.drain()
                await asyncio.sleep(0)


@asynccontextmanager
async def listening(fake: FakeAsterisk, tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeAsterisk]:
    """Let it listen: on a free port, or again on the one it had."""
    server = await asyncio.start_server(fake.serve, "127.0.0.1", fake.port, limit=1 << 20, ssl=tls)
    fake.port = server.sockets[0].getsockname()[1]
    try:
        yield fake
    finally:
        await stop_listening(server)
        fake.hang_up()
        await server.wait_closed()
