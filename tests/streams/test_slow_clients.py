"""A client that reads slowly, or opens a thousand connections, holds up neither the reading of AMI nor anybody else."""

import asyncio
import contextlib
import random
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from lab.ports import until
from lab.service import OWNER, Bridge
from streams.pbx import BusyPbx
from streams.process import Metrics, files, memory
from streams.traffic import Traffic, company_calls

pytestmark = pytest.mark.anyio

LIST = f"GET /uapi/phoneCalls/@me/@self?count=5000 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {OWNER}\r\n\r\n".encode()
SOON = 5.0
"""Seconds in which a reply must come on a machine under load; it takes milliseconds."""


async def _many_calls(pbx: BusyPbx, bridge: Bridge, calls: int) -> Traffic:
    """Let so many recordings of calls be under way."""
    traffic = pbx.traffic = Traffic(
        random.Random(3), at_once=calls, kinds=["talking/held-by-the-caller-who-hangs-up"]
    )
    await pbx.tell(traffic.more(calls))
    await _worked_off(pbx, bridge)
    return traffic


async def _worked_off(pbx: BusyPbx, bridge: Bridge) -> None:
    async def counted() -> bool:
        return (await _metrics(bridge)).total("uapi_ami_events_total") >= pbx.told

    await until(counted, "all that was said is counted", timeout=20, every=0.01)


async def _metrics(bridge: Bridge) -> Metrics:
    return Metrics((await bridge.http.get("/metrics")).text)


async def _others_are_served(pbx: BusyPbx, bridge: Bridge, traffic: Traffic) -> None:
    """Calls come and go; each is in the list of another client soon, and the reader is not behind."""
    for _ in range(5):
        await pbx.tell(traffic.more(20))
        began = time.monotonic()
        expected: set[str] = {*traffic.live(), *company_calls()}

        async def shown(expected: set[str] = expected) -> bool:
            response = await bridge.get("@me", "@self", token=OWNER, params={"count": "5000"})
            return {call["id"] for call in response.json()["entry"]} == expected

        await until(shown, "the list shows what is true", timeout=20, every=0.01)
        assert time.monotonic() - began < SOON, "others have to wait"
        assert (await _metrics(bridge)).total("uapi_ami_lag_seconds") < SOON


@asynccontextmanager
async def _connections(bridge: Bridge, count: int, begin: bytes) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """So many connections, each of which has sent this and reads nothing."""
    writers = []
    try:
        for _ in range(count):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)  # noqa: FBT003 (a socket's own parameter)
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", bridge.port))
            reader, writer = await asyncio.open_connection(sock=connection, limit=1)
            reader._transport.pause_reading()  # type: ignore[attr-defined] # it lets the reply wait in the socket
            writers.append(writer)
            writer.write(begin)
        yield writers
    finally:
        for writer in writers:
            writer.transport.abort()


async def test_lists_that_are_read_slowly(pbx: BusyPbx, bridge: Bridge) -> None:
    """Five clients ask for the whole list again and again and read nothing: what waits for them is bounded."""
    traffic = await _many_calls(pbx, bridge, 200)
    before = memory(bridge.pid)
    async with _connections(bridge, 5, LIST * 60):
        await _others_are_served(pbx, bridge, traffic)
        held = memory(bridge.pid) - before
        answered = (await _metrics(bridge)).total("uapi_http_requests_total")
    assert answered < 5 * 60, "they were read after all"
    size = len((await bridge.get("@me", "@self", token=OWNER, params={"count": "5000"})).content) / 1e6
    assert held < 5 * (2 * size + 1) + 10, f"{held:.0f} MB are held for 5 lists of {size:.1f} MB"
    await _all_closed(bridge)


@pytest.mark.parametrize(
    "begin",
    [b"", b"GET /uapi/phoneCalls/@me/@self HTTP/1.1\r\nHost: h\r\nX: ", LIST],
    ids=["silent", "half a request", "asking"],
)
async def test_a_thousand_connections(begin: bytes, pbx: BusyPbx, bridge: Bridge) -> None:
    """Others are served, calls are seen, the link to the PBX stays; afterwards every socket is closed."""
    traffic = await _many_calls(pbx, bridge, 30)
    async with _connections(bridge, 1000, begin):
        await _others_are_served(pbx, bridge, traffic)
        await until(lambda: _open(bridge, 1000), "all are connected", timeout=20)
        await _others_are_served(pbx, bridge, traffic)
    await _all_closed(bridge)
    assert pbx.sessions == 1, "the link to the PBX was lost"


async def _open(bridge: Bridge, sockets: int) -> bool:
    return files(bridge.pid) >= sockets


async def _all_closed(bridge: Bridge) -> None:
    async def closed() -> bool:
        return files(bridge.pid) < 50

    await until(closed, "the service has closed their sockets", timeout=20)


async def test_a_reader_that_falls_behind_says_so(pbx: BusyPbx, bridge: Bridge) -> None:
    """While more is said than can be worked off at once, the metrics tell by how much it is late; then zero again."""
    traffic = pbx.traffic
    burst = traffic.more(1500)
    worst = 0.0
    telling = asyncio.create_task(pbx.tell(burst))
    while True:
        now = await _metrics(bridge)
        worst = max(worst, now.total("uapi_ami_lag_seconds"))
        if telling.done() and now.total("uapi_ami_events_total") >= pbx.told:
            break
    await telling
    assert worst > 0.01, "nobody was told"
    with contextlib.suppress(TimeoutError):
        await until(lambda: _not_behind(bridge), "it has caught up", timeout=5)
    assert (await _metrics(bridge)).total("uapi_ami_lag_seconds") == 0
    assert not re.search("could not keep up", bridge.log())


async def _not_behind(bridge: Bridge) -> bool:
    return (await _metrics(bridge)).total("uapi_ami_lag_seconds") == 0
