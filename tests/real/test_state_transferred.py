"""A call that went on to somebody else keeps its id, and is picked up where it is now."""

import asyncio

import pytest

from lab import Bridge, Lab, until
from lab.fixtures import NewBridge, NewProxy
from lab.numbers import NOBODY, ONE_AGENT
from lab.phone import PhoneCall
from lab.service import JANE
from lab.sip import Dialog, SipUser
from real.states import (
    TALK,
    Call,
    agree,
    asks,
    only,
    picked_up_from,
    refused,
    rings,
    shows,
    take,
    talk,
    view,
    view_of,
    views,
)

pytestmark = [pytest.mark.anyio, pytest.mark.real]


@pytest.mark.parametrize("answered", [False, True], ids=["while it rings there", "when they talk"])
async def test_a_call_is_taken_after_a_blind_transfer(lab: Lab, bridge: Bridge, *, answered: bool) -> None:
    """210 sends 100 on to 211: one call, which 024 takes there."""
    at_210 = await talk(lab)
    call = await shows(bridge, "0003*210", TALK, "55")
    await lab["210"].transfer("0003*211")
    at_211 = await rings(lab, "211")
    await lab["210"].wait_closed(at_210)
    if answered:
        await lab["211"].accept(at_211)
        await only(lab, {"100", "211"})
    wanted = {"0003*100": "5", "0003*211": "5" if answered else "3"}

    async def there() -> Call | None:
        found = await bridge.call("0003*211")
        return (
            found
            if {each["extension"]: each["status"] for each in found["phoneCallView"]} == wanted
            else None
        )

    transferred = await until(there, "100 is with 211")
    assert transferred["id"] == call["id"]
    at = view_of(transferred, "0003*211")["id"]  # mostly 02, but Asterisk may make a channel for the transfer
    await agree(lab, bridge)
    picked_up = await take(lab, bridge, "0003*211", call["id"], view=at)
    assert views(picked_up) == {"00": "0003*100", at: "0003*024"}
    assert (await lab["211"].wait_closed(at_211)).elsewhere is not answered
    await only(lab, {"100", "024"})
    assert [each["id"] for each in await bridge.calls("0003*211")] == [call["id"]]
    await agree(lab, bridge)


async def test_a_call_is_taken_again_by_a_third_phone(lab: Lab, bridge: Bridge) -> None:
    """What 024 took from 210 is taken from 024 by 211, and then by 025: the view's id stays, and tells from whom."""
    await talk(lab)
    call = await shows(bridge, "0003*210", TALK, "55")
    await take(lab, bridge, "0003*210", call["id"])
    at_024 = lab["024"].live[0]
    picked_up = await take(lab, bridge, "0003*024", call["id"], to="211", token=JANE)
    assert views(picked_up) == {"00": "0003*100", "01": "0003*211"}
    assert view(picked_up, "01")["pickUp"] == picked_up_from("0003*024", "0003*211")
    assert (await lab["024"].wait_closed(at_024)).cause == 16
    await only(lab, {"100", "211"})
    await agree(lab, bridge)
    at_211 = lab["211"].live[0]
    picked_up = await take(lab, bridge, "0003*211", call["id"], to="025")
    assert views(picked_up) == {"00": "0003*100", "01": "0003*025"}
    assert (await lab["211"].wait_closed(at_211)).cause == 16
    await only(lab, {"100", "025"})
    assert [[each["id"] for each in await bridge.calls(at)] for at in ("0003*210", "0003*211")] == [
        [call["id"]]
    ] * 2
    await agree(lab, bridge)


async def test_a_call_is_taken_after_an_attended_transfer(
    lab: Lab, new_proxy: NewProxy, new_bridge: NewBridge
) -> None:
    """By *2 and a number: refused during the consultation, taken when 100 and 211 are together by a Local pair."""
    proxy = await new_proxy()
    bridge = await new_bridge(proxy.login)
    at_210 = await talk(lab)
    call = await shows(bridge, "0003*210", TALK, "55")
    await lab["210"].dtmf("*2")
    await lab.ami.wait_for(lambda event: event["Event"] == "MusicOnHoldStart")
    await lab["210"].dtmf("0003*211")
    await rings(lab, "211")
    await lab["211"].accept()
    await only(lab, {"100"}, {"210", "211"})
    consulting = await shows(bridge, "0003*210", views(await bridge.call("0003*210")), "555")
    assert consulting["id"] == call["id"]
    await agree(lab, bridge)
    proxy.clear()
    for at, target in (
        ("0003*210", "01"),
        ("0003*100", "00"),
        ("0003*211", view_of(consulting, "0003*211")["id"]),
    ):
        refused(await bridge.pick_up(at, call["id"], "0003*024", view=target))
    assert proxy.count() == proxy.count("Ping"), "Asterisk was asked for something"
    await lab["210"].hangup(at_210)
    await lab.ami.wait_for(lambda event: event["Event"] == "AttendedTransfer")
    await only(lab, {"100", "211"})
    target = view_of(consulting, "0003*211")["id"]
    transferred = await shows(bridge, "0003*100", {"00": "0003*100", target: "0003*211"}, "55")
    assert transferred["id"] == call["id"]
    await agree(lab, bridge)
    at_211 = lab["211"].live[0]
    picked_up = await take(lab, bridge, "0003*211", call["id"], view=target)
    assert views(picked_up) == {"00": "0003*100", target: "0003*024"}
    assert (await lab["211"].wait_closed(at_211)).cause == 16
    await only(lab, {"100", "024"})
    await agree(lab, bridge)

    async def pairs() -> bool:
        return not any(row.name.startswith("Local/") for row in await lab.strangers())

    await until(pairs, "the Local pair is gone")


async def _has_merged(bridge: Bridge) -> bool:
    """Whether only one call of two is left; AMI tells it of one leg after the other."""
    left = await bridge.calls("0003*211")
    return [len(call["phoneCallView"]) for call in left] == [2]


async def called_by_100(lab: Lab, bridge: Bridge, phone: SipUser) -> tuple[Dialog, Call]:
    """Let 100 talk with 103; 103's end of it, and the call."""
    await lab["100"].dial(phone.extension)
    first = await phone.wait_call()
    return first, await shows(bridge, "0003*100", {"00": "0003*100", "01": "0003*103"}, "55")


async def test_a_call_is_taken_after_a_transfer_by_the_phone_itself(lab: Lab, bridge: Bridge) -> None:
    """REFER with Replaces: two calls of 103's become the older one, whose id stays; 024 takes it at its new place."""
    async with SipUser(lab.asterisk) as phone:
        first, call = await called_by_100(lab, bridge, phone)
        lab["211"].on_ring("accept")
        second = await phone.call("0003*211")
        consultation = await shows(bridge, "0003*211", {"00": "0003*103", "01": "0003*211"}, "55")
        assert {each["id"] for each in await bridge.calls("0003*103")} == {call["id"], consultation["id"]}
        await agree(lab, bridge)

        await phone.refer(first, second)
        await only(lab, {"100", "211"})
        await until(lambda: _has_merged(bridge), "the two calls are one")
        target = view_of(await bridge.call("0003*211"), "0003*211")["id"]
        merged = await shows(bridge, "0003*211", {"00": "0003*100", target: "0003*211"}, "55")
        assert merged["id"] == call["id"]
        over = await bridge.get("@me", "0003*211", consultation["id"])
        assert over.json()["totalResults"] == 0
        await agree(lab, bridge)

    at_211 = lab["211"].live[0]
    picked_up = await take(lab, bridge, "0003*211", call["id"], view=target)
    assert views(picked_up) == {"00": "0003*100", target: "0003*024"}
    assert (await lab["211"].wait_closed(at_211)).cause == 16
    await only(lab, {"100", "024"})
    await agree(lab, bridge)


async def rings_211(lab: Lab, bridge: Bridge, phone: SipUser) -> tuple[Dialog, PhoneCall, Call]:
    """Let 103 have 211 rung in a second call; 103's end of that, 211's, and the call."""
    second = await phone.ring("0003*211")
    at_211 = await rings(lab, "211")
    return second, at_211, await shows(bridge, "0003*211", {"00": "0003*103", "01": "0003*211"}, "43")


async def test_a_ring_is_taken_for_who_was_transferred_to_it(lab: Lab, bridge: Bridge) -> None:
    """REFER with Replaces while 211 rings: it rings for 100 now, and 024 takes that; then both are of 100's call."""
    async with SipUser(lab.asterisk) as phone:
        first, call = await called_by_100(lab, bridge, phone)
        second, at_211, ring = await rings_211(lab, bridge, phone)
        await phone.refer(first, second)
        await shows(bridge, "0003*211", {"01": "0003*211"}, "3")

        lab["024"].on_ring("accept")
        answer = await asks(bridge, "0003*211", ring["id"], "0003*024", view="01", wait=20)
        lab["024"].on_ring("")
        assert (answer.status_code, answer.json()["id"]) == (200, call["id"])
        assert set(views(answer.json()).values()) == {"0003*100", "0003*024"}
    assert (await lab["211"].wait_closed(at_211)).elsewhere
    await only(lab, {"100", "024"})
    await agree(lab, bridge)


async def test_a_ring_that_is_transferred_meanwhile_is_taken(lab: Lab, bridge: Bridge) -> None:
    """024 rings for 211's ring when that becomes one for 100 (REFER with Replaces): it rings on, and has 100."""
    async with SipUser(lab.asterisk) as phone:
        first, _ = await called_by_100(lab, bridge, phone)
        second, at_211, ring = await rings_211(lab, bridge, phone)
        waiting = asyncio.create_task(asks(bridge, "0003*211", ring["id"], "0003*024", view="01", wait=20))
        at_024 = await rings(lab, "024")
        await phone.refer(first, second)

        async def transferred() -> bool:
            return not any(row.extension == "0003*103" for row in await lab.strangers())

        await until(transferred, "103 has let go of both calls")
        assert at_024.state == at_211.state == "ringing"
        await lab["024"].accept(at_024)
        answer = await waiting
        assert answer.status_code == 200, answer.text
    assert (await lab["211"].wait_closed(at_211)).elsewhere
    await only(lab, {"100", "024"})
    await agree(lab, bridge)


@pytest.mark.parametrize("by_second", [False, True], ids=["told in the talk", "told in the queue"])
async def test_who_was_transferred_into_a_queue_is_taken_there(
    lab: Lab, bridge: Bridge, *, by_second: bool
) -> None:
    """REFER with Replaces by a phone that waits in the queue itself: 100 waits there now, and 024 takes him."""
    async with SipUser(lab.asterisk) as phone:
        first, call = await called_by_100(lab, bridge, phone)
        second = await phone.call(NOBODY)
        await shows(bridge, NOBODY, {"00": "0003*103"}, "5")
        await phone.refer(*((second, first) if by_second else (first, second)))
        await shows(bridge, NOBODY, {"00": "0003*100"}, "5")
        await agree(lab, bridge)
    picked_up = await take(lab, bridge, NOBODY, call["id"], view="00")
    assert set(views(picked_up).values()) == {"0003*100", "0003*024"}
    await only(lab, {"100", "024"})
    await agree(lab, bridge)


async def test_the_ring_of_a_queue_is_taken_with_who_was_transferred_into_it(
    lab: Lab, bridge: Bridge
) -> None:
    """REFER with Replaces while the queue rings 210: with 100 the ring is taken, and 210 is told that it was answered elsewhere."""
    async with SipUser(lab.asterisk) as phone:
        first, call = await called_by_100(lab, bridge, phone)
        second = await phone.call(ONE_AGENT)
        at_210 = await rings(lab, "210")
        await bridge.seen("0003*210")
        await phone.refer(first, second)
        await shows(bridge, ONE_AGENT, {"00": "0003*100"}, "5")
    await take(lab, bridge, ONE_AGENT, call["id"], view="00")
    assert (await lab["210"].wait_closed(at_210)).elsewhere
    await only(lab, {"100", "024"})
    await agree(lab, bridge)
