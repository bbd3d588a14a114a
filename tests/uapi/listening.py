"""A client that listens to the event stream, with the application called as a server would call it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Message

from uapi.world import TOKENS, World, path


@dataclass
class Event:
    kind: str
    data: dict[str, Any]
    id: str | None


@dataclass
class Ear:
    """What has been heard so far. While ``deaf`` the connection takes nothing, as that of a client that does not read."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: "asyncio.Queue[bytes]" = field(default_factory=asyncio.Queue)
    hearing: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    ended: bool = False
    text: str = ""

    async def receive(self) -> Message:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        await self.hearing.wait()
        self.ended = not message.get("more_body", False)
        self.chunks.put_nowait(message["body"])

    async def _block(self) -> str:
        while "\n\n" not in self.text:
            if self.ended and self.chunks.empty():
                raise EOFError
            async with asyncio.timeout(5):
                self.text += (await self.chunks.get()).decode()
        block, _, self.text = self.text.partition("\n\n")
        return block

    async def next(self) -> Event:
        """The next event; comments are passed over."""
        while True:
            fields = dict(
                line.split(": ", 1) for line in (await self._block()).splitlines() if not line.startswith(":")
            )
            if "event" in fields:
                return Event(fields["event"], json.loads(fields["data"]), fields.get("id"))

    async def comment(self) -> str:
        """The next comment."""
        while True:
            for line in (await self._block()).splitlines():
                if line.startswith(": "):
                    return line[2:]

    async def all_to_the_end(self) -> list[Event]:
        events = []
        with suppress(EOFError):
            while True:
                events.append(await self.next())
        return events


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # what is waited for tells nobody
            await asyncio.sleep(0.005)


@asynccontextmanager
async def listening(
    world: World,
    app: str = "john",
    *,
    extension: str = "0003*210",
    user: str = "@me",
    last_id: str | None = None,
    token: str | None = None,
    method: str = "GET",
) -> AsyncIterator[Ear]:
    """Listen, until the end of the block."""
    ear = Ear()
    ear.hearing.set()
    headers = {"host": "uapi.voipnow.com", "authorization": f"Bearer {token or TOKENS[app]}"}
    headers |= {"last-event-id": last_id} if last_id is not None else {}
    target = f"{path(user=user, extension=extension)}/events"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": target,
        "raw_path": target.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 40000),
        "server": ("127.0.0.1", 8080),
        "state": {},
    }
    task = asyncio.ensure_future(world.bridge.asgi(scope, ear.receive, ear.send))
    try:
        yield ear
    finally:
        ear.gone.set()
        ear.hearing.set()
        async with asyncio.timeout(5):
            await task
