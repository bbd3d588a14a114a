"""What the bridge asks of the PBX: a handful of actions a pickup, nothing for calls, a Ping every few seconds."""

import asyncio
import time
from collections import Counter

import pytest

from bridge.pickup import ORDER_AFTER
from lab import Lab, until
from lab.fixtures import NewBridge, NewProxy
from matrix.states import parked, queue_rings, queued_while_ringing, ringing, talking
from real.states import asks

pytestmark = [pytest.mark.anyio, pytest.mark.real]


async def test_calls_cost_the_pbx_nothing(lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy) -> None:
    """Twenty calls ring, talk and end, and are listed all the while: no action but Pings goes to Asterisk."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    proxy.clear()
    began = time.monotonic()
    lab["210"].on_ring("accept")

    async def one_at_most() -> bool:
        return len(await bridge.calls("0003*210")) <= 1

    for _ in range(20):
        call = await lab["100"].dial("0003*210")
        await lab["100"].wait_established(call)
        await until(one_at_most, "the call before is not listed any more")
        await lab["100"].hangup(call)
        await lab["210"].wait_closed()

    assert proxy.asked() == []
    assert sum(proxy.lists().values()) <= len(proxy.lists()), "each list once a minute"
    assert proxy.count("Ping") <= _pings(time.monotonic() - began)


def _pings(seconds: float) -> float:
    """How many Pings are "one every few seconds"."""
    return seconds / 2 + 1


async def test_a_pickup_costs_a_handful(lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy) -> None:
    """A pickup that connects is a question or two, one Originate, and at most two courtesies; a replay is nothing."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    for state in (ringing, talking, parked, queued_while_ringing, queue_rings):
        scene = await state(lab, bridge)
        proxy.clear()
        waiting = asyncio.ensure_future(
            asks(bridge, scene.uri, scene.call, "0003*024", view=scene.view, wait=10)
        )
        await lab["024"].accept(await lab["024"].wait_for_ring())
        assert (await waiting).status_code == 200
        await bridge.pick_up(scene.uri, scene.call, "0003*024", view=scene.view, wait=1)

        await until(lambda: _alone(lab, "0003*100", "0003*024"), "nobody else has a channel")
        sent = Counter(proxy.asked())
        assert sent["Originate"] == 1
        asked = sent.pop("Status")
        assert (
            1 <= asked <= len(ORDER_AFTER)
        )  # again where Asterisk told of the channel ahead of its variables
        assert sent.total() <= 4, sent
        await lab.reset()


async def _alone(lab: Lab, *extensions: str) -> bool:
    return {row.extension for row in await lab.strangers()} == set(extensions)


async def test_lists_are_asked_for_once_a_connection(
    lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy
) -> None:
    """At connect each list is asked for once; then, for the ten seconds that this test looks, none again."""
    proxy = await new_proxy()
    await new_bridge(proxy.login)
    at_connect = proxy.lists()
    proxy.clear()
    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    began = time.monotonic()
    await asyncio.sleep(10)  # what is looked for is that nothing comes

    assert set(at_connect.values()) == {1}, at_connect
    assert {action["Action"] for action in proxy.actions} == {"Ping"}
    assert 2 <= proxy.count("Ping") <= _pings(time.monotonic() - began)
