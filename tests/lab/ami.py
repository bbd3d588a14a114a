"""A second pair of eyes on Asterisk's manager interface, on a plain socket: nothing of the bridge is in it."""

# ruff: noqa: ASYNC109 (a wait is told its bound where it is called)

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Self, TypeVar

from lab.asterisk import AmiLogin

T = TypeVar("T")
Message = dict[str, str]
"""Header to value; where a header repeats, the values stand one a line. An event has "Event"."""


class Ami:
    """A manager session. ``events`` holds every event since it came up, oldest first."""

    def __init__(self, login: AmiLogin, *, events: bool = True) -> None:
        """Describe the session; ``connect`` opens it.

        Args:
            login: Address, user and secret.
            events: Whether it wants events at all.
        """
        self.login = login
        self.events: list[Message] = []
        self._wants_events = events
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._number = 0
        self._replies: dict[str, list[Message]] = {}
        self._news = asyncio.Event()
        self._closed = False

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Open the connection and log in.

        Raises:
            PermissionError: Asterisk refuses the user.
        """
        reader, self._writer = await asyncio.open_connection(self.login.host, self.login.port, limit=2**22)
        await asyncio.wait_for(reader.readline(), 5)
        self._task = asyncio.get_running_loop().create_task(self._read(reader))
        login = {"Username": self.login.username, "Secret": self.login.secret}
        reply = await self.action(
            {"Action": "Login", **login, "Events": "on" if self._wants_events else "off"}
        )
        if reply[0]["Response"] != "Success":
            await self.close()
            raise PermissionError(reply[0].get("Message", ""))

    async def close(self) -> None:
        """Hang up on Asterisk."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._writer is not None:
            self._writer.close()

    async def action(self, headers: Mapping[str, str | list[str]], *, timeout: float = 20) -> list[Message]:
        """Send an action and return its answer: the response, then the rows of a list if it is one.

        Args:
            headers: Header to value, or to a list of values where it repeats (Variable).
            timeout: Seconds until the answer must be whole.
        """
        self._number += 1
        action_id = f"lab-{self._number}"
        replies = self._replies[action_id] = []
        lines = [f"ActionID: {action_id}"]
        for name, value in headers.items():
            lines += [f"{name}: {each}" for each in ([value] if isinstance(value, str) else value)]
        assert self._writer is not None
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())

        def whole() -> list[Message] | None:
            if self._closed and not replies:
                raise ConnectionError("Asterisk has hung up")
            if not replies:
                return None
            is_list = replies[0].get("EventList", "").lower() == "start"
            return replies if not is_list or replies[-1].get("EventList", "").lower() == "complete" else None

        try:
            return await self._wait(whole, f"answer to {headers['Action']}", timeout)
        finally:
            del self._replies[action_id]

    async def wait_for(
        self, wanted: Callable[[Message], bool], *, since: int = 0, timeout: float = 20
    ) -> Message:
        """Return the first event that is wanted, from the position on; it may have come already."""
        position = since

        def found() -> Message | None:
            nonlocal position
            while position < len(self.events):
                position += 1
                if wanted(self.events[position - 1]):
                    return self.events[position - 1]
            return None

        return await self._wait(found, "wanted event", timeout)

    async def _wait(self, ask: Callable[[], T | None], what: str, timeout: float) -> T:
        try:
            async with asyncio.timeout(timeout):
                while True:
                    news = self._news
                    if (answer := ask()) is not None:
                        return answer
                    await news.wait()
        except TimeoutError:
            last = [event["Event"] for event in self.events[-20:]]
            raise TimeoutError(f"{what}: not within {timeout} s; the last events: {last}") from None

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                message: Message = {}
                block = await reader.readuntil(b"\r\n\r\n")
                for line in block.decode(errors="replace").split("\r\n"):
                    name, colon, value = line.partition(": ")
                    if not colon:
                        name, value = line.rstrip(":"), ""
                    if name:
                        message[name] = f"{message[name]}\n{value}" if name in message else value
                message["_at"] = f"{time.monotonic():.6f}"
                replies = self._replies.get(message.get("ActionID", ""))
                if replies is not None and message.get("Event") != "OriginateResponse":
                    replies.append(message)
                elif "Event" in message:
                    self.events.append(message)
                news, self._news = self._news, asyncio.Event()
                news.set()
        self._closed = True
        self._news.set()
