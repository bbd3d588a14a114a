"""A call that rings is picked up through the API, as the seed tells it, and in every way that it can end."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from lab import Bridge, Lab, PhoneCall, until
from lab.fixtures import NewBridge, NewProxy
from lab.numbers import GROUP, LINEAR, SUPPORT, UNANSWERED_QUEUE, VIA_LOCAL, VIA_LOCAL_N
from lab.pace import pace
from lab.service import GLOBAL, JANE

pytestmark = [pytest.mark.anyio, pytest.mark.real]

# What Asterisk itself says when it refuses a duplicate or finds no phone: the bridge asks, and takes no for an answer.
# So it does where an old leg that it hangs up has just gone by itself, of which it heard late on a busy machine.
REFUSALS = re.compile(
    r"Channel Unique ID '\S+' already in use|The same topic is already exist. name: channel:uapi-|Could not create dialog to invalid URI|has no contacts|Unable to create channel"
    r"|Failed to create outgoing session|Request to hangup non-existent channel: \d+\.\d+$"
)


@pytest.fixture(autouse=True)
async def nothing_else_happens(lab: Lab) -> AsyncIterator[None]:
    """Whatever a test does: nobody falls into the voicemail, and Asterisk has nothing to complain about."""
    position = lab.asterisk.log_size()
    yield
    lost = [e["Channel"] for e in lab.ami.events if e["Event"] == "Newexten" and e["Context"] == "voicemail"]
    assert lost == [], "they fell into the voicemail"
    lines = lab.asterisk.log(position).splitlines()
    complaints = [line for line in lines if " WARNING[" in line or " ERROR[" in line]
    assert [line for line in complaints if not REFUSALS.search(line)] == [], "Asterisk complains"


async def rings(lab: Lab, bridge: Bridge, number: str = "0003*210") -> tuple[PhoneCall, dict[str, Any]]:
    """100 calls, 210 rings and is listed as ringing; return 210's ring and the phone call."""
    await lab["100"].dial(number)
    ring = await lab["210"].wait_for_ring()
    return ring, await bridge.seen("0003*210")


def _parties(call: dict[str, Any]) -> set[str]:
    return {view["extension"] for view in call["phoneCallView"]}


def view_of(call: dict[str, Any], extension: str) -> dict[str, Any]:
    """The one view of an extension."""
    (view,) = (each for each in call["phoneCallView"] if each["extension"] == extension)
    return dict(view)


async def taken_over(lab: Lab, bridge: Bridge, call: dict[str, Any], view: str = "01") -> dict[str, Any]:
    """The call as the list shows it once 100 and 024 are together."""
    await lab.wait_together("100", "024")

    async def connected() -> dict[str, Any] | None:
        now = await bridge.call("0003*024", token=JANE)
        views = {each["id"]: each for each in now["phoneCallView"]}
        return now if views.get(view, {}).get("extension") == "0003*024" else None

    now = await until(connected, f"view {view} is at 024")
    assert now is not None
    assert now["id"] == call["id"]
    return now


async def all_hung_up(lab: Lab, bridge: Bridge) -> None:
    """024 hangs up: the caller is let go, no channel is left, and the list is empty."""
    await lab["024"].hangup()
    await lab["100"].wait_closed()

    async def nobody() -> bool:
        return await lab.strangers() == [] and await bridge.calls("0003*210") == []

    await until(nobody, "no channel and no call is left")


def error_of(response: httpx2.Response) -> tuple[int, str]:
    """Status and code of an error."""
    return response.status_code, response.json()["error"]["code"]


# ------------------------------------------------------------------ the story


async def test_the_seeds_story(lab: Lab, bridge: Bridge) -> None:
    """100 calls 210, the PUT lets 024 ring as John Doe; it answers and has the caller, 210 has no missed call."""
    caller = await lab["100"].dial("0003*210")
    ring = await lab["210"].wait_for_ring()
    call = await bridge.seen("0003*210")
    before = view_of(call, "0003*210")
    assert (before["id"], before["source"], before["destination"]) == ("01", ["0003*100"], ["0003*210"])

    answer = await bridge.pick_up(
        "0003*210", call["id"], "0003*024", caller_id="John Doe <42420042>", ring=20
    )
    link = {"self": f"{bridge.url}/uapi/phoneCalls/12/0003*210/{call['id']}"}
    accepted = {"id": call["id"], "extension": "0003*210", "link": link, "links": link}
    assert (answer.status_code, answer.json()) == (202, accepted)

    got = await lab["024"].wait_for_ring()
    assert (got.name, got.number) == ("John Doe", "42420042")
    meanwhile = view_of(await bridge.call("0003*210"), "0003*210")
    assert meanwhile["pickUp"] == {"from": "0003*210", "sendCallTo": "0003*024", "status": "ringing"}
    assert ring.state == "ringing"

    await lab["024"].accept()
    await taken_over(lab, bridge, call)
    closed = await lab["210"].wait_closed(ring)
    assert (closed.cause, closed.elsewhere) == (26, True)
    await lab["100"].wait_shown(caller, "John Doe", "42420042")
    await lab["024"].wait_shown(got, "Ext 100", "0003*100")
    await lab.wait_sound("100", "024")

    linked = (await bridge.http.get(link["self"], headers={"Authorization": "Bearer john-token"})).json()
    assert [linked["id"], linked["extension"], linked["ownerId"]] == [call["id"], "0003*210", "3"]
    assert [view["id"] for view in linked["phoneCallView"]] == ["00", "01"]
    after = view_of(linked, "0003*024")
    assert after == view_of(await bridge.call("0003*024", token=JANE), "0003*024")
    assert after["id"] == "01" and after["status"] == "5" and after["answered"] == linked["answered"]
    assert (after["source"], after["destination"]) == (["0003*100"], ["0003*210"])
    assert after["pickUp"] == {"from": "0003*210", "sendCallTo": "0003*024", "status": "connected"}
    await all_hung_up(lab, bridge)


async def test_without_a_caller_id_the_new_phones_own_is_shown(lab: Lab, bridge: Bridge) -> None:
    """024 shows its own caller id while it rings, and so does the caller's phone once they talk."""
    caller = await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()
    call = await bridge.seen("0003*210")
    lab["024"].on_ring("accept")
    await bridge.pick_up("0003*210", call["id"], "024")
    got = await lab["024"].wait_for_ring()
    assert (got.name, got.number) == ("Ext 024", "0003*024")
    await taken_over(lab, bridge, call)
    await lab["100"].wait_shown(caller, "Ext 024", "0003*024")


async def test_a_phone_that_answers_at_once_is_connected_all_the_same(lab: Lab, bridge: Bridge) -> None:
    """It answers before the bridge has been told whose Originate made it: still 200, and the whole PhoneCall."""
    _, call = await rings(lab, bridge)
    lab["024"].on_ring("accept")
    answer = await bridge.pick_up("0003*210", call["id"], "0003*024", wait=20)
    assert answer.status_code == 200
    assert view_of(answer.json(), "0003*024")["status"] == "5"
    await lab.wait_together("100", "024")


async def test_asterisk_sets_first_what_was_sent_last(lab: Lab, bridge: Bridge) -> None:
    """Whoever is told of a pickup's view while Asterisk sets its variables is told of all the others, too."""
    _, call = await rings(lab, bridge)
    await bridge.pick_up("0003*210", call["id"], "0003*024")
    await lab.ami.wait_for(lambda event: event.get("Variable") == "UAPI_VIEW")
    told = [
        event["Variable"]
        for event in lab.ami.events
        if event["Event"] == "VarSet" and event["Variable"].startswith("UAPI_")
    ]
    assert len(told) > 5
    assert told[-3:] == ["UAPI_TO", "UAPI_FROM", "UAPI_VIEW"]


# ------------------------------------------------------------------ the ways to ring


@pytest.mark.parametrize("taken", ["0003*210", "0003*211"])
async def test_one_of_several_forks_is_picked_up_and_all_stop(lab: Lab, bridge: Bridge, taken: str) -> None:
    """Dial rings 210 and 211; whichever view is picked up, both phones are told that it was answered elsewhere."""
    ring, call = await rings(lab, bridge, GROUP)
    other = await lab["211"].wait_for_ring()
    await bridge.seen("0003*211")
    view = view_of(await bridge.call("0003*210"), taken)
    lab["024"].on_ring("accept")
    await bridge.pick_up(taken, call["id"], "0003*024", view=view["id"])
    now = await taken_over(lab, bridge, call, view["id"])
    assert view_of(now, "0003*024")["pickUp"]["from"] == taken
    for phone, its in (("210", ring), ("211", other)):
        assert (await lab[phone].wait_closed(its)).elsewhere

    async def two() -> bool:
        views = (await bridge.call("0003*024", token=JANE))["phoneCallView"]
        return [view["extension"] for view in views] == ["0003*100", "0003*024"]

    await until(two, "the forks have left the list")
    await all_hung_up(lab, bridge)


@pytest.mark.parametrize("number", [VIA_LOCAL, VIA_LOCAL_N])
async def test_a_phone_rung_through_a_local_channel(lab: Lab, bridge: Bridge, number: str) -> None:
    """The halves of the Local channel are no views; the caller and 024 hear each other, whether they stay or go."""
    ring, call = await rings(lab, bridge, number)
    assert [view["extension"] for view in call["phoneCallView"]] == ["0003*100", "0003*210"]
    view = view_of(call, "0003*210")["id"]
    lab["024"].on_ring("accept")
    answer = await bridge.pick_up(
        "0003*210", call["id"], "0003*024", view=view, wait=20, caller_id="John Doe <42420042>"
    )
    assert answer.status_code == 200
    assert (await lab["210"].wait_closed(ring)).elsewhere
    await lab.wait_sound("100", "024")
    now = await bridge.call("0003*024", token=JANE)
    assert [(view["id"], view["extension"]) for view in now["phoneCallView"]] == [
        ("00", "0003*100"),
        (view, "0003*024"),
    ]
    await all_hung_up(lab, bridge)


@pytest.mark.parametrize("queue", [SUPPORT, UNANSWERED_QUEUE, LINEAR])
async def test_an_agents_phone_rung_by_a_queue(lab: Lab, bridge: Bridge, queue: str) -> None:
    """The agents stop ringing, and the queue's own books say that its caller was connected."""
    ring, call = await rings(lab, bridge, queue)
    caller = next(row.uniqueid for row in await lab.strangers() if row.extension == "0003*100")
    view = view_of(call, "0003*210")["id"]
    if queue != LINEAR:  # a phone of whose ring Asterisk has not heard yet is told no reason
        await lab["211"].wait_for_ring()
        await bridge.seen("0003*211")
    lab["024"].on_ring("accept")
    answer = await bridge.pick_up("0003*210", call["id"], "0003*024", view=view, wait=20)
    assert answer.status_code == 200
    await lab.wait_together("100", "024")
    assert (await lab["210"].wait_closed(ring)).elsewhere
    for other in lab["211"].rings:
        assert (await lab["211"].wait_closed(other)).elsewhere
    await all_hung_up(lab, bridge)

    async def booked() -> list[str]:
        rows = [row for row in lab.asterisk.queue_log() if row[1] == caller]
        return [row[4] for row in rows if row[4].startswith(("C", "A"))]

    assert await until(booked, "the queue's books are closed") in (["CONNECT", "COMPLETEAGENT"], ["CONNECT"])
    for name in ("support", "linear"):
        assert "No Callers" in await lab.asterisk.cli(f"queue show {name}")


async def test_a_second_call_at_a_busy_phone(lab: Lab, bridge: Bridge) -> None:
    """Call waiting: the second caller is a phone call of its own, and picking it up leaves 210's talk alone."""
    await lab["101"].dial("0003*210")
    await lab["210"].wait_for_ring()
    await lab["210"].accept()
    await lab.wait_together("101", "210")
    await lab["100"].dial("0003*210")
    await lab["210"].wait_for_ring()

    async def both() -> list[dict[str, Any]]:
        calls = await bridge.calls("0003*210")
        return [call for call in calls if {"0003*100", "0003*210"} == _parties(call)]

    (call,) = await until(both, "the second call is listed")
    lab["024"].on_ring("accept")
    view = view_of(call, "0003*210")["id"]
    answer = await bridge.pick_up("0003*210", call["id"], "0003*024", view=view, wait=20)
    assert answer.status_code == 200
    await lab.wait_together("100", "024")
    await lab.wait_together("101", "210")


async def test_an_outside_call(lab: Lab, bridge: Bridge) -> None:
    """Somebody from outside rings 210; 024 takes it, and the outside party's number stays its view's extension."""
    outside = await lab.outside()
    await outside.dial("0003*210")
    await lab["210"].wait_for_ring()
    call = await bridge.seen("0003*210")
    lab["024"].on_ring("accept")
    answer = await bridge.pick_up(
        "0003*210", call["id"], "0003*024", wait=20, caller_id="John Doe <42420042>"
    )
    assert answer.status_code == 200
    assert [view["extension"] for view in answer.json()["phoneCallView"]] == [outside.extension, "0003*024"]
    await lab.wait_together("outside", "024")


# ------------------------------------------------------------------ outcomes


async def test_the_caller_leaves_and_the_new_phone_falls_silent(lab: Lab, bridge: Bridge) -> None:
    """204 for whoever waits, and 024 is not told that somebody else answered."""
    _, call = await rings(lab, bridge)
    waiting = asyncio.create_task(bridge.pick_up("0003*210", call["id"], "0003*024", wait=10))
    got = await lab["024"].wait_for_ring()
    await lab["100"].hangup()
    closed = await lab["024"].wait_closed(got, timeout=20)
    assert not closed.elsewhere
    answer = await waiting
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["preference-applied"] == "wait=10"


async def test_wait_for_pickup_runs_out_in_asterisks_own_time(
    lab: Lab, new_proxy: NewProxy, new_bridge: NewBridge
) -> None:
    """024 rings for the time asked for and no longer; the bridge needs no word for that, and 210 rings on."""
    machine = pace()
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    ring, call = await rings(lab, bridge)
    asked = time.monotonic()
    answer = await bridge.pick_up("0003*210", call["id"], "0003*024", wait=10, ring=0.7)
    got = await lab["024"].wait_closed()
    assert answer.status_code == 204
    assert got.closed - asked > 0.7
    assert machine.worth(got.since, got.closed) < 0.9
    assert proxy.count("Originate") == 1
    assert proxy.count("Hangup", "Redirect", "Bridge", "Setvar") == 0
    assert ring.state == "ringing"
    pick_up = view_of(await bridge.call("0003*210"), "0003*210")["pickUp"]
    assert pick_up == {"from": "0003*210", "sendCallTo": "0003*024", "status": "noAnswer"}

    lab["024"].on_ring("accept")
    again = await bridge.pick_up("0003*210", call["id"], "0003*024", wait=10)
    assert again.status_code == 200
    assert "idempotent-replayed" not in again.headers
    await lab.wait_together("100", "024")


async def test_the_new_phone_declines(lab: Lab, bridge: Bridge) -> None:
    """409 for whoever waits, 210 rings on, and another phone may take the call at once."""
    ring, call = await rings(lab, bridge)
    lab["024"].on_ring("decline")
    answer = await bridge.pick_up("0003*210", call["id"], "0003*024", wait=10)
    assert error_of(answer) == (409, "pc_sendcallto_unavailable")
    assert "busy" in answer.json()["error"]["message"]
    assert view_of(await bridge.call("0003*210"), "0003*210")["pickUp"]["status"] == "busy"
    assert ring.state == "ringing"
    lab["025"].on_ring("accept")
    assert (await bridge.pick_up("0003*210", call["id"], "0003*025", wait=10)).status_code == 200
    await lab.wait_together("100", "025")


async def test_the_new_phone_is_not_registered(lab: Lab, bridge: Bridge) -> None:
    """409, said at once and without any wait asked for: nothing rings, and 202 would be a lie."""
    ring, call = await rings(lab, bridge)
    answer = await bridge.pick_up("0003*210", call["id"], "0004*100", token=GLOBAL)
    assert error_of(answer) == (409, "pc_sendcallto_unavailable")
    assert "not registered" in answer.json()["error"]["message"]
    assert view_of(await bridge.call("0003*210"), "0003*210")["pickUp"]["status"] == "unreachable"
    assert ring.state == "ringing"


async def test_another_fork_answers_first(lab: Lab, bridge: Bridge) -> None:
    """211 answers while 024 rings for 210's view: 024 is told that it was answered elsewhere, who waits 409."""
    _, call = await rings(lab, bridge, GROUP)
    await lab["211"].wait_for_ring()
    view = view_of(call, "0003*210")["id"]
    waiting = asyncio.create_task(bridge.pick_up("0003*210", call["id"], "0003*024", view=view, wait=10))
    got = await lab["024"].wait_for_ring()
    await lab["211"].accept()
    closed = await lab["024"].wait_closed(got, timeout=20)
    assert closed.elsewhere
    assert error_of(await waiting) == (409, "pc_pickup_conflict")
    await lab.wait_together("100", "211")


async def test_the_phone_that_rings_answers_and_is_taken_over(lab: Lab, bridge: Bridge) -> None:
    """210 answers while 024 rings: 024 rings on, and when it answers the talk is taken from 210."""
    ring, call = await rings(lab, bridge)
    waiting = asyncio.create_task(bridge.pick_up("0003*210", call["id"], "0003*024", wait=10))
    await lab["024"].wait_for_ring()
    await lab["210"].accept(ring)
    await lab.wait_together("100", "210")
    await lab["024"].accept()
    await lab.wait_together("100", "024")
    await lab["210"].wait_closed(ring)
    answer = await waiting
    assert answer.status_code == 200
    assert view_of(answer.json(), "0003*024")["id"] == "01"
    await all_hung_up(lab, bridge)


async def test_a_wait_that_was_not_enough_ends_in_202(lab: Lab, bridge: Bridge) -> None:
    """The pickup goes on: a client that asks again joins it and is told the end, and no phone rings twice."""
    _, call = await rings(lab, bridge)
    first = await bridge.pick_up("0003*210", call["id"], "0003*024", wait=1)
    assert (first.status_code, first.headers["preference-applied"]) == (202, "wait=1")
    again = await bridge.pick_up("0003*210", call["id"], "0003*024")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert again.json() == first.json()
    await lab["024"].accept()
    await lab.wait_together("100", "024")
    later = await bridge.pick_up("0003*210", call["id"], "0003*024", wait=20)
    assert (later.status_code, later.headers["idempotent-replayed"]) == (200, "true")
    assert view_of(later.json(), "0003*024")["id"] == "01"
    assert len(lab["024"].rings) == 1


async def test_the_configured_wait_knows_no_204(lab: Lab, new_bridge: NewBridge) -> None:
    """Without the header the answer is 200 when connected within uapi.wait, and 202 in every other case."""
    bridge = await new_bridge(environment={"BRIDGE_UAPI__WAIT": "20"})
    _, call = await rings(lab, bridge)
    ran_out = await bridge.pick_up("0003*210", call["id"], "0003*024", ring=0.3)
    assert (ran_out.status_code, ran_out.json()["id"]) == (202, call["id"])
    lab["024"].on_ring("accept")
    connected = await bridge.pick_up("0003*210", call["id"], "0003*024")
    assert connected.status_code == 200
    assert view_of(connected.json(), "0003*024")["status"] == "5"
    assert "preference-applied" not in {*ran_out.headers, *connected.headers}


# ------------------------------------------------------------------ at most one


async def test_of_two_apps_one_wins(lab: Lab, bridge: Bridge, new_bridge: NewBridge) -> None:
    """Another phone, another view or another instance: 409 and not a ring; the same again is the same answer."""
    neighbour = await new_bridge()
    _, call = await rings(lab, bridge)
    await neighbour.seen("0003*210")
    await bridge.pick_up("0003*210", call["id"], "0003*024")
    await lab["024"].wait_for_ring()
    other_phone = await bridge.pick_up("0003*210", call["id"], "0003*025")
    there = await neighbour.pick_up("0003*210", call["id"], "0003*025")
    assert [error_of(other_phone), error_of(there)] == [(409, "pc_pickup_conflict")] * 2
    same = await neighbour.pick_up("0003*210", call["id"], "0003*024")
    assert (same.status_code, same.headers["idempotent-replayed"]) == (202, "true")
    await lab["024"].accept()
    await lab.wait_together("100", "024")
    assert (len(lab["024"].rings), lab["025"].rings) == (1, [])


async def test_a_storm_of_requests_rings_one_phone(lab: Lab, bridge: Bridge, new_bridge: NewBridge) -> None:
    """Forty PUTs at once for two phones, at two instances: exactly one phone rings, everybody is told the truth."""
    neighbour = await new_bridge()
    _, call = await rings(lab, bridge)
    await neighbour.seen("0003*210")
    answers = await asyncio.gather(*(
        instance.pick_up("0003*210", call["id"], phone)
        for _ in range(10)
        for instance in (bridge, neighbour)
        for phone in ("0003*024", "0003*025")
    ))  # fmt: skip

    async def rung() -> list[str]:
        return [name for name in ("024", "025") for _ in lab[name].rings]

    (winner,) = await until(rung, "a phone rings")
    told = {(answer.status_code, answer.json().get("error", {}).get("code")) for answer in answers}
    assert told == {(202, None), (409, "pc_pickup_conflict")}
    await lab[winner].accept()
    await lab.wait_together("100", winner)
    assert await rung() == [winner]
