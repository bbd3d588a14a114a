"""A relay between the bridge and Asterisk's manager port that counts, holds, cuts and falls silent."""

import asyncio
import contextlib
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Self

from lab.ami import Message
from lab.asterisk import AmiLogin
from lab.listeners import stop_listening

_LISTS = ("Status", "BridgeList", "ParkedCalls", "QueueStatus", "DeviceStateList", "CoreShowChannels")


@dataclass(slots=True, eq=False)
class _Gate:
    """One direction: open, or held while bytes pile up."""

    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()


class AmiProxy:
    """Sits on a port of its own in front of Asterisk's; any number of connections."""

    def __init__(self, ami: AmiLogin) -> None:
        """Describe the relay; ``start`` opens it.

        Args:
            ami: Where it relays to.
        """
        self.ami = ami
        self.port = 0
        self.actions: list[Message] = []
        """Every action that went to Asterisk, in order; secrets included."""
        self.to_asterisk = bytearray()
        """Every byte that went to Asterisk."""
        self.connected: list[float] = []
        """When each connection was opened, by the monotonic clock; those that were refused too."""
        self.held = bytearray()
        """Bytes that came while they were held on their way to Asterisk."""
        self._up, self._down = _Gate(), _Gate()
        self._refuse = False
        self._swallowed: frozenset[str] = frozenset()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and cut everything."""
        if self._server is not None:
            await stop_listening(self._server)
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def login(self) -> AmiLogin:
        """The same manager user by way of the proxy: give it to the bridge."""
        return replace(self.ami, host="127.0.0.1", port=self.port)

    def count(self, *names: str) -> int:
        """How many actions of these names (of any, without one) went to Asterisk."""
        return len([action for action in self.actions if not names or action.get("Action") in names])

    def asked(self) -> list[str]:
        """The names of the actions that went to Asterisk, in order, without Pings and what a resync asks by itself."""
        return [
            action["Action"]
            for action in self.actions
            if action["Action"] not in ("Ping", "CoreSettings")
            and not action.get("ActionID", "").startswith("resync-")
            and "DIALPLAN_EXISTS(" not in action.get("Variable", "")
        ]

    def lists(self) -> Counter[str]:
        """How often each list of all that there is was asked for."""
        return Counter(
            action["Action"]
            for action in self.actions
            if action["Action"] in _LISTS and "Channel" not in action
        )

    def clear(self) -> None:
        """Forget what was counted."""
        self.actions.clear()
        self.to_asterisk.clear()

    def hold(self, *, to_asterisk: bool = False, from_asterisk: bool = False) -> None:
        """Keep bytes of one or both directions until ``release``; connections stay open, half-open to the bridge."""
        if to_asterisk:
            self._up.open.clear()
        if from_asterisk:
            self._down.open.clear()

    def silence(self) -> None:
        """Relay nothing in either direction: a peer that vanished without a word."""
        self.hold(to_asterisk=True, from_asterisk=True)

    def release(self) -> None:
        """Let held bytes go, and everything after them."""
        self._up.open.set()
        self._down.open.set()

    def swallow(self, *names: str) -> None:
        """Let actions of these names vanish on their way to Asterisk; none, without one."""
        self._swallowed = frozenset(names)

    def cut(self, *, refuse: bool = False) -> None:
        """Close every connection on both sides.

        Args:
            refuse: Whether new ones are closed at once as well, until ``allow``.
        """
        self._refuse = refuse
        for writer in list(self._writers):
            writer.transport.abort()

    def allow(self) -> None:
        """Take new connections again."""
        self._refuse = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connected.append(time.monotonic())
        try:
            if not self._refuse:
                await self._connect(reader, writer)
        finally:
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Relay between a connection and one to Asterisk, if that takes it."""
        try:
            far_reader, far_writer = await asyncio.open_connection(self.ami.host, self.ami.port)
        except OSError:
            return
        self._writers |= {writer, far_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._relay(reader, far_writer, self._up))
                group.create_task(self._relay(far_reader, writer, self._down))
        finally:
            self._writers -= {writer, far_writer}
            far_writer.transport.abort()

    async def _relay(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: _Gate) -> None:
        pending = b""
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if gate is self._up and not gate.open.is_set():
                    self.held += data
                await gate.open.wait()
                if gate is self._up:
                    self.to_asterisk += data
                    before = len(self.actions)
                    pending = self._note(pending + data)
                    if self._swallowed.intersection(action["Action"] for action in self.actions[before:]):
                        continue
                sink.write(data)
                await sink.drain()
        sink.transport.abort()

    def _note(self, text: bytes) -> bytes:
        """Take the whole actions out of what was sent, and return the rest."""
        *blocks, rest = text.split(b"\r\n\r\n")
        for block in blocks:
            action: Message = {}
            for line in block.decode(errors="replace").split("\r\n"):
                name, _, value = line.partition(":")
                name, value = name.strip(), value.strip()
                action[name] = f"{action[name]}\n{value}" if name in action else value
            self.actions.append(action)
        return rest
