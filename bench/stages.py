"""What each part of the events path takes, as a share of stock panoramisk's time for the same stream."""

import gc
import statistics
from collections.abc import Awaitable, Callable

from bench.events import CHUNK, Nowhere, Ours, by_ours, by_stock
from bench.measure import Cpu
from bench.stream import BANNER, Traffic, stream
from bridge.ami import READ
from bridge.ami.connection import Connection, Timing
from bridge.ami.protocol import Decoder, Framer
from bridge.calls import WANTED, Headers, Picture
from bridge.endpoints import Endpoints


async def shares(calls: int = 600, rounds: int = 7) -> dict[str, float]:
    """Measure all parts in turns.

    Args:
        calls: Of the stream.
        rounds: Whose median is taken.

    Returns:
        The share of each part, in the order of the path; ``link`` holds what stands before it.
    """
    data = stream(Traffic(calls), filtered=True)
    framer = Framer(WANTED)
    framer.feed(BANNER)
    messages = framer.feed(data)
    decode = Decoder(READ)
    events = [decode(message) for message in messages]
    parts: dict[str, Callable[[], Awaitable[float]]] = {
        "framing": lambda: _framing(data),
        "headers": lambda: _headers(messages),
        "link": lambda: _link(data),
        "picture": lambda: _picture(events),
        "all": lambda: by_ours(data),
    }
    found: dict[str, list[float]] = {part: [] for part in parts}
    for _ in range(rounds):
        whole = await by_stock(data)
        for part, measure in parts.items():
            gc.collect()
            found[part].append(await measure() / whole)
    return {part: statistics.median(values) for part, values in found.items()}


async def _framing(data: bytes) -> float:
    framer = Framer(WANTED)
    framer.feed(BANNER)
    with Cpu() as cpu:
        for start in range(0, len(data), CHUNK):
            framer.feed(data[start : start + CHUNK])
    return cpu.seconds


async def _headers(messages: list[str]) -> float:
    decode = Decoder(READ)
    with Cpu() as cpu:
        for message in messages:
            decode(message)
    return cpu.seconds


async def _link(data: bytes) -> float:
    ours = Ours()
    ours.connection = Connection(lambda *_: None, lambda: 0.0, Timing(), read=READ)
    ours.wire = ours.connection._wire  # noqa: SLF001 -- the door that a socket has
    ours.wire.connection_made(Nowhere())
    ours.wire.data_received(BANNER)
    with Cpu() as cpu:
        await ours.read(data)
    return cpu.seconds


async def _picture(events: list[Headers]) -> float:
    picture = Picture(Endpoints.default())
    with Cpu() as cpu:
        for event in events:
            picture.apply(event, 0.0)
        picture.calls()
    return cpu.seconds
