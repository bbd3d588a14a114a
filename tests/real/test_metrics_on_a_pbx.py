"""What /metrics says while real phones call: gauges follow the calls, a pickup is timed and counted by its outcome."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lab import Bridge, Lab, until
from lab.fixtures import NewBridge, NewProxy
from lab.service import JOHN
from matrix.states import CALLED, CALLER, TAKER, parked, ringing, talking

pytestmark = [pytest.mark.anyio, pytest.mark.real]


class Page:
    """One look at /metrics."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def __getitem__(self, asked: str) -> float:
        """A sample's value by ``name`` or ``name{label=value}``; the sum where several fit, 0 where none does."""
        name, _, label = asked.rstrip("}").partition("{")
        wanted = dict([label.split("=")]) if label else {}
        return sum(
            one.value for one in self._samples if one.name == name and wanted.items() <= one.labels.items()
        )


async def look(bridge: Bridge) -> Page:
    reply = await bridge.http.get("/metrics")
    assert reply.status_code == 200
    return Page(reply.text)


async def becomes(bridge: Bridge, expected: Mapping[str, float]) -> Page:
    """Wait until the page says so."""
    seen: dict[str, Any] = {}

    async def says() -> Page | None:
        page = await look(bridge)
        seen.update({name: page[name] for name in expected})
        return page if seen == dict(expected) else None

    try:
        page = await until(says, "the metrics", timeout=20)
    except TimeoutError:
        raise AssertionError(f"/metrics says {seen} and not {expected}") from None
    assert page is not None
    return page


RINGS, BRIDGED = "uapi_pickup_put_to_ringing_seconds", "uapi_pickup_answer_to_bridged_seconds"
CONNECTED, BUSY = "uapi_pickups_total{outcome=connected}", "uapi_pickups_total{outcome=busy}"


async def test_calls_and_pickups_move_their_metrics(lab: Lab, new_bridge: NewBridge) -> None:
    """Live calls up and down; a pickup is timed to the ring and from the answer; each outcome is counted once."""
    bridge = await new_bridge()
    begin = await becomes(bridge, {"uapi_ami_up": 1, "uapi_ami_context_loaded": 1, f"{RINGS}_count": 0})
    company = begin["uapi_live_calls"]

    for done, state in enumerate((ringing, talking, parked)):
        scene = await state(lab, bridge)
        await becomes(bridge, {"uapi_live_calls": company + 1})
        assert (await bridge.pick_up(scene.uri, scene.call, TAKER, view=scene.view)).status_code == 202
        await lab[TAKER].wait_for_ring()
        await becomes(bridge, {f"{RINGS}_count": done + 1, f"{BRIDGED}_count": done, CONNECTED: done})
        await lab[TAKER].accept()
        await lab.wait_together(TAKER, CALLER)
        now = await becomes(
            bridge, {f"{RINGS}_count": done + 1, f"{BRIDGED}_count": done + 1, CONNECTED: done + 1}
        )
        assert 0 < now[f"{RINGS}_sum"] < 5 * (done + 1)
        assert 0 <= now[f"{BRIDGED}_sum"] < 5 * (done + 1)
        await lab.reset()
        await becomes(bridge, {"uapi_live_calls": company})

    scene = await ringing(lab, bridge)
    lab[TAKER].on_ring("decline")
    answer = await bridge.pick_up(scene.uri, scene.call, TAKER, view=scene.view, wait=20)
    assert answer.status_code == 409
    end = await becomes(bridge, {BUSY: 1, CONNECTED: 3, f"{BRIDGED}_count": 3})
    assert end["uapi_http_requests_total{method=PUT}"] == 4
    assert end["uapi_http_requests_total{status=409}"] == 1
    for event in ("Newchannel", "Hangup", "BridgeEnter", "Pickup", "ParkedCall"):
        assert (
            end[f"uapi_ami_events_total{{event={event}}}"] > begin[f"uapi_ami_events_total{{event={event}}}"]
        )
    assert not re.search(rf"{re.escape(CALLED)}|{scene.call}|{JOHN}", end.text), "no number, id or token"


async def test_a_lost_link_and_listeners_show(lab: Lab, new_bridge: NewBridge, new_proxy: NewProxy) -> None:
    """Streams are counted while they are open; a link that is cut counts as a reconnect and takes the gauge down."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    address = "/uapi/phoneCalls/@me/0003*210/events"
    token = {"Authorization": f"Bearer {JOHN}"}
    async with bridge.http.stream("GET", address, headers=token) as one:
        assert one.status_code == 200
        async with bridge.http.stream("GET", address, headers=token):
            await becomes(bridge, {"uapi_event_listeners": 2})
        await becomes(bridge, {"uapi_event_listeners": 1})
    await becomes(bridge, {"uapi_event_listeners": 0, "uapi_ami_reconnects_total": 0})

    proxy.cut(refuse=True)
    await becomes(bridge, {"uapi_ami_up": 0})
    proxy.allow()
    await becomes(bridge, {"uapi_ami_up": 1, "uapi_ami_reconnects_total": 1})
    assert await lab.strangers() == []
