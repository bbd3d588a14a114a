"""A caller's number may hold line ends: what he makes of the rows of a list changes nobody's call but his own.

In a row his number stands before some of what counts and behind other, and the ActionID, which nobody else knows, at the
very end: it ends whatever he has made of the rest. Orders of headers are those of Asterisk 16.28 and 22.10.1.
"""

from collections.abc import Callable, Mapping

import pytest

from ami.fake import FakeAsterisk, Heard, event, rows
from ami.linked import linked
from bridge.calls import Call, Headers, Picture
from bridge.calls.whole import LONGEST_TEXT
from bridge.endpoints import Endpoints
from bridge.grammar import Extension

pytestmark = pytest.mark.anyio

ONE, OTHER = "1795473806.1", "1795473806.2"
"""Two who talk."""
CALLER, CALLED = "1795473900.9", "1795473900.10"
"""One from outside, and the phone that rings for him; or he waits."""

NUMBERS = {
    "plain": "7",
    "a list's end": "7\r\n\r\nEvent: StatusComplete",
    "a list's end, and a beginning of an id": "7\r\n\r\nEvent: StatusComplete\r\nActionID: resync-",
    "an error": "7\r\n\r\nResponse: Error",
    "an error with a name": "7\r\n\r\nResponse: Error\r\nEvent: Status",
    "an answer with an event in small letters": "7\r\n\r\nResponse: a\r\nevent: Shutdown",
    "a PBX's end": "7\r\n\r\nEvent: Shutdown",
    "an Originate's answer": "7\r\n\r\nEvent: OriginateResponse\r\nActionID: resync",
    "a row's beginning": "\r\n\r\nEvent: Status\r\nChannel:\r\nChannelState:\r\nChannelStateDesc:\r\nCallerIDNum:",
    "no such phone": "7\r\n\r\nEvent: DeviceStateChange\r\nPrivilege:\r\nDevice: SIP/100\r\nState: INVALID",
    "a blank line": "7\r\n\r\n",
    "a resync's id": "7\r\nActionID: resync-",
    "a resync's id, and a blank line": "7\r\nActionID: resync-1\r\n\r\n",
    "a row": f"7\r\nActionID: x\r\n\r\nEvent: Status\r\nChannel: SIP/1-1\r\nUniqueid: {OTHER}",
    "somebody's id": f"7\r\nUniqueid: {OTHER}\r\nLinkedid: {CALLER}",
    "somebody's call": f"7\r\nLinkedid: {ONE}",
    "somebody's name": "7\r\nChannel: PJSIP/0003*210-00000002",
    "a bridge": "7\r\nBridgeID: talk\r\nChannelState: 6",
    "another queue": f"7\r\nQueue: other\r\nUniqueid: {ONE}",
    "a slot": "7\r\nParkingSpace: 99\r\nParkeeUniqueid: 1",
}


def _channel(
    number: str, connected: str, uniqueid: str, linkedid: str, channel: str, state: str
) -> dict[str, str]:
    return {
        "Channel": channel, "ChannelState": state, "ChannelStateDesc": "Up", "CallerIDNum": number, "CallerIDName": "x",
        "ConnectedLineNum": connected, "ConnectedLineName": "y", "Language": "en", "AccountCode": "",
        "Context": "internal", "Exten": "s", "Priority": "1", "Uniqueid": uniqueid, "Linkedid": linkedid,
    }  # fmt: skip


def _status(channel: Mapping[str, str], bridge: str = "") -> tuple[str, Mapping[str, str]]:
    return "Status", {
        "Privilege": "Call", **channel, "Type": "PJSIP", "DNID": "",
        "EffectiveConnectedLineNum": channel["ConnectedLineNum"], "EffectiveConnectedLineName": "y",
        "TimeToHangup": "0", "BridgeID": bridge, "Application": "Dial", "Seconds": "5",
        "Variable": "CHANNEL(onhold)=0",
    }  # fmt: skip


def _parked(channel: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    lot = {"ParkerDialString": "PJSIP/0003*210", "Parkinglot": "default", "ParkingSpace": "701"}
    times = {"ParkingTimeout": "45", "ParkingDuration": "3"}
    return "ParkedCall", {f"Parkee{name}": value for name, value in channel.items()} | lot | times


def _queued(channel: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    names = ("CallerIDNum", "CallerIDName", "ConnectedLineNum", "ConnectedLineName")
    return "QueueEntry", {
        "Queue": "support", "Position": "1", "Channel": channel["Channel"], "Uniqueid": channel["Uniqueid"],
        **{name: channel[name] for name in names}, "Wait": "2", "Priority": "0",
    }  # fmt: skip


def _lists(fake: FakeAsterisk, number: str, does: str, *, first: bool) -> None:
    """Let it answer with two who talk, and one more who has this number."""
    talk = [
        _status(_channel("0003*100", "0003*210", ONE, ONE, "PJSIP/0003*100-00000001", "6"), "talk"),
        _status(_channel("0003*210", "0003*100", OTHER, ONE, "PJSIP/0003*210-00000002", "6"), "talk"),
    ]
    waits = does != "calls"
    caller = _channel(number, "0003*311", CALLER, CALLER, "PJSIP/trunk-00000009", "6" if waits else "4")
    called = _channel("0003*311", number, CALLED, CALLER, "PJSIP/0003*311-0000000a", "5")
    his = [_status(caller, "lot" if does == "parked" else "")] + ([] if waits else [_status(called)])
    place = {"parked": [_parked(caller)], "queued": [_queued(caller)]}.get(does, [])
    bridges = [
        (
            "BridgeListItem",
            {"BridgeUniqueid": "talk", "BridgeType": "basic", "BridgeTechnology": "simple_bridge"},
        ),
        (
            "BridgeListItem",
            {"BridgeUniqueid": "lot", "BridgeType": "parking", "BridgeTechnology": "holding_bridge"},
        ),
    ]

    def status(heard: Heard) -> bytes:
        return rows(heard, "StatusComplete", *(his + talk if first else talk + his))

    fake.answers["BridgeList"] = lambda heard: rows(heard, "BridgeListComplete", *bridges)
    fake.answers["ParkedCalls"] = lambda heard: rows(
        heard, "ParkedCallsComplete", *(place if does == "parked" else [])
    )
    fake.answers["QueueStatus"] = lambda heard: rows(
        heard, "QueueStatusComplete", *(place if does == "queued" else [])
    )
    fake.answers["Status"] = status


def _into(picture: Picture) -> Callable[[Headers], None]:
    def take(event: Headers) -> None:
        picture.apply(event, 1795473910.0)

    return take


def _shown(calls: list[Call]) -> dict[str, tuple[str, str, str, bool]]:
    """Where each channel is: in which call, in what status, with whom, and whether he waits."""
    return {
        leg.uniqueid: (call.id, leg.status, leg.other_number, leg.waiting)
        for call in calls
        for leg in call.legs
    }


@pytest.mark.parametrize("first", [True, False], ids=["first in the list", "last in the list"])
@pytest.mark.parametrize("does", ["calls", "parked", "queued"])
@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS)
async def test_rows_of_his_own_making(fake: FakeAsterisk, number: str, does: str, *, first: bool) -> None:
    """The two talk with each other, in one call, after the first list and after the next; he is nowhere but in his own."""
    assert len(number) <= LONGEST_TEXT
    _lists(fake, number, does, first=first)
    picture = Picture(Endpoints.default(), {"support": Extension("0003*900")})
    async with linked(fake) as it:
        it.on_event = _into(picture)
        for boot in (1, 2):
            await it.until_up(boot)
            shown = _shown(picture.calls())
            talk = {shown.pop(ONE), shown.pop(OTHER)}
            assert {(status, waiting) for _, status, _, waiting in talk} == {("5", False)}
            assert {other for _, _, other, _ in talk} == {"0003*100", "0003*210"}
            assert len({call for call, *_ in talk}) == 1
            assert shown.keys() <= {CALLER, CALLED}
            assert not {call for call, *_ in shown.values()} & {call for call, *_ in talk}
            partners = [picture.board.channels[one].partner for one in (ONE, OTHER)]
            assert [one and one.uniqueid for one in partners] == [OTHER, ONE]
            if CALLER in shown and does != "calls":
                assert shown[CALLER][3], "he waits"
            fake.hang_up()
        assert it.logged("ami.message_failed") == []


async def test_who_waits_is_told_of_by_his_own_row(fake: FakeAsterisk) -> None:
    """A plain number: it is there, so that what is looked for above could be."""
    for does in ("parked", "queued"):
        _lists(fake, "7", does, first=True)
        picture = Picture(Endpoints.default(), {"support": Extension("0003*900")})
        async with linked(fake) as it:
            it.on_event = _into(picture)
            await it.until_up()
        assert _shown(picture.calls())[CALLER][3]


async def test_a_time_in_a_number_dates_nothing(fake: FakeAsterisk) -> None:
    """Asterisk says when something happened ahead of everybody's number, or not at all."""
    async with linked(fake) as it:
        await it.until_up()
        told = len(it.events)
        some = {"Channel": "PJSIP/trunk-00000009", "Uniqueid": CALLER, "Linkedid": CALLER}
        fake.say(event("Newstate", **some, CallerIDNum="7\r\nTimestamp: 99999999999"))
        fake.say(event("Newstate", Timestamp="1795473911.5", **some))
        fake.say(event("Newstate", Privilege="call,all", Timestamp="1795473912.5", **some))
        await it.until(lambda: len(it.events) == told + 3)
    assert it.times[told] < 9e10


@pytest.mark.parametrize(
    "text",
    [
        "\r\n\r\nResponse: a\r\nevent: Shutdown",
        "\r\n\r\nEvent: OriginateResponse\r\nActionID: resync",
        "1\r\nPriority:\r\nUniqueid:\r\nLinkedid:\r\n\r\nResponse: a\r\nevent: Shutdown",
    ],
)
async def test_what_comes_behind_a_whole_event(fake: FakeAsterisk, text: str) -> None:
    """It was dialled, where the dialplan takes anything, and stands last, or as if: neither the link nor the picture minds."""
    assert len(text) <= LONGEST_TEXT
    _lists(fake, "7", "calls", first=True)
    picture = Picture(Endpoints.default(), {})
    async with linked(fake) as it:
        it.on_event = _into(picture)
        await it.until_up()
        told = len(it.events)
        caller = {"Channel": "PJSIP/trunk-00000009", "Uniqueid": CALLER, "Linkedid": CALLER}
        dial = {f"Dest{name}": value for name, value in caller.items()}
        fake.say(
            event("DialBegin", **caller, **dial, DialString=f"trunk/{text}")
            + event("Newstate", **caller, Exten=text)
        )
        fake.say(
            b"Event: DialState\r\nDialString: x" + text.encode() + b"\r\n\r\n" + event("Hangup", **caller)
        )
        await it.until(lambda: "Hangup" in it.names()[told:])
        assert await it.link.check_context()
        assert it.link.state.boot == 1
        assert picture._floor.gathering is None
    assert {leg.uniqueid for call in picture.calls() for leg in call.legs} >= {ONE, OTHER}
