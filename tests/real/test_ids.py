"""Ids, as they are seen on a real Asterisk: opaque, never twice in a call, and the same to every bridge."""

import hashlib
import re
from datetime import datetime

import pytest

from lab import Bridge, Lab, until
from lab.fixtures import NewBridge, NewLab, NewProxy
from lab.numbers import DIAL_G, NOBODY, PARK_ME
from lab.service import JANE, OWNER
from real.states import (
    RING,
    TALK,
    Call,
    agree,
    asks,
    only,
    picked_up_from,
    ring,
    rings,
    shows,
    take,
    talk,
    uniqueid,
    view_of,
    views,
)

pytestmark = [pytest.mark.anyio, pytest.mark.real]


def digest(unique_id: str) -> str:
    """The view id of a leg whose place in the sequence says nothing."""
    return f"{int(hashlib.sha256(unique_id.encode()).hexdigest(), 16) % 1_000_000:06d}"


async def click_to_call(lab: Lab, channel_id: str) -> None:
    """A machine rings 100 under an id of its own choice, and has it call 210."""
    lab["100"].on_ring("accept")
    originate = {"Action": "Originate", "Channel": "PJSIP/0003*100", "ChannelId": channel_id, "Async": "true"}
    caller = {"CallerID": "Click <0003*100>", "Context": "internal", "Exten": "0003*210", "Priority": "1"}
    await lab.ami.action({**originate, **caller})


async def test_a_call_is_named_after_its_linkedid(lab: Lab, bridge: Bridge) -> None:
    """Twenty hex digits of its SHA-256; the views count from it."""
    await ring(lab)
    linkedid = await uniqueid(lab, "100")
    call = await shows(bridge, "0003*210", RING, "43")
    assert call["id"] == hashlib.sha256(linkedid.encode()).hexdigest()[:20]


@pytest.mark.parametrize(
    ("channel_id", "called"),
    [
        ("click-42", "a digest"),
        ("1500000000.4000000000", "a digest"),
        ("4000000000.0", "its distance"),
    ],
    ids=["no number", "a later number", "a clock set back"],
)
async def test_legs_with_assigned_ids(lab: Lab, bridge: Bridge, channel_id: str, called: str) -> None:
    """Click-to-call gives the caller's leg any id: its view is 00 all the same, and no two views show one id."""
    await click_to_call(lab, channel_id)
    await rings(lab, "210")
    other = await uniqueid(lab, "210")
    expected = digest(other) if called == "a digest" else f"{int(other.rpartition('.')[2]):02d}"
    call = await shows(bridge, "0003*210", {"00": "0003*100", expected: "0003*210"})
    assert call["id"] == hashlib.sha256(channel_id.encode()).hexdigest()[:20]
    await agree(lab, bridge)
    picked_up = await take(lab, bridge, "0003*210", call["id"], view=expected)
    assert views(picked_up) == {"00": "0003*100", expected: "0003*024"}
    await only(lab, {"100", "024"})
    await agree(lab, bridge)


async def test_the_called_leg_has_the_assigned_id(lab: Lab, bridge: Bridge) -> None:
    """A foreign machine picks 210's ring up under an id of its own: its leg is a view with a digest."""
    await ring(lab)
    call = await shows(bridge, "0003*210", RING, "43")
    lab["101"].on_ring("accept")
    target = await uniqueid(lab, "210")
    originate = {
        "Action": "Originate",
        "Channel": "PJSIP/0003*101",
        "ChannelId": "foreign-7",
        "Async": "true",
    }
    await lab.ami.action({**originate, "Application": "PickupChan", "Data": target})
    await only(lab, {"100", "101"})
    taken = await shows(bridge, "0003*100", {"00": "0003*100", digest("foreign-7"): "0003*101"}, "55")
    assert taken["id"] == call["id"]
    await agree(lab, bridge)
    picked_up = await take(lab, bridge, "0003*101", call["id"], view=digest("foreign-7"))
    assert views(picked_up) == {"00": "0003*100", digest("foreign-7"): "0003*024"}
    await agree(lab, bridge)


async def test_merged_calls(lab: Lab, bridge: Bridge) -> None:
    """Who fetches a parked call joins it: one call ends, the other keeps its id, and has two legs of two origins."""
    await lab["100"].dial(PARK_ME)
    await lab.wait_waiting("100", "Park")
    call = await shows(bridge, "0003*100", {"00": "0003*100"}, "5")
    await lab["211"].dial("702")
    await only(lab, {"100", "211"})

    async def merged() -> Call | None:
        found = await bridge.seen("0003*211", "5")
        return found if found["id"] == call["id"] and len(found["phoneCallView"]) == 2 else None

    fetched = await until(merged, "both are in one call")
    assert fetched is not None
    target = view_of(fetched, "0003*211")["id"]
    await agree(lab, bridge)
    picked_up = await take(lab, bridge, "0003*211", call["id"], view=target)
    assert views(picked_up) == {"00": "0003*100", target: "0003*024"}
    await only(lab, {"100", "024"})
    await agree(lab, bridge)


async def test_an_id_that_others_begin_with(lab: Lab, bridge: Bridge) -> None:
    """Asterisk's Bridge() takes the first channel whose id begins so: 024 has whom it was sent for all the same."""
    callers = {"100": "click-7", "101": "click-70", "102": "click-71", "211": "click-72"}
    for phone, channel_id in callers.items():
        lab[phone].on_ring("accept")
        originate = {"Action": "Originate", "Channel": f"PJSIP/0003*{phone}", "ChannelId": channel_id}
        parks = {"Async": "true", "Context": "internal", "Exten": PARK_ME, "Priority": "1"}
        await lab.ami.action({**originate, **parks})
        await lab.wait_waiting(phone, "Park")
    call = await shows(bridge, "0003*100", {"00": "0003*100"}, "5")
    await take(lab, bridge, "0003*100", call["id"], view="00")
    await only(lab, {"100", "024"}, {"101", "102", "211"})


async def test_a_leg_that_was_picked_up_joins_another_call(lab: Lab, bridge: Bridge) -> None:
    """024 has taken a call and is sent to the slot where 100 is parked: there its ChannelId names another call."""
    await lab["100"].dial(PARK_ME)
    await lab.wait_waiting("100", "Park")
    parked = await shows(bridge, "0003*100", {"00": "0003*100"}, "5")
    await ring(lab, caller="101")
    call = await shows(bridge, "0003*101", {"00": "0003*101", "01": "0003*210"}, "43")
    await take(lab, bridge, "0003*210", call["id"])
    await lab["101"].transfer("702")
    await only(lab, {"100", "024"})
    joined = digest(f"uapi-{call['id']}-1")
    merged = await shows(bridge, "0003*100", {"00": "0003*100", joined: "0003*024"}, "55")
    assert merged["id"] == parked["id"]
    await agree(lab, bridge)
    picked_up = await take(lab, bridge, "0003*024", parked["id"], view=joined, to="025", token=JANE)
    assert views(picked_up) == {"00": "0003*100", joined: "0003*025"}
    await only(lab, {"100", "025"})
    await agree(lab, bridge)


async def test_the_first_leg_is_gone(lab: Lab, bridge: Bridge) -> None:
    """The caller's own leg was taken over, and then the other: both views keep the ids of those who began."""
    await talk(lab)
    call = await shows(bridge, "0003*210", TALK, "55")
    picked_up = await take(lab, bridge, "0003*100", call["id"], view="00")
    assert list(views(picked_up).items()) == [("00", "0003*024"), ("01", "0003*210")]
    await only(lab, {"024", "210"})
    picked_up = await take(lab, bridge, "0003*210", call["id"], view="01", to="025")
    assert picked_up["id"] == call["id"]
    assert views(picked_up) == {"00": "0003*024", "01": "0003*025"}
    await only(lab, {"024", "025"})
    await agree(lab, bridge)
    picked_up = await take(lab, bridge, "0003*210", call["id"], view="00", to="211", token=OWNER)
    assert views(picked_up) == {"00": "0003*211", "01": "0003*025"}
    await agree(lab, bridge)


async def test_a_target_that_lives_on_beside_its_successor(
    new_lab: NewLab, new_proxy: NewProxy, new_bridge: NewBridge
) -> None:
    """No word of the bridge reaches an Asterisk without EXPORT() when 024 answers: 100 goes on in his dialplan.

    He is no view beside 024. Once its word goes through he is let go.
    """
    lab = await new_lab(phones=("0003*100", "0003*210", "0003*024"))
    await lab.asterisk.cli("module unload func_export.so")
    proxy = await new_proxy(lab.asterisk.ami)
    bridge = await new_bridge(proxy.login)
    await talk(lab, DIAL_G)
    call = await shows(bridge, "0003*210", TALK, "55")
    await bridge.pick_up("0003*100", call["id"], "0003*024", view="00")
    at_024 = await rings(lab, "024")
    proxy.hold(to_asterisk=True)
    await lab["024"].accept(at_024)
    await only(lab, {"210", "024"})
    await lab.wait_waiting("100", "Playback")
    await shows(bridge, "0003*100", {"00": "0003*024", "01": "0003*210"}, "55")
    await agree(lab, bridge)
    proxy.release()
    await lab["100"].wait_closed()
    await shows(bridge, "0003*100", {"00": "0003*024", "01": "0003*210"}, "55")
    await lab.assert_company_untouched()


async def test_an_asterisk_whose_export_is_not_loaded(new_lab: NewLab, new_bridge: NewBridge) -> None:
    """By its version it has EXPORT(): its dialplan sees that the old leg was not told, and waits for the bridge's word."""
    lab = await new_lab(phones=("0003*100", "0003*210", "0003*024"))
    await lab.asterisk.cli("module unload func_export.so")
    bridge = await new_bridge(lab.asterisk.ami)
    await talk(lab, DIAL_G)
    (at_100,) = lab["100"].live
    call = await shows(bridge, "0003*210", TALK, "55")
    await take(lab, bridge, "0003*100", call["id"], view="00")
    await only(lab, {"210", "024"})
    assert (await lab["100"].wait_closed(at_100)).cause == 16
    played = [event for event in lab.ami.events if event.get("Application") == "Playback"]
    assert played == [], "100 went on in his dialplan"
    await lab.assert_company_untouched()


async def test_a_pbx_with_a_system_name(new_lab: NewLab, new_bridge: NewBridge) -> None:
    """Uniqueids that begin with it: the same ids and views, through a pickup and another."""
    lab = await new_lab(systemname="pbx-1", phones=("0003*100", "0003*210", "0003*024", "0003*025"))
    bridge = await new_bridge(lab.asterisk.ami)
    await ring(lab)
    linkedid = await uniqueid(lab, "100")
    assert re.fullmatch(r"pbx-1-\d+\.\d+", linkedid)
    call = await shows(bridge, "0003*210", RING, "43")
    assert call["id"] == hashlib.sha256(linkedid.encode()).hexdigest()[:20]
    made = int(linkedid.rpartition("-")[2].partition(".")[0])
    assert datetime.fromisoformat(call["published"]).timestamp() == made
    await agree(lab, bridge)
    await take(lab, bridge, "0003*210", call["id"])
    picked_up = await take(lab, bridge, "0003*210", call["id"], to="025", token=OWNER)
    assert views(picked_up) == {"00": "0003*100", "01": "0003*025"}
    await only(lab, {"100", "025"})
    await agree(lab, bridge)
    await lab.assert_company_untouched()


@pytest.mark.parametrize("state", ["talking", "held", "parked", "in a queue"])
async def test_a_bridge_started_while_a_pickup_rings(lab: Lab, bridge: Bridge, state: str) -> None:
    """It shows the same views, and the same pickup at the same view, as the bridge that was asked for it."""
    at, target = {"parked": ("0003*100", "00"), "in a queue": (NOBODY, "00")}.get(state, ("0003*210", "01"))
    if state in ("talking", "held"):
        await talk(lab)
        await shows(bridge, at, TALK, "55")
        if state == "held":
            await lab["210"].hold()
            await lab.ami.wait_for(lambda event: event["Event"] == "Hold")
    else:
        await lab["100"].dial(PARK_ME if state == "parked" else NOBODY)
        await lab.wait_waiting("100", "Park" if state == "parked" else "Queue")
        await shows(bridge, at, {"00": "0003*100"}, "5")
    call = await bridge.call(at)
    await asks(bridge, at, call["id"], "0003*024", view=target)
    await rings(lab, "024")
    told = {each["id"]: each.get("pickUp") for each in (await bridge.call(at))["phoneCallView"]}
    assert told[target] == picked_up_from(
        call["phoneCallView"][int(target)]["extension"], "0003*024", "ringing"
    )
    await agree(lab, bridge)
    await lab["024"].decline()
