"""A pickup on a real Asterisk, as those hear it who listen to the event stream."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from lab import Bridge, Lab
from lab.service import JANE, JOHN

pytestmark = [pytest.mark.anyio, pytest.mark.real]

Heard = tuple[str, dict[str, Any]]


async def events(bridge: Bridge, extension: str, token: str) -> AsyncIterator[Heard]:
    """What an extension's stream tells: the kind of each event, and its data."""
    headers = {"Authorization": f"Bearer {token}"}
    async with bridge.http.stream(
        "GET", f"/uapi/phoneCalls/@me/{extension}/events", headers=headers
    ) as reply:
        assert reply.status_code == 200
        kind = ""
        async for line in reply.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)


async def until(heard: AsyncIterator[Heard], kind: str = "", **view: str) -> list[Heard]:
    """Listen until an event, of a kind if that is given, tells of a view with these members; all that was heard."""
    told: list[Heard] = []
    try:
        async with asyncio.timeout(20):
            async for event in heard:
                told.append(event)
                views = event[1].get("phoneCallView", [{}])
                if kind in ("", event[0]) and any(view.items() <= one.items() for one in views):
                    break
    except TimeoutError:
        raise AssertionError(f"no {kind or 'event'} with {view}, but {told}") from None
    return told


async def test_a_pickup_is_heard_from_the_ring_to_the_end(lab: Lab, bridge: Bridge) -> None:
    """210's listener and 024's hear of one call: it rings, 024 is rung for it, takes it from 210, and hangs up."""
    john, jane = events(bridge, "0003*210", JOHN), events(bridge, "0003*024", JANE)
    empty = ("snapshot", {"entry": [], "totalResults": 0, "missed": False})
    assert [await anext(john), await anext(jane)] == [empty, empty]

    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    rings = await until(john, status="3", extension="0003*210")
    assert rings[0][0] == "added"
    call = rings[-1][1]

    assert (await bridge.pick_up("0003*210", call["id"], "0003*024")).status_code == 202
    await lab["024"].wait_for_ring()
    await lab["024"].accept()
    await lab.wait_together("100", "024")
    taken = {"from": "0003*210", "sendCallTo": "0003*024", "status": "connected"}
    heard_by_john = await until(john, extension="0003*024", status="5")
    heard_by_jane = await until(jane, extension="0003*024", status="5")
    for heard in (heard_by_john, heard_by_jane):
        assert {data["id"] for _, data in heard} == {call["id"]}
        (view,) = (one for one in heard[-1][1]["phoneCallView"] if one["id"] == "01")
        assert view["pickUp"] == taken
    assert heard_by_jane[0][0] == "added"
    assert tuple(
        dict.fromkeys(
            view["pickUp"]["status"]
            for _, data in heard_by_john
            for view in data["phoneCallView"]
            if "pickUp" in view
        )
    ) == ("ringing", "connected")

    await lab["024"].hangup()
    assert (await until(john, "ended"))[-1][1]["id"] == call["id"]
    assert (await until(jane, "ended"))[-1][1]["id"] == call["id"]
