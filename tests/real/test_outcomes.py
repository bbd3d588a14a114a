"""What becomes of a pickup, and who is told: the phone that rang in vain, the client that waits, whoever asks later."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from lab import AmiProxy, Bridge, Lab, Message, until
from lab.fixtures import NewBridge, NewLab
from lab.numbers import DIAL_G, GROUP, NOBODY, ONE_AGENT, PARK_ME, PARKING, SUPPORT
from lab.pace import pace
from lab.service import JANE, JOHN, OWNER
from lab.sip import SipUser
from real.states import (
    RING,
    TALK,
    Call,
    asks,
    only,
    over,
    picked_up_from,
    refused,
    ring,
    rings,
    shows,
    take,
    talk,
    view,
    view_of,
)

pytestmark = [pytest.mark.anyio, pytest.mark.real]

STOPS_WITHIN = 0.2
"""Seconds in which a ring that can no longer succeed has to stop."""


# ------------------------------------------------------------------ a ring that can no longer succeed


@dataclass(frozen=True, slots=True)
class End:
    """How a pickup becomes pointless while 024 rings.

    Args:
        at: The extension under which the call is.
        view: Whose view was to be taken, by short number.
        number: What was dialled.
        talks: Whether 210 has answered before.
        happens: What happens then.
        sign: The event by which Asterisk tells it.
        cause: What 024 is told.
        status: The answer for whoever waits.
        left: Who is together with whom then.
    """

    happens: Callable[[Lab], Awaitable[object]]
    sign: Callable[[Message], bool]
    cause: int
    status: int
    at: str = "0003*210"
    view: str = "210"
    number: str = "0003*210"
    talks: bool = False
    left: tuple[frozenset[str], ...] = ()


def hangup_of(phone: str) -> Callable[[Message], bool]:
    return lambda event: event["Event"] == "Hangup" and f"0003*{phone}-" in event["Channel"]


def enters(phone: str) -> Callable[[Message], bool]:
    return lambda event: event["Event"] == "BridgeEnter" and f"0003*{phone}-" in event["Channel"]


async def pick_up_by_hand(lab: Lab) -> None:
    """101 takes 210's ring by Asterisk's own means."""
    target = next(row for row in await lab.strangers() if row.extension == "0003*210")
    lab["101"].on_ring("accept")
    originate = {"Action": "Originate", "Channel": "PJSIP/0003*101", "Async": "true"}
    await lab.ami.action({**originate, "Application": "PickupChan", "Data": target.uniqueid})


ENDS = {
    "ringing: the caller leaves": End(lambda lab: lab["100"].hangup(), hangup_of("100"), 16, 204),
    "ringing: the target declines": End(lambda lab: lab["210"].decline(), hangup_of("210"), 16, 409),
    "ringing: another fork answers": End(
        lambda lab: lab["211"].accept(),
        enters("211"),
        26,
        409,
        number=GROUP,
        left=(frozenset({"100", "211"}),),
    ),
    "ringing: somebody picks up by hand": End(
        pick_up_by_hand, lambda event: event["Event"] == "Pickup", 26, 409, left=(frozenset({"100", "101"}),)
    ),
    "ringing for a queue: the other agent answers": End(
        lambda lab: lab["211"].accept(),
        enters("211"),
        26,
        409,
        number=SUPPORT,
        left=(frozenset({"100", "211"}),),
    ),
    "talking: the source hangs up": End(
        lambda lab: lab["100"].hangup(), hangup_of("100"), 16, 204, talks=True
    ),
    "talking: the target hangs up": End(
        lambda lab: lab["210"].hangup(), hangup_of("210"), 16, 204, talks=True
    ),
    "talking: the target transfers the source": End(
        lambda lab: lab["210"].transfer("0003*211"), hangup_of("210"), 16, 409, talks=True
    ),
    "talking: the target parks the source": End(
        lambda lab: lab["210"].transfer(PARKING),
        lambda event: event["Event"] == "ParkedCall",
        16,
        409,
        talks=True,
        left=(frozenset({"100"}),),
    ),
    "parked: the caller leaves": End(
        lambda lab: lab["100"].hangup(), hangup_of("100"), 16, 204, at="0003*100", view="100", number=PARK_ME
    ),
    "parked: somebody dials the slot": End(
        lambda lab: lab["101"].dial("702"),
        enters("101"),
        26,
        409,
        at="0003*100",
        view="100",
        number=PARK_ME,
        left=(frozenset({"100", "101"}),),
    ),
    "in a queue: the caller leaves": End(
        lambda lab: lab["100"].hangup(), hangup_of("100"), 16, 204, at=NOBODY, view="100", number=NOBODY
    ),
    "in a queue: the agent answers": End(
        lambda lab: lab["210"].accept(),
        enters("210"),
        26,
        409,
        at=ONE_AGENT,
        view="100",
        number=ONE_AGENT,
        left=(frozenset({"100", "210"}),),
    ),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
async def test_a_ring_that_can_no_longer_succeed_stops(lab: Lab, bridge: Bridge, end: End) -> None:
    """024 falls silent within 0.2 s, told why; whoever waits is answered; nobody is left alone."""
    machine = pace()
    await lab["100"].dial(end.number)
    for phone in {GROUP: ("210", "211"), SUPPORT: ("210", "211"), PARK_ME: (), NOBODY: ()}.get(
        end.number, ("210",)
    ):
        await rings(lab, phone)
    if end.talks:
        await lab["210"].accept()
        await only(lab, {"100", "210"})
    call = await settled(bridge, end.at, f"0003*{end.view}", "5" if end.talks or end.view == "100" else "3")
    target = view_of(call, f"0003*{end.view}")["id"]
    waiting = asyncio.create_task(asks(bridge, end.at, call["id"], "0003*024", view=target, wait=10))
    at_024 = await rings(lab, "024")

    since = len(lab.ami.events)
    happens = asyncio.ensure_future(end.happens(lab))
    sign = await lab.ami.wait_for(end.sign, since=since)
    stopped = await lab["024"].wait_closed(at_024)
    assert machine.worth(float(sign["_at"]), stopped.closed) < STOPS_WITHIN
    assert (stopped.cause, stopped.elsewhere) == (end.cause, end.cause == 26)
    answer = await waiting
    assert answer.headers["preference-applied"] == "wait=10"
    if end.status == 204:
        assert (answer.status_code, answer.content) == (204, b"")
    else:
        refused(answer)
    await only(lab, *map(set, end.left))
    await happens


async def settled(bridge: Bridge, at: str, extension: str, status: str) -> Call:
    """Wait until an extension's view has a status; return the call."""

    async def so() -> Call | None:
        call = await bridge.call(at)
        found = [each for each in call["phoneCallView"] if each.get("extension") == extension]
        return call if found and found[0]["status"] == status else None

    call = await until(so, f"{extension} has status {status}", timeout=20)
    assert call is not None
    return call


async def test_an_answer_at_the_target_cancels_nothing(lab: Lab, bridge: Bridge) -> None:
    """210 answers while 024 rings: that is no end, the call is taken over from 210 when 024 answers."""
    at_210 = await ring(lab)
    call = await shows(bridge, "0003*210", RING, "43")
    await bridge.pick_up("0003*210", call["id"], "0003*024")
    at_024 = await rings(lab, "024")
    await lab["210"].accept(at_210)
    await only(lab, {"100", "210"})
    ringing = await shows(bridge, "0003*210", TALK, "55")
    assert view(ringing, "01")["pickUp"] == picked_up_from("0003*210", "0003*024", "ringing")
    await lab["024"].accept(at_024)
    await only(lab, {"100", "024"})
    assert (await lab["210"].wait_closed(at_210)).cause == 16
    await shows(bridge, "0003*210", {"00": "0003*100", "01": "0003*024"}, "55")


# ------------------------------------------------------------------ what the client is told


class HoldsAfterOriginate(AmiProxy):
    """Passes on that an Originate was queued, and then nothing of what Asterisk says."""

    async def _relay(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, gate: Any) -> None:
        if gate is self._up:
            await super()._relay(source, sink, gate)
            return
        sink.write(await source.readline())  # the banner
        while True:
            block = await source.readuntil(b"\r\n\r\n")
            await gate.open.wait()
            sink.write(block)
            if b"Originate successfully queued" in block:
                self.hold(from_asterisk=True)


async def test_the_202_waits_for_the_new_phones_channel(lab: Lab, new_bridge: NewBridge) -> None:
    """As long as the bridge has not seen the channel of 024 there is no answer, even though 024 rings."""
    async with HoldsAfterOriginate(lab.asterisk.ami) as proxy:
        bridge = await new_bridge(proxy.login)
        await ring(lab)
        call = await shows(bridge, "0003*210", RING, "43")
        asking = asyncio.create_task(bridge.pick_up("0003*210", call["id"], "0003*024", caller_id="J <42>"))
        at_024 = await rings(lab, "024")
        assert (await bridge.call("0003*210"))["id"] == call["id"]  # it is there, and answers others
        assert not asking.done()
        proxy.release()
        assert (await asking).status_code == 202
        await lab["024"].accept(at_024)
        await only(lab, {"100", "024"})


class NeverAsks(AmiProxy):
    """Passes an Originate on, and nothing that the bridge says after it."""

    def _note(self, text: bytes) -> bytes:
        rest = super()._note(text)
        if self.count("Originate"):
            self.hold(to_asterisk=True)
        return rest


async def test_a_pickup_that_was_over_before_it_was_known(new_lab: NewLab, new_bridge: NewBridge) -> None:
    """211 answers, and 024 in vain, before the bridge could ask what 024 rings for: somebody has the call, 409."""
    lab = await new_lab(phones=("0003*100", "0003*210", "0003*211", "0003*024"))
    async with NeverAsks(lab.asterisk.ami) as proxy:
        bridge = await new_bridge(proxy.login)
        await ring(lab, GROUP)
        at_211 = await rings(lab, "211")
        call = await shows(bridge, "0003*210", RING | {"02": "0003*211"}, "433")
        asking = asyncio.create_task(
            bridge.pick_up("0003*210", call["id"], "0003*024", wait=20, caller_id="J <42>")
        )
        at_024 = await rings(lab, "024")
        await lab["211"].accept(at_211)
        await only(lab, {"100", "211"})
        await lab["024"].accept(at_024)
        await lab["024"].wait_closed(at_024)
        refused(await asking)
        await only(lab, {"100", "211"})
        await lab.assert_company_untouched()
        proxy.release()


async def test_a_client_that_goes_away_cancels_nothing(lab: Lab, bridge: Bridge) -> None:
    """It drops its connection while it waits: 024 rings on, has the call, and the same request joins it later."""
    await ring(lab)
    call = await shows(bridge, "0003*210", RING, "43")
    _, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
    body = json.dumps({"action": "PickUp", "sendCallTo": "0003*024", "phoneCallViewId": "01"})
    request = (
        f"PUT /uapi/phoneCalls/@me/0003*210/{call['id']} HTTP/1.1\r\nHost: 127.0.0.1:{bridge.port}\r\n"
        f"Authorization: Bearer {JOHN}\r\nContent-Type: application/json\r\nPrefer: wait=30\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    writer.write(request.encode())
    at_024 = await rings(lab, "024")
    writer.transport.abort()
    await shows(bridge, "0003*210", RING, "43")
    again = await bridge.pick_up("0003*210", call["id"], "0003*024", wait=0)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert at_024.state == "ringing"
    await lab["024"].accept(at_024)
    await only(lab, {"100", "024"})
    later = await bridge.pick_up("0003*210", call["id"], "0003*024", wait=20)
    assert (later.status_code, later.headers["idempotent-replayed"]) == (200, "true")
    assert len(lab["024"].rings) == 1


# ------------------------------------------------------------------ the same again


async def test_the_same_again_is_the_same_pickup(lab: Lab, bridge: Bridge) -> None:
    """While it rings, while it is connected, and no longer once somebody else has taken it over."""
    await talk(lab)
    call = await shows(bridge, "0003*210", TALK, "55")
    both = [
        asyncio.create_task(bridge.pick_up("0003*210", call["id"], "0003*024", wait=10)) for _ in range(2)
    ]
    at_024 = await rings(lab, "024")
    await lab["024"].accept(at_024)
    answers = [await each for each in both]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert [answer.headers["preference-applied"] for answer in answers] == ["wait=10"] * 2
    assert sorted(answer.headers.get("idempotent-replayed", "") for answer in answers) == ["", "true"]
    later = await bridge.pick_up("0003*210", call["id"], "0003*024")
    assert (later.status_code, later.headers["idempotent-replayed"]) == (202, "true")
    assert len(lab["024"].rings) == 1

    await take(lab, bridge, "0003*024", call["id"], to="025", token=JANE)
    await lab["024"].wait_closed(at_024)
    await only(lab, {"100", "025"})
    anew = await bridge.pick_up("0003*210", call["id"], "0003*024", token=OWNER)
    assert (anew.status_code, "idempotent-replayed" in anew.headers) == (202, False)
    await lab["024"].accept(await rings(lab, "024"))
    await only(lab, {"100", "024"})


async def test_the_same_again_of_a_waiting_caller(lab: Lab, bridge: Bridge) -> None:
    """His view is still there after he was taken: the same request is told so, and another does not throw him out."""
    await lab["100"].dial(PARK_ME)
    await lab.wait_waiting("100", "Park")
    call = await shows(bridge, "0003*100", {"00": "0003*100"}, "5")
    await take(lab, bridge, "0003*100", call["id"], view="00")
    again = await bridge.pick_up("0003*100", call["id"], "0003*024", view="00", wait=20)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert len(lab["024"].rings) == 1
    await only(lab, {"100", "024"})
    refused(await bridge.pick_up("0003*100", call["id"], "0003*211", view="00"))
    await only(lab, {"100", "024"})
    assert lab["211"].rings == []


# ------------------------------------------------------------------ what the view tells later


async def tells(bridge: Bridge, at: str, view_id: str, told: dict[str, str]) -> None:
    """Wait until a view tells this of its pickup, and see that no other view does."""

    async def so() -> bool:
        call = await bridge.call(at)
        return {each["id"]: each.get("pickUp") for each in call["phoneCallView"] if "pickUp" in each} == {
            view_id: told
        }

    try:
        await until(so, f"view {view_id} tells {told}", timeout=20)
    except TimeoutError as late:
        raise AssertionError(f"{late}: {await bridge.calls(at)}") from None


async def test_the_view_tells_how_its_pickup_ended(lab: Lab, bridge: Bridge) -> None:
    """Try after try, each as it went, for as long as the call lives."""
    await talk(lab)
    call = await shows(bridge, "0003*210", TALK, "55")

    unanswered = await bridge.pick_up("0003*210", call["id"], "0003*024", ring=0.3, wait=20)
    assert unanswered.status_code == 204
    await tells(bridge, "0003*210", "01", picked_up_from("0003*210", "0003*024", "noAnswer"))
    lab["024"].on_ring("decline")
    refused(await bridge.pick_up("0003*210", call["id"], "0003*024", wait=20), "pc_sendcallto_unavailable")
    await tells(bridge, "0003*210", "01", picked_up_from("0003*210", "0003*024", "busy"))
    async with SipUser(lab.asterisk) as phone:
        for refusal, status in (
            ("603 Decline", "rejected"),
            ("404 Not Found", "unreachable"),
            ("480 Temporarily Unavailable", "unreachable"),  # a phone that is not to be disturbed
        ):
            phone.refusal = refusal
            answer = await bridge.pick_up("0003*210", call["id"], phone.extension, wait=20)
            refused(answer, "pc_sendcallto_unavailable")
            await tells(bridge, "0003*210", "01", picked_up_from("0003*210", "0003*103", status))
    refused(await bridge.pick_up("0003*210", call["id"], "0003*103"), "pc_sendcallto_unavailable")
    await tells(bridge, "0003*210", "01", picked_up_from("0003*210", "0003*103", "unreachable"))
    await only(lab, {"100", "210"})
    await take(lab, bridge, "0003*210", call["id"], to="025")
    await tells(bridge, "0003*210", "01", picked_up_from("0003*210", "0003*025"))
    await lab["100"].hangup()
    await over(lab)

    async def unlisted() -> bool:
        return await bridge.calls("0003*210") == []

    await until(unlisted, "the call is listed no more")


async def test_a_phone_that_forwards_is_no_way_to_another(lab: Lab, bridge: Bridge) -> None:
    """It answers 302 and names 025: 409, and 025 does not ring for a pickup that is over, however often it is tried."""
    await ring(lab)
    call = await shows(bridge, "0003*210", RING, "43")
    async with SipUser(lab.asterisk) as phone:
        phone.refusal, phone.forward = "302 Moved Temporarily", "0003*025"
        for _ in range(2):
            answer = await bridge.pick_up("0003*210", call["id"], phone.extension, wait=20)
            refused(answer, "pc_sendcallto_unavailable")

    async def alone() -> bool:
        return {row.extension for row in await lab.strangers()} == {"0003*100", "0003*210"}

    await until(alone, "only the call is left")
    assert lab["025"].rings == []
    await take(lab, bridge, "0003*210", call["id"])
    await only(lab, {"100", "024"})


async def test_the_view_tells_that_a_pickup_was_stopped(lab: Lab, bridge: Bridge) -> None:
    """Parked, and fetched at his slot while 024 rings: conflict; the source gone while the target lives on: cancelled."""
    await lab["100"].dial(PARK_ME)
    await lab.wait_waiting("100", "Park")
    call = await shows(bridge, "0003*100", {"00": "0003*100"}, "5")
    await asks(bridge, "0003*100", call["id"], "0003*024", view="00")
    at_024 = await rings(lab, "024")
    await lab["101"].dial("702")
    assert (await lab["024"].wait_closed(at_024)).elsewhere
    await settled(bridge, "0003*100", "0003*101", "5")
    await tells(bridge, "0003*100", "00", picked_up_from("0003*100", "0003*024", "conflict"))
    await lab["101"].hangup()
    await lab["100"].wait_closed()

    await talk(lab, DIAL_G, caller="102")
    call = await shows(bridge, "0003*102", {"00": "0003*102", "01": "0003*210"}, "55")
    await bridge.pick_up("0003*102", call["id"], "0003*024", view="00")
    at_024 = await rings(lab, "024")
    await lab["210"].hangup()
    assert not (await lab["024"].wait_closed(at_024)).elsewhere
    await shows(bridge, "0003*102", {"00": "0003*102"}, "5")
    await tells(bridge, "0003*102", "00", picked_up_from("0003*102", "0003*024", "cancelled"))
