"""The use case: one Originate, and the watch over what becomes of it; whatever else happens at the same time."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import structlog

from bridge import pickup
from bridge.ami import LinkDown, NoAnswer, Originate, Refused
from bridge.calls import Call, Leg, PickupStatus
from bridge.endpoints import Endpoints
from bridge.grammar import CallerId, CallId, Extension, Number, PickupId
from bridge.pickup import (
    Conflict,
    NotAllowed,
    PbxUnavailable,
    PickupError,
    PickupRequest,
    PickupResult,
    Pickups,
    SendCallToInvalid,
    SendCallToUnavailable,
    may_pick_up,
)
from calls.bridges import Bridge, Floor
from calls.checks import check
from calls.pbx import DOWN, UP

pytestmark = pytest.mark.anyio

FIRST = CallId.of("1795465922.0")
LEG = PickupId.of(FIRST, 1)
RINGING, CONNECTED = PickupStatus.RINGING, PickupStatus.CONNECTED


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds in earnest takes hundredths here."""
    monkeypatch.setattr(pickup, "BORN_WITHIN", 2.0)
    monkeypatch.setattr(pickup, "BURST", 0.01)


def ringing(bridges: int = 1, delay: Callable[[], int] = lambda: 0) -> Floor:
    """100 calls 210, which rings."""
    floor = Floor(bridges, delay)
    floor.story.dials("0003*100", "0003*210")
    return floor


def talking() -> Floor:
    floor = ringing()
    floor.story.answers("0003*210")
    return floor


def parked() -> Floor:
    floor = Floor()
    floor.story.parks_himself("0003*100")
    return floor


async def rung(floor: Floor) -> Bridge:
    """The floor's bridge, which has 024 rung for 210's call; everybody has heard of it."""
    (bridge,) = floor.bridges
    await bridge.picks_up()
    await floor.settles()
    return bridge


@asynccontextmanager
async def away(floor: Floor) -> AsyncIterator[None]:
    """The bridge's link is down, and it hears nothing of what happens; then a resync tells it."""
    (bridge,) = floor.bridges
    floor.bridges = []
    bridge.link(up=False)
    yield
    floor.bridges = [bridge]
    bridge.resyncs()
    await floor.settles()
    bridge.link(up=True)


async def until(ready: Callable[[], object]) -> None:
    """Wait for a fact, at most a second."""
    async with asyncio.timeout(1):
        while not ready():  # noqa: ASYNC110  # facts of many kinds
            await asyncio.sleep(0.001)


def told(result: PickupResult | BaseException) -> str:
    """An answer in a word or two."""
    if isinstance(result, PickupResult):
        return f"{result.status}{' again' if result.replayed else ''}"
    return type(result).__name__


async def all_of(*asking: Awaitable[PickupResult]) -> list[str]:
    return [told(result) for result in await asyncio.gather(*asking, return_exceptions=True)]


# ---------------------------------------------------------------------- what is asked of Asterisk


async def test_what_is_sent() -> None:
    """One Originate, with everything that the dialplan and a later bridge have to know; and nothing that is empty."""
    floor = ringing()
    (bridge,) = floor.bridges
    caller = CallerId("John Doe", Number("42420042"))
    result = await bridge.picks_up(caller_id=caller, ring=12.3456)
    assert (result.status, result.replayed) == (RINGING, False)
    assert result.call and [leg.view for leg in result.call.legs] == ["00", "01"]
    ((_, order),) = bridge.did()
    assert (order.endpoint, order.pickup, order.context) == ("PJSIP/0003*024", LEG, "uapi-pickup")
    assert (order.timeout_ms, order.caller) == (12346, caller)
    by = order.variables["UAPI_BY"]
    assert len(by) == 12
    assert order.variables == {
        "UAPI_VIEW": "01", "UAPI_FROM": "0003*210", "UAPI_TO": "0003*024", "UAPI_SOURCE": "1795465922.0",
        "UAPI_TARGET": "1795465922.1", "UAPI_LEG": "PJSIP/0003*210-00000002", "UAPI_MODE": "ringing",
        "UAPI_EXPORT": "1", "UAPI_BY": by,
        "UAPI_CALLER": "0003*100", "UAPI_DIALLED": "0003*210", "FORWARD_CONTEXT": "uapi-pickup",
    }  # fmt: skip
    assert next(iter(order.variables)) == "UAPI_VIEW", "the first that is sent is the last that is set"


async def test_what_is_sent_for_a_talk() -> None:
    """Who is with whom at this moment, and when they were answered, goes along."""
    floor = talking()
    (bridge,) = floor.bridges
    bridge.variables["BRIDGEPEER"] = "PJSIP/0003*210-00000002"
    await bridge.picks_up()
    variables = bridge.did()[0][1].variables
    assert (variables["UAPI_MODE"], variables["UAPI_PEER"]) == ("talking", "PJSIP/0003*210-00000002")
    assert float(variables["UAPI_ANSWERED"]) == pytest.approx(floor.story.chan("0003*210").up_since, abs=0.01)
    assert float(variables["UAPI_SINCE"]) == pytest.approx(floor.story.chan("0003*100").up_since, abs=0.01)


async def test_what_is_sent_for_a_queues_ring_and_its_waiting_caller() -> None:
    """That a queue rings is said; and with the waiting caller, which phone it rings."""
    floor = Floor()
    floor.story.queues("0003*100", "one", "0003*210")
    (bridge,) = floor.bridges
    await bridge.picks_up()
    floor.story.fails("0003*024", 17)
    await floor.settles()
    await bridge.picks_up("00")
    ring, wait = [action[1].variables for action in bridge.did()]
    asked = ("UAPI_MODE", "UAPI_QUEUE", "UAPI_RING")
    assert [ring.get(name) for name in asked] == ["ringing", "1", None]
    assert [wait.get(name) for name in asked] == ["waiting", None, "1795465922.1"]
    assert wait["UAPI_SOURCE"] == wait["UAPI_TARGET"] == "1795465922.0"


@pytest.mark.parametrize(
    ("own", "shown"),
    [
        ('"Ext 024" <0003*024>', "Ext 024 <0003*024>"),
        ("<0003*024>", "<0003*024>"),
        ('"J. \\"Jo\\" Doe" <+49 30>', "<0003*024>"),
        ('"Jo \\"J\\" Doe" <030>', "Jo J Doe <030>"),
        ('"a;b" <1>', "<0003*024>"),
        ("<unknown>", "<0003*024>"),
        ("", "<0003*024>"),
    ],
)
async def test_the_new_phones_own_caller_id(own: str, shown: str) -> None:
    """Its endpoint's, where that can be passed on, else its number: without any a phone would show Anonymous."""
    floor = ringing()
    (bridge,) = floor.bridges
    bridge.variables["PJSIP_ENDPOINT(0003*024,callerid)"] = own
    await bridge.picks_up()
    assert str(bridge.did()[0][1].caller) == shown


async def test_a_phone_of_chan_sip_is_asked_for_by_its_own_functions() -> None:
    """Whether it exists, as it may be in no list, and by its peer what it is called; then it is rung."""
    floor = ringing()
    (bridge,) = floor.bridges
    bridge.pickups = Pickups(
        bridge.picture, bridge, Endpoints.from_settings("SIP/{extension}"), "uapi-pickup"
    )
    bridge.variables |= {
        "DEVICE_STATE(SIP/0003*024)": "UNAVAILABLE",
        "SIPPEER(0003*024,callerid_name)": "Ext 024",
        "SIPPEER(0003*024,callerid_num)": "0003*024",
    }
    await bridge.picks_up()
    originate = bridge.did()[0][1]
    assert (originate.endpoint, str(originate.caller)) == ("SIP/0003*024", "Ext 024 <0003*024>")


async def test_a_phone_that_chan_sip_does_not_know_is_not_rung() -> None:
    """It would take the name for that of a host."""
    floor = ringing()
    (bridge,) = floor.bridges
    bridge.pickups = Pickups(
        bridge.picture, bridge, Endpoints.from_settings("SIP/{extension}"), "uapi-pickup"
    )
    bridge.variables["DEVICE_STATE(SIP/0003*024)"] = "INVALID"
    with pytest.raises(SendCallToInvalid, match="0003\\*024 is no phone that this PBX knows"):
        await bridge.picks_up()
    assert bridge.did() == []
    bridge.picture.devices["SIP/0003*024"] = "NOT_INUSE"
    await bridge.picks_up()
    assert len(bridge.did()) == 1


async def test_few_questions() -> None:
    """A pickup costs its Originate and two questions; nothing is asked for anything else that happens."""
    floor = ringing()
    (bridge,) = floor.bridges
    await bridge.picks_up()
    floor.story.takes("0003*024")
    await floor.settles()
    floor.story.holds("0003*100")
    floor.story.resyncs()
    floor.story.hangs_up("0003*100")
    await floor.settles()
    assert [action[0] for action in bridge.asked] == ["getvar", "originate", "status"]


@pytest.mark.parametrize(
    ("state", "view", "asked"),
    [
        ("ringing", "01", False),
        ("waiting in a queue", "00", False),
        ("ringing, seen by a resync alone", "01", True),
        ("talking", "01", True),
        ("parked", "00", True),
        ("ringing after a transfer", "02", True),
        ("ringing, as another's successor", "01", True),
        ("ringing, and the link was lost meanwhile", "01", True),
    ],
)
async def test_with_whom_the_source_is(state: str, view: str, *, asked: bool) -> None:
    """That is asked of Asterisk, unless the source has been with nobody since it was born."""
    floor = Floor()
    (bridge,), story = floor.bridges, floor.story
    if state.endswith("alone"):
        story.on_event = lambda _event, _at: None
    if state == "parked":
        story.parks_himself("0003*100")
    elif state.startswith("waiting"):
        story.queues("0003*100", "support")
    else:
        story.dials("0003*100", "0003*210")
    if state in ("talking", "ringing after a transfer"):
        story.answers("0003*210")
    if state.endswith("transfer"):
        story.transfers("0003*210", "0003*211")
    if state.endswith("alone"):
        story.on_event = floor._tell
        bridge.resyncs()
    if state.endswith("successor"):
        story.say("Rename", story.chan("0003*100").headers(), Newname="PJSIP/0003*100-00000009")
    if state.endswith("meanwhile"):
        bridge.link(up=False)
        bridge.link(up=True)
    await bridge.picks_up(view, caller_id=CallerId("", Number("1")))
    assert bridge.did("getvar") == (
        [("getvar", "BRIDGEPEER", bridge.did()[0][1].variables["UAPI_SOURCE"])] * asked
    )


async def test_asterisk_tells_the_old_leg_of_a_talk_where_to_go() -> None:
    """The dialplan is told where it can do that by itself: for whoever talks, or may have answered by then."""
    for floor, exports in ((talking(), True), (ringing(), True), (parked(), False)):
        (bridge,) = floor.bridges
        await bridge.picks_up("01" if exports else "00")
        assert (floor.rung[0].variables.get("UAPI_EXPORT") == "1") is exports

    floor = talking()
    (bridge,) = floor.bridges
    bridge.state = replace(bridge.state, asterisk="16.28.0")
    await bridge.picks_up()
    assert "UAPI_EXPORT" not in floor.rung[0].variables


# ---------------------------------------------------------------------- its outcome


async def test_connected() -> None:
    """Who waits is told when the new phone and the source are together, with the call as it is then."""
    floor = ringing()
    (bridge,) = floor.bridges
    waiting = asyncio.ensure_future(bridge.picks_up(wait=1))
    await until(lambda: floor.rung)
    floor.story.takes("0003*024")
    result = await waiting
    assert told(result) == "connected"
    assert result.call and [(leg.view, leg.number) for leg in result.call.legs][1] == ("01", "0003*024")
    assert bridge.outcomes == [CONNECTED]


async def test_connected_by_an_answer_that_is_ahead_of_the_events() -> None:
    """The leg's own row says already whose call it is in; who waits is told once the events say so of the caller, too."""
    floor = parked()
    (bridge,), story = floor.bridges, floor.story
    waiting = asyncio.ensure_future(bridge.picks_up("00", wait=1))
    await until(lambda: floor.rung)
    await floor.settles()
    told_late: list[tuple[Any, float]] = []
    story.on_event = lambda event, at: told_late.append((event, at))
    leg = story.takes("0003*024")
    bridge.pickups.on_event(story.status(leg, "Status/9"), story.now)
    for _ in range(20):
        await asyncio.sleep(0)
    for event, at in told_late:
        bridge.pickups.on_event(event, at)
    result = await waiting
    assert result.call
    assert [(one.number, one.waiting) for one in result.call.legs] == [
        ("0003*100", False),
        ("0003*024", False),
    ]


async def test_connected_in_the_call_of_who_was_transferred_to_the_ring() -> None:
    """That one is told, also while the end of the ring is yet to be heard, and with it that of the call it was."""
    floor = talking()
    (bridge,), story = floor.bridges, floor.story
    first, second = story.chan("0003*210"), story.dials("0003*210", "0003*211")
    story.transfers_early(first, second)
    story.hang_up = lambda *_: None  # type: ignore[method-assign]  # the ring's Hangup is late
    waiting = asyncio.ensure_future(bridge.picks_up(call=CallId.of(second.uniqueid), wait=1))
    await until(lambda: floor.rung)
    await floor.settles()
    story.takes("0003*024")
    result = await waiting
    assert result.call
    assert (result.call.id, [leg.number for leg in result.call.legs]) == (FIRST, ["0003*100", "0003*024"])


@pytest.mark.parametrize("when", ["Newchannel", "in the same burst"])
async def test_an_answer_before_the_reply_to_the_question(when: str) -> None:
    """A phone that answers at once is connected before it is known what for."""
    floor = ringing()
    (bridge,) = floor.bridges
    floor.when_rung["0003*024"] = lambda chan: floor.story.takes(chan.extension)
    if when == "Newchannel":
        bridge.slow["status"] = asyncio.Event()
        asyncio.get_running_loop().call_later(0.05, bridge.slow["status"].set)
    assert told(await bridge.picks_up(wait=1)) == "connected"


@pytest.mark.parametrize(
    ("cause", "error", "sentence"),
    [
        (17, SendCallToUnavailable, "0003*024 is busy or declined the call"),
        (21, SendCallToUnavailable, "0003*024 rejected the call"),
        (3, SendCallToUnavailable, "0003*024 could not be reached"),
        (26, Conflict, "the call went elsewhere before it was picked up"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_it_fails(cause: int, error: type[PickupError], sentence: str, at_once: bool) -> None:  # noqa: FBT001  # a parameter
    """Who waits is told why; also where it was over before anybody could ask what it was for."""
    floor = ringing()
    (bridge,) = floor.bridges
    if at_once:
        floor.when_rung["0003*024"] = lambda chan: floor.story.fails(chan.extension, cause)
    asking = asyncio.ensure_future(bridge.picks_up(wait=1))
    if not at_once:
        await until(lambda: bridge.picture.pickups and bridge.picture.pickups[LEG].order)
        floor.story.fails("0003*024", cause)
    with pytest.raises(error, match=re.escape(sentence)):
        await asking
    call = bridge.picture.call(FIRST)
    assert call and call.legs[1].pickup
    assert call.legs[1].pickup.send_call_to == "0003*024"
    assert bridge.outcomes == [call.legs[1].pickup.status]


@pytest.mark.parametrize("cause", [0, 19], ids=["302", "480"])
async def test_a_phone_that_says_no_without_a_ring(cause: int) -> None:
    """It is not there for anybody: neither has it rung in vain, nor is the call elsewhere."""
    floor = ringing()
    (bridge,), story = floor.bridges, floor.story
    story.state = lambda *_: None  # type: ignore[method-assign]
    floor.when_rung["0003*024"] = lambda chan: story.hang_up(chan, cause)
    with pytest.raises(SendCallToUnavailable, match="could not be reached"):
        await bridge.picks_up(wait=1)


async def test_nobody_answers() -> None:
    """There is no phone call to return, and the call is as it was."""
    floor = ringing()
    (bridge,) = floor.bridges
    waiting = asyncio.ensure_future(bridge.picks_up(wait=1))
    await until(lambda: floor.rung)
    floor.story.fails("0003*024", 19, reason="3")
    result = await waiting
    assert (told(result), result.call and len(result.call.legs)) == ("noAnswer", 2)


async def test_the_caller_leaves() -> None:
    """The ring is stopped with cause 16, by the channel's name; who waits is told that it was cancelled."""
    floor = ringing()
    (bridge,) = floor.bridges
    waiting = asyncio.ensure_future(bridge.picks_up(wait=1))
    await until(lambda: floor.rung)
    floor.story.hangs_up("0003*100", 127)
    result = await waiting
    assert (told(result), result.call) == ("cancelled", None)
    assert bridge.did()[1:] == [("hangup", floor.rung[0].name, 16)]


async def test_the_caller_leaves_a_moment_after_the_ring_that_he_made() -> None:
    """His own end is told last: as soon as it is, the other ring stops; it is not rung out for the whole burst."""
    floor = ringing()
    (bridge,) = floor.bridges
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pickup, "BURST", 30.0)
        await bridge.picks_up()
        await floor.settles()
        floor.story.ends(floor.story.chan("0003*210"), 127)
        await floor.settles()
        assert bridge.did("hangup") == []
        floor.story.hangs_up("0003*100", 127)
        await until(lambda: bridge.did("hangup"))
    assert bridge.did("hangup") == [("hangup", floor.rung[0].name, 16)]


async def test_a_wait_that_is_not_enough() -> None:
    """It still rings: accepted."""
    floor = ringing()
    assert told(await floor.bridges[0].picks_up(wait=0.05)) == "ringing"


async def test_one_line_tells_the_outcome() -> None:
    """With whom it was taken from and by whom, and how long that took; neither twice, nor for a ring under way."""
    floor = ringing()
    (bridge,) = floor.bridges
    with structlog.testing.capture_logs() as lines:
        await bridge.picks_up()
        await floor.settles()
        floor.story.takes("0003*024")
        await floor.settles()
        floor.story.hangs_up("0003*100")
        await floor.settles()
    (line,) = [line for line in lines if line["event"] == "pickup outcome"]
    took = line.pop("ms")
    assert 0 <= took < 1000
    assert line == {
        "event": "pickup outcome", "log_level": "info", "pickup": LEG, "call": FIRST, "view": "01",
        "taken_from": "0003*210", "send_call_to": "0003*024", "status": "connected",
    }  # fmt: skip


# ---------------------------------------------------------------------- what is done about a ring


async def fetched(floor: Floor) -> None:
    floor.story.fetches("0003*025")


async def answered_by_another(floor: Floor) -> None:
    floor.story.answers("0003*211")


async def test_somebody_else_fetches_a_parked_caller() -> None:
    """Then the ring stops at once, told that it was answered elsewhere, and who waits is told of a conflict."""
    floor = parked()
    (bridge,) = floor.bridges
    waiting = asyncio.ensure_future(bridge.picks_up("00", wait=1))
    await until(lambda: floor.rung)
    await floor.settles()
    floor.story.fetches("0003*025")
    with pytest.raises(Conflict):
        await waiting
    assert bridge.did()[1:] == [("hangup", floor.rung[0].name, 26)]


async def test_a_ring_is_stopped_once() -> None:
    """More is told of the call before Asterisk tells that the ring has ended: it is not told to stop again."""
    floor = Floor()
    story = floor.story
    story.dials("0003*100", "0003*210")
    (bridge,) = floor.bridges
    await bridge.picks_up()
    story.say("Hangup", story.chan("0003*100").headers(), Cause="16")
    floor.story.hang_up = lambda *_: None  # type: ignore[method-assign]  # its Hangup is late
    for _ in range(3):
        await floor.settles()
        story.connected(story.chan("0003*210"), "0003*100", "Ext 100")
        story.say("Hangup", story.chan("0003*100").headers(), Cause="16")
        story.caller_id(story.ringing("0003*024"), "0003*024", "Ext")
    await floor.settles()
    assert len(bridge.did("hangup")) == 1


async def transferred_while_picked_up() -> tuple[Floor, asyncio.Future[PickupResult]]:
    """210 talks with 100 and has 211 rung; 024 rings for that when 210 puts 100 in his own place. The pickup's answer, too."""
    floor = talking()
    (bridge,), story = floor.bridges, floor.story
    first, second = story.chan("0003*210"), story.dials("0003*210", "0003*211")
    waiting = asyncio.ensure_future(bridge.picks_up(call=CallId.of(second.uniqueid), wait=1))
    await until(lambda: floor.rung)
    await floor.settles()
    story.transfers_early(first, second)
    return floor, waiting


async def test_a_ring_that_is_transferred_meanwhile() -> None:
    """Who made it is gone, and it rings on for whom he has put in his place: so does the new phone, and has him."""
    floor, waiting = await transferred_while_picked_up()
    (bridge,), story = floor.bridges, floor.story
    await asyncio.sleep(2 * pickup.BURST)
    await floor.settles()
    assert bridge.did("hangup") == []
    story.takes("0003*024")
    result = await waiting
    assert (told(result), result.call and result.call.id) == ("connected", FIRST)


async def test_a_transferred_ring_that_is_answered_first() -> None:
    """Who made it is gone, but whom he has put in his place has not: he talks with the one who answered, and that is a conflict."""
    floor, waiting = await transferred_while_picked_up()
    (bridge,), story = floor.bridges, floor.story
    await floor.settles()
    story.answers("0003*211")
    with pytest.raises(Conflict):
        await waiting
    assert bridge.did("hangup") == [("hangup", floor.rung[0].name, 26)]


@pytest.mark.parametrize(("leaves", "found"), [(True, "cancelled again"), (False, "Conflict")])
async def test_a_target_that_is_told_that_somebody_else_has_answered(leaves: bool, found: str) -> None:  # noqa: FBT001
    """So Dial says with its option c when the caller leaves, too: only what comes next tells the two apart."""
    floor = ringing()
    bridge, story = await rung(floor), floor.story
    waiting = asyncio.ensure_future(bridge.picks_up(wait=1))
    await asyncio.sleep(0)
    story.hang_up(story.chan("0003*210"), 26)
    if leaves:
        story.hang_up(story.chan("0003*100"), 16)
    assert await all_of(waiting) == [found]
    assert bridge.did("hangup") == [("hangup", floor.rung[0].name, 16 if leaves else 26)]


async def test_who_waited_is_not_thrown_out_by_somebody_who_saw_him_wait() -> None:
    """Two send for the same view of one who waits, a second apart: the second does not take it for the caller's own end."""
    floor = parked()
    (bridge,), story = floor.bridges, floor.story
    await bridge.picks_up("00")
    await floor.settles()
    story.takes("0003*024")
    await floor.settles()
    story.passes(60)
    with pytest.raises(Conflict, match="has been picked up"):
        await bridge.picks_up("00", "0003*025")


@pytest.mark.parametrize("place", ["parked", "parked, told late", "queued"])
async def test_who_was_just_served_is_not_thrown_out(place: str) -> None:
    """A moment after he was fetched, or an agent answered; later on either end of a talk may be taken over."""
    floor = Floor() if place == "queued" else parked()
    (bridge,), story = floor.bridges, floor.story
    if place != "queued":
        story.fetches("0003*101", leaves_first=place == "parked, told late")
    else:
        story.queues("0003*100", "support", "0003*210")
        story.answers("0003*210")
    story.passes(1)
    with pytest.raises(Conflict, match="just been served"):
        await bridge.picks_up("00")
    assert bridge.did("originate") == []
    story.passes(pickup.SERVED)
    assert told(await bridge.picks_up("00")) == "ringing"


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "unheard"])
async def test_who_was_parked_is_fetched_while_asterisk_is_asked(heard: bool) -> None:  # noqa: FBT001
    """Nothing rings for one who is with somebody by then, whether that is heard of before the answer or told by it."""
    floor = parked()
    (bridge,), story = floor.bridges, floor.story
    bridge.slow["getvar"] = asyncio.Event()
    asking = asyncio.ensure_future(bridge.picks_up("00"))
    await asyncio.sleep(0.01)
    if heard:
        story.fetches("0003*101")
        await floor.settles()
    else:
        bridge.variables["BRIDGEPEER"] = "PJSIP/0003*101-00000002"
    bridge.slow["getvar"].set()
    with pytest.raises(Conflict):
        await asking
    assert bridge.did("originate") == []


async def test_one_phone_at_a_time_rings_for_one_who_waits() -> None:
    """Put into a queue's place by a transfer he is heard by what rings in another call: that is picked up, or he is."""
    floor = talking()
    (bridge,), story = floor.bridges, floor.story
    first, second = story.chan("0003*210"), story.queues("0003*210", "support", "0003*211")
    story.transfers_early(first, second, app="Queue")
    await bridge.picks_up("00", call=FIRST)
    await floor.settles()
    other = CallId.of(second.uniqueid)
    call = bridge.picture.call(other)
    assert call
    with pytest.raises(Conflict, match="another pickup"):
        await bridge.picks_up(call.legs[0].view, "0003*025", call=other)
    assert len(bridge.did("originate")) == 1


async def test_a_leg_that_learns_late_what_it_is_for() -> None:
    """A busy Asterisk announces a channel long before it sets its variables: it is asked until then."""
    floor = ringing()
    (bridge,) = floor.bridges
    rings = floor.rings

    def late(order: Originate) -> None:
        rings(order)
        leg = floor.rung[-1]
        leg.known = False

        def set_at_last() -> None:
            leg.known = True

        asyncio.get_running_loop().call_later(0.2, set_at_last)

    floor.rings = late  # type: ignore[method-assign]
    assert told(await bridge.picks_up()) == "ringing"


async def test_an_agent_who_has_answered() -> None:
    """The queue announces the caller to him: the ring stops, told that it was answered elsewhere, and nobody else may ring."""
    floor = Floor()
    (bridge,), story = floor.bridges, floor.story
    story.queues("0003*100", "support", "0003*210")
    waiting = asyncio.ensure_future(bridge.picks_up("00", wait=1))
    await until(lambda: floor.rung)
    await floor.settles()
    story.state(story.ringing("0003*210"), UP)
    with pytest.raises(Conflict):
        await waiting
    assert bridge.did("hangup") == [("hangup", floor.rung[0].name, 26)]
    with pytest.raises(Conflict, match="an agent of the queue has just answered"):
        await bridge.picks_up("00")


async def test_a_queues_round_that_ends_as_if_somebody_had_answered() -> None:
    """Its option C says so of each round: the caller waits there still, and the new phone rings on."""
    floor = Floor()
    (bridge,), story = floor.bridges, floor.story
    story.queues("0003*100", "support", "0003*210")
    await bridge.picks_up("01")
    await floor.settles()
    story.ends(story.ringing("0003*210"), 26)
    await floor.settles()
    assert bridge.did("hangup") == []


async def test_another_fork_answers() -> None:
    """The target went with 26: so does the ring."""
    floor = Floor()
    caller = floor.story.comes_in("0003*100", "0003*800")
    floor.story.forks(caller, "0003*210", "0003*211")
    bridge = await rung(floor)
    floor.story.answers("0003*211")
    await until(lambda: len(bridge.did()) == 2)
    assert bridge.did()[1] == ("hangup", floor.rung[0].name, 26)


async def test_the_target_declines_and_the_caller_goes_on() -> None:
    """After a moment in which the caller might be seen to leave, the ring stops with 16."""
    floor = ringing()
    bridge = await rung(floor)
    floor.story.declines("0003*210")
    await until(lambda: len(bridge.did()) == 2)
    assert bridge.did()[1] == ("hangup", floor.rung[0].name, 16)
    await until(lambda: bridge.outcomes)
    assert bridge.outcomes == [PickupStatus.CONFLICT]


async def test_the_target_answers() -> None:
    """The ring goes on; when the new phone answers, the old leg is told where to go before it is taken from."""
    floor = ringing()
    bridge = await rung(floor)
    floor.story.answers("0003*210")
    await asyncio.sleep(0.05)
    assert len(bridge.did()) == 1
    floor.story.state(floor.story.ringing("0003*024"), UP)
    await floor.settles()
    assert bridge.did()[1:] == [
        ("setvar", "1795465922.1", "CHANNEL(after_bridge_goto)", "uapi-pickup,gone,1")
    ]


async def test_a_phone_that_is_rung_for_the_waiting_caller_meanwhile() -> None:
    """The dialplan is told of each such ring, once, so that its phone is shown no missed call; and of no other."""
    floor = Floor(bridges=2)
    waiting = floor.story.queues("0003*100", "support", "0003*211")
    bridge, neighbour = floor.bridges
    await bridge.picks_up("00")
    await floor.settles()
    assert (bridge.did("setvar"), neighbour.did("setvar")) == ([], [])
    floor.story.stops_ringing("0003*211")
    floor.story.calls_agents(waiting, "0003*210", "0003*211")
    await floor.settles()
    rings = floor.story.ringing("0003*210").uniqueid
    assert (
        bridge.did("setvar")
        == neighbour.did("setvar")
        == [("setvar", floor.rung[0].uniqueid, "UAPI_RING", rings)]
    )
    floor.story.stops_ringing("0003*211")
    await floor.settles()
    assert len(bridge.did("setvar")) == 1


async def test_a_ring_that_could_not_be_told_of() -> None:
    """It is told again at the next thing that happens to it."""
    floor = Floor()
    waiting = floor.story.queues("0003*100", "support")
    (bridge,) = floor.bridges
    await bridge.picks_up("00")
    bridge.fails["setvar"] = NoAnswer("Asterisk has not answered")
    floor.story.calls_agents(waiting, "0003*210")
    agent = floor.story.ringing("0003*210")
    await floor.settles()
    del bridge.fails["setvar"]
    floor.story.caller_id(agent, "0003*210", "Ext 210")
    await floor.settles()
    told = ("setvar", floor.rung[0].uniqueid, "UAPI_RING", agent.uniqueid)
    assert bridge.did("setvar")[-1] == told
    floor.story.caller_id(agent, "0003*210", "Extension 210")
    before = len(bridge.did("setvar"))
    await floor.settles()
    assert len(bridge.did("setvar")) == before


async def test_released_before_it_is_dropped() -> None:
    """An old leg that outlives its end is hung up, a little later; one that has ended is not asked for again."""
    floor = talking()
    (bridge,) = floor.bridges
    story = floor.story
    await bridge.picks_up()
    await floor.settles()
    leg, source = story.ringing("0003*024"), story.chan("0003*100")
    story.state(leg, UP)
    await floor.settles()
    room = story.room()
    story.leave(source)
    story.enter(source, room)
    story.enter(leg, room)
    await until(lambda: len(bridge.did()) == 3)
    assert bridge.did()[1:] == [
        ("setvar", "1795465922.1", "CHANNEL(after_bridge_goto)", "uapi-pickup,gone,1"),
        ("hangup", "1795465922.1", 16),
    ]


async def test_an_old_leg_that_ends_by_itself() -> None:
    """Nothing is hung up."""
    floor = talking()
    bridge = await rung(floor)
    floor.story.takes("0003*024")
    await asyncio.sleep(0.05)
    assert bridge.did("hangup") == []


async def test_a_leg_that_is_up_is_left_to_its_dialplan() -> None:
    """It decides: the target's end may be told before the connection that it comes from."""
    floor = ringing()
    bridge = await rung(floor)
    floor.story.state(floor.story.ringing("0003*024"), UP)
    floor.story.hang_up(floor.story.chan("0003*210"), 26)
    floor.story.hang_up(floor.story.chan("0003*100"), 16)
    await asyncio.sleep(0.05)
    assert bridge.did("hangup") == []


async def test_a_leg_that_is_up_and_whose_caller_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the dialplan does not end it within seconds the bridge does: nobody is left with silence."""
    monkeypatch.setattr(pickup, "ALONE", 0.01)
    floor = ringing()
    bridge = await rung(floor)
    floor.story.state(floor.story.ringing("0003*024"), UP)
    floor.story.hang_up(floor.story.chan("0003*210"), 16)
    await asyncio.sleep(0.05)
    assert bridge.did("hangup") == []
    floor.story.hang_up(floor.story.chan("0003*100"), 16)
    await until(lambda: bridge.did("hangup"))
    assert bridge.did("hangup") == [("hangup", floor.rung[0].name, 16)]


async def test_a_leg_whose_dialplan_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it mostly does: nothing is asked for."""
    monkeypatch.setattr(pickup, "ALONE", 0.01)
    floor = ringing()
    bridge = await rung(floor)
    leg = floor.story.ringing("0003*024")
    floor.story.state(leg, UP)
    floor.story.hang_up(floor.story.chan("0003*100"), 16)
    floor.story.hang_up(leg, 16)
    await until(lambda: bridge.outcomes and not bridge.pickups._tasks)
    assert bridge.did("hangup") == []


async def test_courtesies_that_asterisk_refuses() -> None:
    """A channel that is gone by then, a link that does not answer: nobody is told, and nothing breaks."""
    for error in (Refused("No such channel"), NoAnswer("no answer"), LinkDown("gone")):
        floor = ringing()
        (bridge,) = floor.bridges
        bridge.fails["hangup"] = bridge.fails["setvar"] = error
        await bridge.picks_up()
        await floor.settles()
        floor.story.hangs_up("0003*100")
        await until(lambda bridge=bridge: len(bridge.did()) == 2)  # type: ignore[misc]  # bound now
        await until(lambda bridge=bridge: not bridge.pickups._tasks)  # type: ignore[misc]  # bound now
        assert [action[0] for action in bridge.did()] == ["originate", "hangup"]
        (leg,) = bridge.picture.pickups.values()
        assert not leg.stopping


async def test_a_bridge_that_starts_while_it_rings() -> None:
    """It goes on watching: a caller who leaves still stops the ring, and the same request is the same pickup."""
    floor = ringing()
    await floor.bridges[0].picks_up()
    await floor.settles()
    late = Bridge(floor)
    floor.bridges = [late]
    late.resyncs()
    await floor.settles()
    assert told(await late.picks_up()) == "ringing again"
    assert late.did() == []
    floor.story.hangs_up("0003*100")
    await until(lambda: late.outcomes)
    assert late.did() == [("hangup", floor.rung[0].name, 16)]


# ---------------------------------------------------------------------- the same again


async def test_the_same_while_it_rings() -> None:
    """It is the same pickup: no second Originate."""
    floor = ringing()
    (bridge,) = floor.bridges
    assert told(await bridge.picks_up()) == "ringing"
    assert told(await bridge.picks_up()) == "ringing again"
    assert len(bridge.did()) == 1


async def test_the_same_after_it_was_connected() -> None:
    """As long as that leg lives and nobody took it over; of a waiting party's view as well."""
    for floor, view in ((ringing(), "01"), (talking(), "01"), (talking(), "00"), (parked(), "00")):
        (bridge,) = floor.bridges
        await bridge.picks_up(view)
        floor.story.takes("0003*024")
        await floor.settles()
        assert told(await bridge.picks_up(view)) == "connected again"
        assert told(await bridge.picks_up(view, wait=1)) == "connected again"
        assert len(bridge.did("originate")) == 1


async def test_another_while_it_rings() -> None:
    """Another phone, or another view, meanwhile: a conflict."""
    floor = talking()
    (bridge,) = floor.bridges
    await bridge.picks_up()
    for view, to in (("01", "0003*025"), ("00", "0003*024")):
        with pytest.raises(Conflict, match="another pickup of this call is under way"):
            await bridge.picks_up(view, to)
    assert len(bridge.did()) == 1


async def test_another_after_it_was_connected() -> None:
    """A takeover of its own, with the next number; and then the first one is not the same any more."""
    floor = ringing()
    (bridge,) = floor.bridges
    await bridge.picks_up()
    floor.story.takes("0003*024")
    await floor.settles()
    assert told(await bridge.picks_up("01", "0003*025")) == "ringing"
    floor.story.takes("0003*025")
    await floor.settles()
    assert [action[1].pickup for action in bridge.did("originate")] == [LEG, PickupId.of(FIRST, 2)]
    assert told(await bridge.picks_up("01", "0003*025")) == "connected again"
    assert told(await bridge.picks_up("01", "0003*024")) == "ringing"
    assert bridge.did("originate")[-1][1].pickup == PickupId.of(FIRST, 3)


async def test_a_new_try_after_a_failure() -> None:
    """It is one: the phone rings again, under the same id, which is free."""
    floor = ringing()
    (bridge,) = floor.bridges
    for _ in range(3):
        assert told(await bridge.picks_up()) == "ringing"
        floor.story.fails("0003*024", 17)
        await floor.settles()
    assert [action[1].pickup for action in bridge.did("originate")] == [LEG] * 3
    assert bridge.outcomes == [PickupStatus.BUSY] * 3


async def test_a_connected_one_again_while_another_rings() -> None:
    """Two views of one call: the first one's answer is what it was, and the other's ring is its own."""
    floor = parked()
    (bridge,) = floor.bridges
    await bridge.picks_up("00")
    floor.story.takes("0003*024")
    await floor.settles()
    (other,) = (leg.view for leg in bridge.picture.calls()[0].legs if leg.number == "0003*024")
    assert told(await bridge.picks_up(other, "0003*026")) == "ringing"
    assert told(await bridge.picks_up("00")) == "connected again"
    await floor.settles()
    assert told(await bridge.picks_up("00")) == "connected again"
    with pytest.raises(Conflict, match="another pickup of this call is under way"):
        await bridge.picks_up("00", "0003*025")
    assert len(bridge.did("originate")) == 2


async def test_a_caller_who_is_parked_again_is_taken_again() -> None:
    """024 has taken him and parked him once more, and its old leg lives on for a moment: that is another pickup."""
    floor = parked()
    (bridge,) = floor.bridges
    await bridge.picks_up("00")
    floor.story.takes("0003*024")
    await floor.settles()
    caller = floor.story.chan("0003*100")
    floor.story.leave(caller)
    floor.story.park(caller, "PJSIP/0003*024")
    floor.story.enter(caller, floor.story.lot())
    await floor.settles()
    assert told(await bridge.picks_up("00", "0003*025")) == "ringing"
    floor.story.fails("0003*025", 17)
    await floor.settles()
    assert told(await bridge.picks_up("00")) == "ringing"
    assert len(bridge.did("originate")) == 3


async def test_only_what_is_parked_is_unparked() -> None:
    """Nor is whoever has been unparked thrown out of his call by a second one; the first one again is the same pickup."""
    floor = parked()
    (bridge,) = floor.bridges
    await bridge.picks_up("00", unpark=True)
    floor.story.takes("0003*024")
    await floor.settles()
    assert told(await bridge.picks_up("00", unpark=True)) == "connected again"
    with pytest.raises(Conflict, match="this view of the phone call is not parked"):
        await bridge.picks_up("00", "0003*025", unpark=True)
    assert len(bridge.did("originate")) == 1


async def test_who_may_not_is_told_again_of_a_connected_one_alone() -> None:
    """Once connected, the view is at a phone that its taker may have no rights over."""
    floor = ringing()
    (bridge,) = floor.bridges
    with pytest.raises(NotAllowed):
        await bridge.picks_up(allowed=False)
    await bridge.picks_up()
    with pytest.raises(NotAllowed):
        await bridge.picks_up(allowed=False)
    floor.story.takes("0003*024")
    await floor.settles()
    assert told(await bridge.picks_up(allowed=False)) == "connected again"
    with pytest.raises(NotAllowed):
        await bridge.picks_up(to="0003*025", allowed=False)
    assert len(bridge.did("originate")) == 1


async def test_what_is_asked_before_the_ring() -> None:
    """Whether it may be, of the leg as it is; then, where a phone is to ring indeed, what may end the request yet."""
    floor = ringing()
    (bridge,) = floor.bridges
    asked: list[str] = []

    def may(call: Call, leg: Leg) -> bool:
        asked.append(f"{leg.view} of {len(call.legs)}")
        return len(asked) > 1

    def before() -> None:
        asked.append("ring")
        if len(asked) < 4:
            raise NotAllowed("not now")

    with pytest.raises(NotAllowed, match="may not be picked up"):
        await bridge.picks_up(may=may, before_ring=before)
    with pytest.raises(NotAllowed, match="not now"):
        await bridge.picks_up(may=may, before_ring=before)
    assert bridge.did("originate") == []
    for _ in range(2):  # the second rings nothing
        await bridge.picks_up(may=may, before_ring=before)
    assert asked == ["01 of 2", "01 of 2", "ring", "01 of 2", "ring"]
    with pytest.raises(Conflict):
        await bridge.picks_up(to="0003*025", before_ring=before)
    assert (len(asked), len(bridge.did("originate"))) == (5, 1)


# ---------------------------------------------------------------------- many at once


async def test_a_storm_of_the_same() -> None:
    """Fifty at once, and fifty behind them: one phone rings once, and all hear the same."""
    floor = ringing()
    (bridge,) = floor.bridges
    answers = await all_of(*(bridge.picks_up() for _ in range(50)))
    answers += await all_of(*(bridge.picks_up() for _ in range(50)))
    assert sorted(answers) == ["ringing"] + ["ringing again"] * 99
    assert len(bridge.did()) == len(floor.rung) == 1
    assert not bridge.pickups._attempts and not bridge.pickups._by_action


async def test_a_storm_of_failures() -> None:
    """All hear of the failure, none has it rung again, and the next one is a new try."""
    floor = ringing()
    (bridge,) = floor.bridges
    floor.unregistered.add("0003*024")
    assert await all_of(*(bridge.picks_up() for _ in range(20))) == ["SendCallToUnavailable"] * 20
    assert len(bridge.did()) == 1
    floor.unregistered.clear()
    assert told(await bridge.picks_up()) == "ringing"


@pytest.mark.parametrize("seed", range(40))
async def test_a_storm_of_competitors_at_several_bridges(seed: int) -> None:
    """Whatever the order in which events and answers travel: one phone rings once, and nobody is told otherwise."""
    rng = random.Random(seed)
    floor = ringing(bridges=3, delay=lambda: rng.choice((0, 0, 1, 2, 5, 20)))
    phones = ("0003*024", "0003*025", "0003*026")
    for phone in phones:
        if rng.random() < 0.3:
            floor.when_rung[phone] = lambda chan: floor.story.takes(chan.extension)

    async def asks(bridge: Bridge) -> tuple[str, str]:
        for _ in range(rng.randrange(30)):
            await asyncio.sleep(0)
        phone = rng.choice(phones)
        try:
            return phone, told(await bridge.pickups.pick_up(PickupRequest(FIRST, "01", Extension(phone))))
        except PickupError as error:
            return phone, f"{type(error).__name__}: {error}"

    answers = await asyncio.gather(*(asks(rng.choice(floor.bridges)) for _ in range(30)))
    await floor.settles()
    assert len(floor.rung) == 1 or floor.rung[0].state == UP, [chan.name for chan in floor.rung]
    for n, chan in enumerate(floor.rung):
        told_so = [answer for phone, answer in answers if phone == chan.extension and "again" not in answer]
        assert n or told_so.count("ringing") + told_so.count("connected") <= 1
    rung = {chan.extension for chan in floor.rung}
    for phone, answer in answers:
        assert phone in rung or answer.startswith("Conflict"), (phone, answer)
        assert "sign" not in answer
    for bridge in floor.bridges:
        check(bridge.picture)
        assert not bridge.pickups._attempts


@pytest.mark.parametrize("seed", range(40))
async def test_both_views_of_a_talk_at_two_bridges(seed: int) -> None:
    """Both legs asked for at once: one lock for the call, so that one phone rings and nobody is left alone."""
    rng = random.Random(seed)
    floor = Floor(2, delay=lambda: rng.choice((0, 1, 3, 10)))
    floor.story.dials("0003*100", "0003*210")
    floor.story.answers("0003*210")
    one, two = floor.bridges
    answers = await all_of(one.picks_up("00", "0003*024"), two.picks_up("01", "0003*025"))
    await floor.settles()
    assert len(floor.rung) == 1
    assert sorted(answers) == ["Conflict", "ringing"]


# ---------------------------------------------------------------------- neighbours


async def test_another_bridge_asks_for_the_same() -> None:
    """Its leg is the one that both tell of."""
    floor = ringing(bridges=2)
    one, two = floor.bridges
    assert told(await one.picks_up()) == "ringing"
    await floor.settles()
    assert told(await two.picks_up()) == "ringing again"
    assert two.did() == []


async def test_another_bridge_was_faster_with_the_same() -> None:
    """Ours is refused, and its leg is there: a replay."""
    floor = ringing(bridges=2)
    one, two = floor.bridges
    assert sorted(await all_of(one.picks_up(), two.picks_up())) == ["ringing", "ringing again"]
    assert len(floor.rung) == 1


async def test_another_bridge_was_faster_with_something_else() -> None:
    """Ours is refused, and its leg is there: a conflict."""
    floor = ringing(bridges=2)
    one, two = floor.bridges
    answers = await all_of(one.picks_up(), two.picks_up(to="0003*025"))
    assert sorted(answers) == ["Conflict", "ringing"]


async def test_a_leg_of_a_neighbour_that_nobody_can_tell_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one rings of which it is not known what for, nothing else is rung for that call."""
    monkeypatch.setattr(pickup, "BORN_WITHIN", 0.05)
    floor = ringing()
    (bridge,) = floor.bridges
    leg = floor.story.new("PJSIP/0003*026", DOWN, uniqueid=LEG)
    await floor.settles()
    with pytest.raises(Conflict, match="another pickup of this call is under way"):
        await bridge.picks_up()
    assert bridge.did() == []
    floor.story.hang_up(leg, 17)
    await floor.settles()
    assert told(await bridge.picks_up()) == "ringing"


async def test_a_leg_of_a_neighbour_whose_next_try_begins_meanwhile() -> None:
    """Who waits to hear what a leg is for is not misled by its end and the birth of another with its id."""
    floor = ringing()
    (bridge,) = floor.bridges
    story = floor.story
    bridge.slow["status"] = asyncio.Event()
    story.picks_ringing("0003*026", "0003*210", by="neighbour", known=False)
    await floor.settles()
    asking = asyncio.ensure_future(bridge.picks_up())
    await floor.settles()
    story.fails("0003*026", 17)
    again = story.picks_ringing("0003*026", "0003*210", by="neighbour", known=False)
    again.known = True
    bridge.slow["status"].set()
    with pytest.raises(Conflict, match="another pickup of this call is under way"):
        await asking
    assert bridge.did() == []


async def test_whoever_asks_for_a_view_waits_until_it_is_known_whose_it_is() -> None:
    """Another bridge has rung 024, which has answered: before that leg's order is known no leg shows the view's id."""
    floor = ringing()
    (bridge,) = floor.bridges
    await bridge.pickups.know(FIRST)
    leg = floor.story.picks_ringing("0003*024", "0003*210", by="neighbour", known=False)
    floor.story.takes("0003*024")
    await floor.settles()
    (call,) = bridge.picture.calls()
    assert call.leg("01") is None
    asked = asyncio.ensure_future(bridge.pickups.know(FIRST))
    await asyncio.sleep(0.01)
    assert not asked.done()
    leg.known = True
    await until(asked.done)
    (call,) = bridge.picture.calls()
    assert call.leg("01") is not None
    assert told(await bridge.picks_up()) == "connected again"


@pytest.mark.parametrize(
    "late", [None, ("UAPI_VIEW",), ("UAPI_VIEW", "UAPI_FROM"), ("UAPI_VIEW", "UAPI_FROM", "UAPI_TO")]
)
async def test_an_order_that_comes_after_the_channel(late: tuple[str, ...] | None) -> None:
    """Asterisk announces a channel, and then sets its variables, the first one last: it is asked until it knows all."""
    floor = ringing()
    (bridge,) = floor.bridges
    story = floor.story

    def rings(order: Any) -> None:
        chan = story.make("PJSIP/0003*024-9", DOWN, uniqueid=order.pickup, number="0003*024")
        whole = dict(order.variables)
        chan.variables = {name: value for name, value in whole.items() if late and name not in late}
        story.announce(chan)
        asyncio.get_running_loop().call_later(0.02, lambda: setattr(chan, "variables", whole))

    floor.rings = rings  # type: ignore[method-assign]  # an Asterisk that is slower than usual
    assert told(await bridge.picks_up()) == "ringing"
    assert len(bridge.did("status")) > 1
    order = bridge.picture.pickups[LEG].order
    assert order and (order.view, order.taken_from) == ("01", "0003*210")


# ---------------------------------------------------------------------- nothing rings


async def test_a_phone_that_is_not_registered() -> None:
    """No channel ever appears; the view tells of it."""
    floor = ringing()
    (bridge,) = floor.bridges
    floor.unregistered.add("0003*024")
    for state, sentence in (
        ("UNAVAILABLE", "0003*024 is not registered"),
        ("BUSY", "0003*024 cannot be rung now (Asterisk says BUSY)"),
    ):
        bridge.picture.apply({"Event": "DeviceStateChange", "Device": "PJSIP/0003*024", "State": state}, 1.0)
        with pytest.raises(SendCallToUnavailable) as caught:
            await bridge.picks_up()
        assert str(caught.value) == sentence
    call = bridge.picture.call(FIRST)
    note = call.legs[1].pickup if call else None
    assert note and (note.taken_from, note.send_call_to, str(note.status)) == (
        "0003*210",
        "0003*024",
        "unreachable",
    )


async def test_a_refusal_that_is_ahead_of_its_own_channel() -> None:
    """The phone declined at once, and the OriginateResponse came before the channel: it is busy, not unreachable."""
    floor = ringing()
    (bridge,) = floor.bridges
    story = floor.story

    def declines(order: Any) -> None:
        chan = story.make("PJSIP/0003*024-9", DOWN, uniqueid=order.pickup, number="0003*024")
        story.say("Newchannel", chan.headers())
        story.hang_up(chan, 17)

    def rings(order: Any) -> None:
        story.say("OriginateResponse", ActionID=order.action_id, Response="Failure", Reason="0")
        asyncio.get_running_loop().call_later(0.02, declines, order)

    floor.rings = rings  # type: ignore[method-assign]  # an Asterisk that tells of them in another order
    with pytest.raises(SendCallToUnavailable, match="busy or declined"):
        await bridge.picks_up()


async def test_a_refusal_whose_end_a_resync_has_overtaken() -> None:
    """The phone declined at once, and a list of all channels is there before its Hangup: the view tells of it as well."""
    floor = ringing()
    (bridge,) = floor.bridges
    story = floor.story

    def rings(order: Any) -> None:
        chan = story.make("PJSIP/0003*024-9", DOWN, uniqueid=order.pickup, number="0003*024")
        story.announce(chan)
        del story.channels[chan.uniqueid]
        bridge.resyncs()
        story.channels[chan.uniqueid] = chan
        asyncio.get_running_loop().call_later(0.02, story.hang_up, chan, 21)

    bridge.fails["status"] = Refused("No such channel")
    floor.rings = rings  # type: ignore[method-assign]  # an Asterisk that tells of them in another order
    with pytest.raises(SendCallToUnavailable, match="rejected the call"):
        await bridge.picks_up(wait=1)
    call = bridge.picture.call(FIRST)
    note = call.legs[1].pickup if call else None
    assert note and (note.send_call_to, str(note.status)) == ("0003*024", "rejected")


async def test_no_sign_of_a_ring(monkeypatch: pytest.MonkeyPatch) -> None:
    """An Originate that was taken, and nothing came of it."""
    monkeypatch.setattr(pickup, "BORN_WITHIN", 0.05)
    floor = ringing()
    (bridge,) = floor.bridges
    floor.silent.add("0003*024")
    with pytest.raises(PbxUnavailable, match="Asterisk gave no sign of ringing 0003\\*024 within 5 s"):
        await bridge.picks_up()
    assert not bridge.pickups._attempts
    floor.silent.clear()
    assert told(await bridge.picks_up()) == "ringing"


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            Refused("Extension does not exist."),
            "context uapi-pickup is not loaded: #include .* then core reload",
        ),
        (Refused("Permission denied"), "Asterisk refused to ring 0003\\*024: .*Permission denied"),
        (NoAnswer("no answer in 5 s"), "no answer in 5 s"),
        (LinkDown("the connection was lost"), "the connection was lost"),
    ],
)
async def test_an_originate_that_is_not_taken(error: Exception, sentence: str) -> None:
    """The PBX is not available, and the sentence says what to look at."""
    floor = ringing()
    (bridge,) = floor.bridges
    bridge.fails["originate"] = cast("Any", error)
    with pytest.raises(PbxUnavailable, match=sentence):
        await bridge.picks_up()
    assert floor.rung == []


async def test_a_missing_context() -> None:
    """It is asked for again with each request, and nothing is sent before it is there."""
    floor = ringing()
    (bridge,) = floor.bridges
    bridge.variables["check_context"] = "missing"
    await bridge.check_context()
    with pytest.raises(PbxUnavailable, match="context uapi-pickup is not loaded"):
        await bridge.picks_up()
    assert bridge.did() == []
    bridge.fails["check_context"] = NoAnswer("no answer")
    with pytest.raises(PbxUnavailable, match="no answer"):
        await bridge.picks_up()
    bridge.fails.clear()
    del bridge.variables["check_context"]
    assert told(await bridge.picks_up()) == "ringing"


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (Refused("No such channel"), Conflict),
        (NoAnswer("no answer"), PbxUnavailable),
        (LinkDown("gone"), PbxUnavailable),
    ],
)
async def test_a_source_that_cannot_be_asked(error: Exception, raised: type[PickupError]) -> None:
    """A source that is gone by now is a call that is just ending."""
    floor = talking()
    (bridge,) = floor.bridges
    bridge.fails["getvar"] = cast("Any", error)
    with pytest.raises(raised):
        await bridge.picks_up()
    assert bridge.did() == []


async def test_what_cannot_be_picked_up() -> None:
    """The reason is the conflict's; nothing is sent, not even a question."""
    floor = ringing()
    (bridge,) = floor.bridges
    with pytest.raises(Conflict, match="pick up the ringing view"):
        await bridge.picks_up("00")
    request = bridge.request()
    for gone in (PickupRequest(CallId.of("x"), "01", Extension("0003*024")), bridge.request("07")):
        with pytest.raises(Conflict, match="the call is just ending"):
            await bridge.pickups.pick_up(gone)
    floor.story.hangs_up("0003*100")
    await floor.settles()
    with pytest.raises(Conflict, match="the call is just ending"):
        await bridge.pickups.pick_up(request)
    assert bridge.asked == []


async def test_a_phone_without_a_name() -> None:
    """An extension for which the configuration knows no endpoint is nowhere to send a call to."""
    floor = ringing()
    (bridge,) = floor.bridges
    bridge.pickups._endpoints = cast("Any", SimpleNamespace(endpoint=lambda _: None))
    with pytest.raises(SendCallToInvalid):
        await bridge.picks_up()
    assert bridge.asked == []


# ---------------------------------------------------------------------- the link, the client, the end


async def test_the_link_is_down() -> None:
    """Nothing is asked then."""
    floor = ringing()
    (bridge,) = floor.bridges
    request = bridge.request()
    bridge.link(up=False)
    with pytest.raises(PbxUnavailable, match="the connection to the PBX was lost"):
        await bridge.pickups.pick_up(request)
    assert bridge.asked == []


@pytest.mark.parametrize("stage", ["before the sign", "while it rings"])
async def test_the_link_is_lost(stage: str) -> None:
    """Who waits is told at once."""
    floor = ringing()
    (bridge,) = floor.bridges
    if stage == "before the sign":
        floor.silent.add("0003*024")
    waiting = asyncio.ensure_future(bridge.picks_up(wait=30))
    await until(bridge.did)
    await floor.settles()
    bridge.link(up=False)
    with pytest.raises(PbxUnavailable, match="the connection to the PBX was lost"):
        await asyncio.wait_for(waiting, 0.5)


async def test_the_link_is_lost_with_the_outcome_known() -> None:
    """What has become of it is told all the same."""
    floor = ringing()
    (bridge,) = floor.bridges
    waiting = asyncio.ensure_future(bridge.picks_up(wait=30))
    await until(lambda: floor.rung)
    await floor.settles()
    floor.story.takes("0003*024")
    for _ in range(50):
        bridge.arrives()
    bridge.link(up=False)
    assert told(await waiting) == "connected"


async def test_the_link_comes_back() -> None:
    """What a resync tells ends a wait, too."""
    floor = ringing()
    (bridge,) = floor.bridges
    waiting = asyncio.ensure_future(bridge.picks_up(wait=1))
    await until(lambda: floor.rung)
    await floor.settles()
    floor.bridges = []
    floor.story.takes("0003*024")
    floor.bridges = [bridge]
    bridge.resyncs()
    assert told(await waiting) == "connected"


async def test_a_leg_that_has_ended_unheard_is_not_the_next_one() -> None:
    """It rang when the link was lost, and was over by the next resync: the next try has its id, and is watched as any other."""
    floor = ringing()
    (bridge,) = floor.bridges
    await bridge.picks_up()
    await floor.settles()
    async with away(floor):
        floor.story.fails("0003*024", 19)

    assert told(await bridge.picks_up()) == "ringing"
    assert told(await bridge.picks_up()) == "ringing again"
    await floor.settles()
    floor.story.hangs_up("0003*100")
    await until(lambda: bridge.did("hangup"))
    assert bridge.did("originate")[-1][1].pickup == LEG


async def test_a_neighbours_leg_of_the_same_id_made_while_the_link_was_down() -> None:
    """024 rang for us, 026 rings for another bridge by now: our request meets that one, and its own is the same pickup."""
    floor = ringing()
    (bridge,) = floor.bridges
    await bridge.picks_up()
    await floor.settles()
    async with away(floor):
        floor.story.fails("0003*024", 19)
        floor.story.picks_ringing("0003*026", "0003*210", by="neighbour")

    with pytest.raises(Conflict, match="another pickup of this call is under way"):
        await bridge.picks_up()
    assert told(await bridge.picks_up(to="0003*026")) == "ringing again"
    (call,) = bridge.picture.calls()
    note = call.legs[1].pickup
    assert note and (note.send_call_to, note.status) == ("0003*026", RINGING)


async def test_the_link_is_lost_before_it_is_known_whose_ring_it_is() -> None:
    """Nobody can tell whether it is the same pickup: 503 at once, not a conflict after a while."""
    floor = ringing()
    (bridge,) = floor.bridges
    floor.story.picks_ringing("0003*026", "0003*210", by="neighbour", known=False)
    asked = asyncio.ensure_future(bridge.picks_up())
    await asyncio.sleep(0)
    bridge.link(up=False)
    async with asyncio.timeout(1):
        with pytest.raises(PbxUnavailable):
            await asked


async def test_a_phone_that_answers_as_the_caller_leaves() -> None:
    """Its dialplan ends it before Asterisk tells of the caller's own end: there is no phone call to return, and no conflict."""
    floor = ringing()
    (bridge,) = floor.bridges
    asked = asyncio.ensure_future(bridge.picks_up(wait=5))
    await until(lambda: floor.rung)
    await floor.settles()
    (leg,) = floor.rung
    story = floor.story
    story.state(leg, UP)
    story.hang_up(story.chan("0003*210"), 16)
    story.hang_up(leg, 0)
    story.hang_up(story.chan("0003*100"), 16)
    assert (await asked).status is PickupStatus.CANCELLED


async def test_a_client_that_goes_away() -> None:
    """It cancels nothing: the ring goes on, and others who wait for it hear of its end."""
    floor = ringing()
    (bridge,) = floor.bridges
    gone = asyncio.ensure_future(bridge.picks_up(wait=30))
    stays = asyncio.ensure_future(bridge.picks_up(wait=1))
    await asyncio.sleep(0)
    gone.cancel()
    await until(lambda: floor.rung)
    floor.story.takes("0003*024")
    assert told(await stays) == "connected again"
    assert bridge.did("hangup") == []
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert not bridge.pickups._waiters


async def test_a_client_that_goes_away_before_anything_is_sent() -> None:
    """What it asked for is done all the same, once."""
    floor = ringing()
    (bridge,) = floor.bridges
    bridge.slow["getvar"] = asyncio.Event()
    gone = asyncio.ensure_future(bridge.picks_up())
    await floor.settles()
    gone.cancel()
    bridge.slow["getvar"].set()
    await until(lambda: floor.rung)
    assert told(await bridge.picks_up()) == "ringing again"


async def test_the_bridge_stops() -> None:
    """New requests are refused; who waits is told how far it has come; the ring goes on."""
    floor = ringing()
    (bridge,) = floor.bridges
    waiting = [asyncio.ensure_future(bridge.picks_up(wait=30)) for _ in range(3)]
    await until(lambda: floor.rung)
    await floor.settles()
    bridge.pickups.drain(0.05)
    with pytest.raises(PbxUnavailable, match="the bridge is shutting down"):
        await bridge.picks_up()
    assert sorted(await all_of(*waiting)) == ["ringing", "ringing again", "ringing again"]
    assert bridge.did("hangup") == []


async def test_the_bridge_stops_and_the_outcome_comes_in_time() -> None:
    """It is told."""
    floor = ringing()
    (bridge,) = floor.bridges
    waiting = asyncio.ensure_future(bridge.picks_up(wait=30))
    await until(lambda: floor.rung)
    bridge.pickups.drain(1)
    floor.story.takes("0003*024")
    assert told(await waiting) == "connected"


async def test_events_come_without_anybody_asking() -> None:
    """Calls, other people's pickups and their ends: nothing is kept of them, nor is any outcome told twice."""
    floor = Floor(2)
    one, two = floor.bridges
    for _ in range(5):
        floor.story.dials("0003*100", "0003*210")
        await floor.settles()
        await one.picks_up()
        floor.story.takes("0003*024")
        await floor.settles()
        floor.story.hangs_up("0003*100")
        await floor.settles()
    for bridge in (one, two):
        assert bridge.outcomes == [CONNECTED] * 5
        pickups = bridge.pickups
        assert not any((pickups._attempts, pickups._by_action, pickups._waiters))


# ---------------------------------------------------------------------- who may


def test_who_may_pick_what_up() -> None:
    """One's own extensions' legs; any other only while it waits in a call found under one's own."""
    floor = Floor()
    floor.story.comes_in("+4930900100", "0003*900")
    floor.story.join(floor.story.channels["1795465922.0"], "support")
    floor.story.dials("0003*100", "0003*210")
    (bridge,) = floor.bridges
    queued, ring = sorted(bridge.picture.calls(), key=lambda call: call.legs[0].uniqueid)

    def may(mine: str, call: Any, view: str) -> bool:
        directory = SimpleNamespace(may_act_for=lambda _, extension: extension == mine)
        return may_pick_up(cast("Any", directory), cast("Any", None), call, call.leg(view))

    assert may("0003*210", ring, "01") and may("0003*100", ring, "00")
    assert not may("0003*100", ring, "01") and not may("0003*210", ring, "00")
    assert may("0003*900", queued, "00") and not may("0003*210", queued, "00")
