"""What it costs to keep the picture of all calls true: processor time of the same bytes, read by us and by others.

Each side is given what a connection's socket would give it, 64 KiB a read, in this process. Ours is all that the
service does with it: link, picture, pickups, metrics. At the end it is asked for the calls that are live.
"""

import asyncio
import logging
import statistics
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any, cast

import structlog
from cacofonisk.handlers import EventHandler
from cacofonisk.reporters import BaseReporter
from panoramisk import Manager
from panoramisk.ami_protocol import AMIProtocol

from bench import serving
from bench.measure import Cpu, Measured, in_turns
from bench.serving import FREE
from bench.stream import BANNER, Traffic, events_of_a_call, live, stream
from bridge.ami import READ
from bridge.ami.connection import Connection, Timing
from bridge.app import Bridge, RunningPbx, create_app
from bridge.calls import Headers
from bridge.directory import Directory
from bridge.grammar import Extension
from bridge.settings import Settings, load
from bridge.uapi.addresses import Address
from bridge.uapi.feed import Audience

CHUNK = 1 << 16
"""Bytes that asyncio hands on at a time, when there are as many."""

_ROUNDS = 7


def quiet() -> None:
    """Log nothing."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


class Nowhere(asyncio.Transport):
    """A transport that sends nothing."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Forget it."""

    def abort(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Ours:
    """The service without a PBX: a connection that is given bytes by hand.

    Args:
        settings: Its configuration; an empty one where None.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        quiet()
        takes: list[Callable[[Headers, float], None]] = []

        def make_link(take_event: Callable[[Headers, float], None], _: object) -> RunningPbx:
            takes.append(take_event)
            return cast("RunningPbx", None)

        self.bridge: Bridge = create_app(settings or load(None, {}), make_link=make_link)
        self.connection = Connection(takes[0], _no_time, Timing(), read=READ)
        self.wire = self.connection._wire  # noqa: SLF001 -- the door that a socket has
        self.wire.connection_made(Nowhere())
        self.wire.data_received(BANNER)

    async def read(self, data: bytes, size: int = CHUNK) -> None:
        """Read it all, and have it worked off."""
        for start in range(0, len(data), size):
            self.wire.data_received(data[start : start + size])
            while self.connection.lag:  # noqa: ASYNC110 -- it is worked off in the loop's next turns
                await asyncio.sleep(0)


class Stock:
    """panoramisk as it comes.

    Args:
        callback: What is called with each event.
        names: Of what events; one pattern for all by itself.
    """

    def __init__(self, callback: Callable[[Any, Any], None], names: Iterable[str] = ("*",)) -> None:
        self.manager = Manager(loop=asyncio.get_running_loop())
        for name in names:
            self.manager.register_event(name, callback)
        self.protocol = AMIProtocol()
        self.protocol.connection_made(Nowhere())
        self.protocol.factory = self.manager
        self.protocol.encoding = self.manager.config["encoding"]
        self.protocol.data_received(BANNER)

    async def read(self, data: bytes, size: int = CHUNK) -> None:
        """Read it all."""
        for start in range(0, len(data), size):
            self.protocol.data_received(data[start : start + size])
            await asyncio.sleep(0)


class _Silent(BaseReporter):  # type: ignore[misc] # cacofonisk is untyped
    """A reporter that is told, and does nothing with it."""


def _no_time() -> float:
    return 0.0


def nothing(manager: object, event: object) -> None:
    """The callback that costs least."""


def tracker() -> EventHandler:
    """Cacofonisk's tracker, with a reporter that does nothing."""
    quiet = logging.getLogger("bench.cacofonisk")
    quiet.setLevel(logging.CRITICAL)
    return EventHandler(_Silent(), logger=quiet)


def on_panoramisk(handler: EventHandler) -> Stock:
    """The tracker on panoramisk, as its own runner puts them together."""
    return Stock(lambda _, event: handler.on_event(event), handler.event_handlers())


def unfiltered(rounds: int) -> Measured:
    """Every event that Asterisk has, 87 a call."""
    return asyncio.run(_beside_stock(rounds or _ROUNDS, filtered=False, calls=400))


def filtered(rounds: int) -> Measured:
    """What our manager user is sent, 19 a call."""
    return asyncio.run(_beside_stock(rounds or _ROUNDS, filtered=True, calls=1500))


def cacofonisk(rounds: int) -> Measured:
    """The same calls beside cacofonisk's tracker, each side with the events that it asks for."""
    return asyncio.run(_beside_cacofonisk(rounds or _ROUNDS, calls=1500))


async def by_stock(data: bytes) -> float:
    """Seconds of processor time that stock panoramisk takes for a stream."""
    stock = Stock(nothing)
    with Cpu() as cpu:
        await stock.read(data)
    return cpu.seconds


async def by_ours(data: bytes, *, asked: bool = False) -> float:
    """Seconds of processor time that our whole path takes for it, to the calls, of which none may be left.

    Args:
        data: The stream.
        asked: Whether all live calls are asked for after each read, and not at the end alone.
    """
    ours = Ours()
    picture = ours.bridge.picture
    with Cpu() as cpu:
        for start in range(0, len(data), CHUNK):
            await ours.read(data[start : start + CHUNK])
            if asked:
                picture.calls()
        left = picture.calls()
    assert not left, f"{len(left)} calls are left over"
    return cpu.seconds


async def _beside_stock(rounds: int, *, filtered: bool, calls: int) -> Measured:
    data = stream(Traffic(calls), filtered=filtered)
    events = calls * events_of_a_call(filtered=filtered)

    async def ours() -> float:
        return await by_ours(data) / events * 1e6

    async def stock() -> float:
        return await by_stock(data) / events * 1e6

    few = stream(Traffic(300), filtered=filtered)
    heard = {
        who: statistics.median([await _listened_to(few, at) / 300 * 1e6 for _ in range(rounds)])
        for who, at in (("nobody", ()), ("one at a phone without calls", (FREE,)), ("one to all", (None,)))
    }
    measured = await in_turns(rounds, "µs/event", ours, stock)
    asked = [await by_ours(data, asked=True) / events * 1e6 for _ in range(rounds)]
    measured.notes = {
        "events": events,
        "events a call": events // calls,
        "bytes": len(data),
        "ours where all live calls are asked for after each read": round(statistics.median(asked), 2),
        **{
            f"µs a call where four events come at a time and {who} listens": round(us)
            for who, us in heard.items()
        },
        "one event each 2 ms, ours": round(await _apart(Ours().wire.data_received, data), 1),
        "one event each 2 ms, stock panoramisk": round(
            await _apart(Stock(nothing).protocol.data_received, data), 1
        ),
    }
    return measured


async def _listened_to(data: bytes, at: Iterable[str | None]) -> float:
    """Seconds of processor time where some listen, at phones or to all, and each four events are told of at once."""
    configured = serving.settings()
    ours, owner = Ours(configured), Directory(configured).users["3"]
    feed = ours.bridge.feed
    for number in at:
        feed.join(Audience(Address(owner, owner, Extension(number) if number else None), "https://pbx"), None)
    blocks = data.split(b"\r\n\r\n")[:-1]
    with Cpu() as cpu:
        for first in range(0, len(blocks), 4):
            await ours.read(b"".join(block + b"\r\n\r\n" for block in blocks[first : first + 4]))
            feed._look()  # noqa: SLF001 -- what the loop does at most 20 ms later
    return cpu.seconds


async def _apart(take: Callable[[bytes], None], data: bytes, events: int = 2000) -> float:
    """Microseconds of processor time for an event that comes alone, when the processor's caches hold other things."""
    seconds = 0.0
    for block in data.split(b"\r\n\r\n")[:events]:
        await asyncio.sleep(0.002)
        with Cpu() as cpu:
            take(block + b"\r\n\r\n")
        seconds += cpu.seconds
    return seconds / events * 1e6


async def _beside_cacofonisk(rounds: int, calls: int) -> Measured:
    data = stream(Traffic(calls), filtered=True)
    theirs = _only(EventHandler.event_handlers(), stream(Traffic(calls), filtered=False))

    async def ours() -> float:
        return await by_ours(data) / calls * 1e6

    async def other() -> float:
        stock = on_panoramisk(tracker())
        with Cpu() as cpu:
            await stock.read(theirs)
        return cpu.seconds / calls * 1e6

    measured = await in_turns(rounds, "µs/call", ours, other)
    measured.notes = {
        "events a call, ours": events_of_a_call(filtered=True),
        "events a call, theirs": theirs.count(b"Event: ") // calls,
    }
    return measured


def _only(names: Iterable[str], data: bytes) -> bytes:
    """The events of a stream that have these names."""
    wanted = {f"Event: {name}".encode() for name in names}
    blocks = data.split(b"\r\n\r\n")
    return b"".join(block + b"\r\n\r\n" for block in blocks if block.partition(b"\r\n")[0] in wanted)


def memory(rounds: int) -> Measured:
    """Kilobytes for each of 1,000 live calls, ours beside cacofonisk's, with all that is kept for it."""
    return asyncio.run(_memory(rounds or 5, 1_000))


async def _memory(rounds: int, calls: int) -> Measured:
    async def one() -> float:
        ours = Ours()
        return await grown(calls, ours.read(live(calls)), ours.bridge.picture.calls)

    async def other() -> float:
        # It asks for all events, and keeps something of those that our filter leaves out.
        stock = on_panoramisk(tracker())
        return await grown(calls, stock.read(live(calls, filtered=False)), lambda: None)

    few = live(20)
    warm = Ours()
    await warm.read(few)  # what is made once for all calls is none of theirs
    warm.bridge.picture.calls()
    await on_panoramisk(tracker()).read(few)
    return await in_turns(rounds, "KB/call", one, other, warm=0)


async def grown(calls: int, reading: Any, look: Callable[[], object]) -> float:
    """Kilobytes that reading leaves behind for each call."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        await reading
        seen = look()
        del seen
        return (tracemalloc.get_traced_memory()[0] - before) / calls / 1000
    finally:
        tracemalloc.stop()
