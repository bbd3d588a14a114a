"""A waiting caller is picked up where he waits: parked by himself or by somebody, in a queue, from inside or outside."""

import asyncio

import pytest

from lab import Bridge, Lab, until
from lab.fixtures import NewBridge
from lab.numbers import GROUP, NOBODY, PARK_ME, PARKING, SUPPORT, UNANSWERED_QUEUE, VIA_LOCAL_N
from lab.service import JANE
from real.states import (
    TALK,
    Call,
    agree,
    only,
    over,
    picked_up_from,
    queue_log,
    ring,
    rings,
    shows,
    take,
    talk,
    talks,
    told_whose_ring_to_take,
    uniqueid,
    view,
    view_of,
    views,
)

pytestmark = [pytest.mark.anyio, pytest.mark.real]


async def names_are_right(lab: Lab) -> None:
    """The new phone rang with the caller id of the request, and the phone of who waited shows it now; the new one him."""
    (at_024,), (at_100,) = lab["024"].live, lab["100"].live
    assert (at_024.name, at_024.number) == ("John Doe", "42420042")
    await lab["100"].wait_shown(at_100, "John Doe", "42420042")
    await lab["024"].wait_shown(at_024, "Ext 100", "0003*100")


def slot(call: Call) -> tuple[int | None, str | None]:
    """Where view 00 is parked, and by whom."""
    return view(call, "00").get("parkedPos"), view(call, "00").get("parkedBy")


async def in_slot(bridge: Bridge, at: str, views_there: dict[str, str]) -> Call:
    """Wait until the one call of an extension has these views, and tells where it is parked; return it."""

    async def so() -> Call | None:
        call = await shows(bridge, at, views_there, "5")
        return call if slot(call)[0] else None

    call = await until(so, f"the call at {at} is in a slot")
    assert call is not None
    return call


async def test_a_caller_who_parked_himself_is_taken(lab: Lab, bridge: Bridge) -> None:
    """By Park() in the dialplan: he is listed where he dialled and under himself, and keeps view 00 when taken."""
    await lab["100"].dial(PARK_ME)
    await lab.wait_waiting("100", "Park")
    call = await in_slot(bridge, "0003*100", {"00": "0003*100"})
    assert slot(call) == (702, "0003*100")
    assert "parked" in view(call, "00")
    await agree(lab, bridge)
    caller = await uniqueid(lab, "100")
    picked_up = await take(lab, bridge, "0003*100", call["id"], view="00", caller_id="John Doe <42420042>")
    new = view_of(picked_up, "0003*024")
    assert views(picked_up) == {"00": "0003*100", new["id"]: "0003*024"}
    assert new["pickUp"] == view(picked_up, "00")["pickUp"] == picked_up_from("0003*100", "0003*024")
    assert "parked" not in view(picked_up, "00")
    await only(lab, {"100", "024"})
    await names_are_right(lab)
    await agree(lab, bridge)
    await lab["024"].hangup()
    await over(lab)
    await talks(lab, caller, "024")


@pytest.mark.parametrize("action", ["PickUp", "UnPark"])
async def test_a_call_parked_by_transfer_stays_where_it_is_found(
    lab: Lab, bridge: Bridge, action: str
) -> None:
    """210 transfers 100 to the parking: same id, still listed under 210, until 024 takes it and beyond."""
    at_210 = await talk(lab)
    call = await shows(bridge, "0003*210", TALK, "55")
    caller = await uniqueid(lab, "100")
    await lab["210"].transfer(PARKING)
    await lab["210"].wait_closed(at_210)
    parked = await in_slot(bridge, "0003*210", {"00": "0003*100"})
    assert parked["id"] == call["id"]
    assert slot(parked) == (702, "0003*210")
    assert "parked" in view(parked, "00")
    assert parked["answered"] == view(call, "00")["answered"]
    await agree(lab, bridge)
    picked_up = await take(lab, bridge, "0003*210", call["id"], view="00", action=action)
    assert "parked" not in view(picked_up, "00")
    await only(lab, {"100", "024"})
    assert (await bridge.call("0003*100"))["id"] == call["id"]
    assert (await bridge.call("0003*024", token=JANE))["id"] == call["id"]
    assert [each["id"] for each in await bridge.calls("0003*210")] == [call["id"]]
    await agree(lab, bridge)
    await lab["024"].hangup()
    await over(lab)
    await talks(lab, caller, "210", "024")


async def test_who_is_parked_by_the_far_end_of_a_local_pair_is_taken(lab: Lab, bridge: Bridge) -> None:
    """As an agent who is rung through Local/.../n parks his caller: found at 210, in the slot, and taken from there."""
    await talk(lab, VIA_LOCAL_N)
    call = await bridge.seen("0003*210", "5")
    await lab["210"].transfer(PARKING)
    await in_slot(bridge, "0003*210", {"00": "0003*100"})
    await agree(lab, bridge, forgets=("answered",))
    picked_up = await take(lab, bridge, "0003*210", call["id"], view="00")
    assert "parked" not in view(picked_up, "00")
    await only(lab, {"100", "024"})
    await lab["024"].hangup()
    await lab["100"].wait_closed()
    await over(lab)


async def _taken_as_he_comes_back(lab: Lab, bridge: Bridge, call: Call, *, parked: str, parker: str) -> None:
    """Park a channel for 210 by its name; 024 rings for 100 when the time is over and 210 is rung, and takes that ring."""
    await lab.ami.action({"Action": "Park", "Channel": parked, "TimeoutChannel": parker, "Timeout": "6000"})
    await in_slot(bridge, "0003*210", {"00": "0003*100"})
    asked = await bridge.pick_up("0003*210", call["id"], "0003*024", view="00")
    assert asked.status_code == 202, asked.text
    at_024 = await rings(lab, "024")
    at_210 = await rings(lab, "210")
    await told_whose_ring_to_take(lab, "210")
    await lab["024"].accept(at_024)
    await only(lab, {"100", "024"})
    assert (await lab["210"].wait_closed(at_210)).elsewhere


async def test_who_is_parked_so_and_comes_back_meanwhile_is_taken(lab: Lab, bridge: Bridge) -> None:
    """While 024 rings 210 is rung for him: that ring is taken, the pair carries the talk, and nobody hangs it up."""
    await talk(lab, VIA_LOCAL_N)
    call = await bridge.seen("0003*210", "5")
    rows = await lab.strangers()
    half = next(row.name for row in rows if row.name.endswith(";2"))
    at_210 = next(row.name for row in rows if row.extension == "0003*210")
    await _taken_as_he_comes_back(lab, bridge, call, parked=half, parker=at_210)
    await lab.wait_sound("100", "024")
    await asyncio.sleep(1.5)  # longer than the bridge looks for whom the connection has left behind
    await only(lab, {"100", "024"})
    await agree(lab, bridge, forgets=("answered",))


@pytest.mark.usefixtures("unwatched")
async def test_who_is_parked_so_and_fetched_meanwhile_stays_with_his_fetcher(
    lab: Lab, new_bridge: NewBridge
) -> None:
    """101 dials the slot while 024 rings and no bridge watches: 024's answer is in vain."""
    bridge = await new_bridge()
    await talk(lab, VIA_LOCAL_N)
    call = await bridge.seen("0003*210", "5")
    await lab["210"].transfer(PARKING)
    parked = await in_slot(bridge, "0003*210", {"00": "0003*100"})
    asked = await bridge.pick_up("0003*210", call["id"], "0003*024", view="00")
    assert asked.status_code == 202, asked.text
    at_024 = await rings(lab, "024")
    await bridge.kill()
    await lab["101"].dial(str(slot(parked)[0]))
    await only(lab, {"100", "101"})
    await lab["024"].accept(at_024)
    await lab["024"].wait_closed(at_024)
    await only(lab, {"100", "101"})


async def test_a_parked_caller_who_comes_back_meanwhile_is_taken(lab: Lab, bridge: Bridge) -> None:
    """While 024 rings his time in the slot is over, and 210, who parked him, is rung: 210 is left no missed call."""
    await talk(lab)
    call = await shows(bridge, "0003*210", TALK, "55")
    legs = {row.extension: row.name for row in await lab.strangers()}
    await _taken_as_he_comes_back(lab, bridge, call, parked=legs["0003*100"], parker=legs["0003*210"])

    async def told() -> bool:
        found = await bridge.call("0003*210")
        return (found["id"], view(found, "00").get("pickUp")) == (
            call["id"],
            picked_up_from("0003*100", "0003*024"),
        )

    await until(told, "the pickup is connected")
    await agree(lab, bridge)
    await lab["024"].hangup()
    await over(lab)
    assert not [event for event in lab.ami.events if event.get("Context") == "voicemail"]


async def test_whom_a_parked_party_sends_on_has_the_slot_and_is_taken(lab: Lab, bridge: Bridge) -> None:
    """210 was parked by 100, and transfers himself to 101, who sits in that slot then: one call, taken there.

    Asterisk does so only where at least three are in the lot.
    """
    await talk(lab)
    await lab["102"].dial(PARK_ME)
    await lab.wait_waiting("102", "Park")
    call = await shows(bridge, "0003*210", TALK, "55")
    await lab["100"].transfer(PARKING)
    await sits(bridge, "0003*210", call["id"])
    await lab["210"].transfer("0003*101")
    await lab["101"].accept(await rings(lab, "101"))
    view_id = await sits(bridge, "0003*101", call["id"])
    await agree(lab, bridge)
    await take(lab, bridge, "0003*101", call["id"], view=view_id)
    await only(lab, {"101", "024"}, {"102"})
    await agree(lab, bridge)


async def sits(bridge: Bridge, extension: str, id_: str) -> str:
    """Wait until an extension's phone is alone in a call, in slot 703, parked by 100; return its view's id."""

    async def so() -> str:
        call = await bridge.call(extension)
        (first, *more) = call["phoneCallView"]
        told = call["id"], first["extension"], first.get("parkedPos"), first.get("parkedBy")
        return first["id"] if not more and told == (id_, extension, 703, "0003*100") else ""

    return await until(so, f"{extension} sits in the slot")


async def test_the_right_one_of_three_in_a_lot_is_taken(lab: Lab, bridge: Bridge) -> None:
    """Three strangers parked in one lot are three calls; one is taken, two stay in their slots."""
    for number in ("100", "101", "102"):
        await lab[number].dial(PARK_ME)
        await lab.wait_waiting(number, "Park")
    calls = {
        number: await in_slot(bridge, f"0003*{number}", {"00": f"0003*{number}"})
        for number in ("100", "101", "102")
    }
    assert [slot(call)[0] for call in calls.values()] == [702, 703, 704]
    assert len({call["id"] for call in calls.values()}) == 3
    await agree(lab, bridge)
    await take(lab, bridge, "0003*101", calls["101"]["id"], view="00")
    await only(lab, {"101", "024"}, {"100", "102"})
    for n in ("100", "102"):
        call = await bridge.call(f"0003*{n}")
        assert call == calls[n]
    await agree(lab, bridge)


async def test_a_caller_in_a_queue_without_agents_is_taken(lab: Lab, bridge: Bridge) -> None:
    """Nobody rings for him: 024 has him, the queue has nobody left, and the call records say whom he talked with."""
    await lab["100"].dial(NOBODY)
    await lab.wait_waiting("100", "Queue")
    call = await shows(bridge, NOBODY, {"00": "0003*100"}, "5")
    await agree(lab, bridge)
    caller = await uniqueid(lab, "100")
    picked_up = await take(lab, bridge, NOBODY, call["id"], view="00", caller_id="John Doe <42420042>")
    new = view_of(picked_up, "0003*024")
    assert views(picked_up) == {"00": "0003*100", new["id"]: "0003*024"}
    assert new["pickUp"] == view(picked_up, "00")["pickUp"] == picked_up_from("0003*100", "0003*024")
    await only(lab, {"100", "024"})
    await names_are_right(lab)

    async def nobody_waits() -> bool:
        return "No Callers" in await lab.asterisk.cli("queue show nobody")

    await until(nobody_waits, "the queue has let go of him")
    await agree(lab, bridge)
    await lab["024"].hangup()
    await over(lab)
    assert not [event for event in lab.ami.events if event.get("Context") == "voicemail"]
    # Asterisk books one who gave up, but under an id that nobody has: of this caller it says nothing wrong.
    assert queue_log(lab, caller) == []
    await talks(lab, f"uapi-{call['id']}-1", "100")


async def test_a_caller_in_a_queue_is_taken_while_agents_ring(lab: Lab, bridge: Bridge) -> None:
    """Their phones are told that it was answered elsewhere, and the queue's books that the caller was connected."""
    at_210 = await ring(lab, SUPPORT)
    at_211 = await rings(lab, "211")
    await bridge.seen("0003*210")
    await bridge.seen("0003*211")
    call = await shows(bridge, SUPPORT, views(await bridge.call(SUPPORT)), "533")
    await agree(lab, bridge)
    caller = await uniqueid(lab, "100")
    picked_up = await take(lab, bridge, SUPPORT, call["id"], view="00", caller_id="John Doe <42420042>")
    new = view_of(picked_up, "0003*024")
    assert new["pickUp"] == view(picked_up, "00")["pickUp"] == picked_up_from("0003*100", "0003*024")
    for phone, rang in (("210", at_210), ("211", at_211)):
        assert (await lab[phone].wait_closed(rang)).elsewhere
    await only(lab, {"100", "024"})
    await names_are_right(lab)
    await shows(bridge, SUPPORT, {"00": "0003*100", new["id"]: "0003*024"}, "55")
    await agree(lab, bridge)
    await lab["024"].hangup()
    await over(lab)
    assert not [event for event in lab.ami.events if event.get("Context") == "voicemail"]
    agent = queue_log(lab, caller)[0][0]
    assert agent in ("PJSIP/0003*210", "PJSIP/0003*211")

    async def booked() -> bool:
        return queue_log(lab, caller) == [(agent, "CONNECT"), (agent, "COMPLETEAGENT")]

    await until(booked, "the queue's books are closed")
    await talks(lab, caller, "024", rang=agent[-3:])


async def test_an_outside_caller_in_a_queue_is_found_and_taken(lab: Lab, bridge: Bridge) -> None:
    """Who has no extension of ours, and was not answered yet, is found by what he dialled and by the queue's."""
    outside = await lab.outside()
    caller = await outside.dial(UNANSWERED_QUEUE)
    at_210 = await rings(lab, "210")
    await rings(lab, "211")

    async def listed() -> Call | None:
        calls = await bridge.calls(SUPPORT)
        return next((call for call in calls if outside.extension in views(call).values()), None)

    call = await until(listed, "he is listed at the queue")
    assert call is not None
    assert view(call, "00")["extension"] == outside.extension
    assert (await bridge.call(UNANSWERED_QUEUE))["id"] == call["id"]
    await agree(lab, bridge)
    picked_up = await take(lab, bridge, SUPPORT, call["id"], view="00")
    assert (await lab["210"].wait_closed(at_210)).elsewhere
    await only(lab, {"trunk", "024"})
    new = view_of(picked_up, "0003*024")
    assert (new["callerId"], new["source"]) == (f"Outside Caller <{outside.extension}>", [outside.extension])
    assert caller.state == "established"
    await agree(lab, bridge)


async def test_an_outside_caller_who_was_parked_is_found_and_taken(lab: Lab, bridge: Bridge) -> None:
    """He dialled 800 and was parked by 210: he is found by way of both, and taken by way of what he dialled."""
    outside = await lab.outside()
    at_210 = await talk(lab, GROUP, caller="outside")
    await lab["210"].transfer(PARKING)
    await lab["210"].wait_closed(at_210)
    call = await in_slot(bridge, GROUP, {"00": "+4930900100"})
    assert view(call, "00")["parkedBy"] == "0003*210"
    assert [each["id"] for each in await bridge.calls("0003*210")] == [call["id"]]
    await agree(lab, bridge)
    picked_up = await take(lab, bridge, GROUP, call["id"], view="00")
    await only(lab, {"trunk", "024"})
    new = view_of(picked_up, "0003*024")
    assert (new["callerId"], new["source"]) == ("Outside Caller <+4930900100>", ["+4930900100"])
    assert outside.live[0].state == "established"
    await agree(lab, bridge)
