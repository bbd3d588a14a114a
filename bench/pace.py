"""What the service takes of a core while calls come at a pace: events one by one, as Asterisk writes them."""

import asyncio
import time

from ami.fake import FakeAsterisk, listening
from bench.stream import Traffic, timed
from lab import AmiLogin, Bridge
from lab.service import GLOBAL
from streams.process import cpu

SECONDS = 10.0
"""Of calls, each of which rings and talks for a second or so besides."""

_TICK = 0.001
_APART = 0.0005
"""Seconds between two events of one burst of a call."""


def share(rate: float, *, listener: bool = False) -> tuple[float, float]:
    """How much of a core it takes.

    Args:
        rate: Calls a second.
        listener: Whether somebody listens to the changes of all calls.

    Returns:
        The share, 1 for a whole core; and microseconds for an event.
    """
    return asyncio.run(
        _share(Traffic(int(rate * SECONDS), rate=rate, rings=1, talks=1, phones=100_000), listener=listener)
    )


async def _share(traffic: Traffic, *, listener: bool) -> tuple[float, float]:
    events = sorted(
        (at + n * _APART, event + b"\r\n\r\n")
        for at, burst in timed(traffic, filtered=True)
        for n, event in enumerate(burst.split(b"\r\n\r\n")[:-1])
    )
    pbx = FakeAsterisk()
    async with listening(pbx), Bridge(AmiLogin("127.0.0.1", pbx.port, "uapi", "change-me")) as bridge:
        hearing = asyncio.create_task(_listen(bridge)) if listener else None
        await asyncio.sleep(0.5)
        spent, began, sent = cpu(bridge.pid), time.monotonic(), 0
        while sent < len(events):
            due = time.monotonic() - began
            first = sent
            while sent < len(events) and events[sent][0] <= due:
                sent += 1
            if sent > first:
                pbx.say(b"".join(event for _, event in events[first:sent]))
            await asyncio.sleep(_TICK)
        took = time.monotonic() - began
        spent = cpu(bridge.pid) - spent
        if hearing:
            hearing.cancel()
            await asyncio.gather(hearing, return_exceptions=True)
    return spent / took, spent / len(events) * 1e6


async def _listen(bridge: Bridge) -> None:
    async with bridge.http.stream(
        "GET", "/uapi/phoneCalls/@me/@self/events", headers={"Authorization": f"Bearer {GLOBAL}"}
    ) as stream:
        async for _ in stream.aiter_bytes():
            pass
