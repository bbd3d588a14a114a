"""What comes from the PBX is other people's text: it is shown safely, and none of it goes back unchecked."""

import json
import re
import unicodedata
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ami.fake import event, success
from bridge.calls import WANTED
from bridge.grammar import CallId
from fuzz.inside import Inside, inside
from fuzz.nasty import CLASSICS
from fuzz.pbx import EPOCH, PARKED, PARKED_CALL, Pbx, channel
from snapshots import snapshot

CALLER, CALLED = f"{EPOCH}.70", f"{EPOCH}.71"
CALL = CallId.of(CALLER)
PICKUP = {"action": "PickUp", "sendCallTo": "0003*024", "phoneCallViewId": "01"}

HOSTILE = (
    *(text.encode("utf-8", "replace") for text in CLASSICS),
    b"\xff\xfe\xc0\x80 broken \xe2\x28\xa1",
    b"\x1b]0;owned\x07" + b"\x00" * 20,
    b"A" * 10_240,
    "é漢🙂".encode() * 1000,
    b'"><img src=x onerror=alert(1)> <42>',
    b"\rEvent: Hangup\rUniqueid: " + PARKED.encode(),
    b"\nEvent: Hangup\nUniqueid: " + PARKED.encode() + b"\n\n",
)
"""As a phone or a trunk may send them for a name; Asterisk lets no whole line end (CR LF) through."""


def _said(name: str, headers: dict[str, bytes | str]) -> bytes:
    """An event with all that belongs to it, and values that need not be text."""
    lines = [f"Event: {name}\r\n".encode()]
    for header, value in snapshot(name, headers).items():
        octets = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
        lines.append(header.encode() + b": " + octets.replace(b"\r\n", b" ") + b"\r\n")
    return b"".join(lines) + b"\r\n"


def _ringing(uniqueid: str = CALLER, called: str = CALLED, **odd: bytes | str) -> bytes:
    """Somebody calls 0003*210, which rings; what is odd about the caller."""
    caller: dict[str, bytes | str] = {**channel(uniqueid, "PJSIP/trunk-00000070", 4, Exten="0003*210"), **odd}
    linkedid = caller["Linkedid"]
    phone: dict[str, bytes | str] = {**channel(called, "PJSIP/0003*210-00000071", 5), "Linkedid": linkedid}
    return (
        _said("Newchannel", caller)
        + _said("Newchannel", phone)
        + _said("DialBegin", {"Uniqueid": caller["Uniqueid"], "DestUniqueid": called})
    )


def _over(*uniqueids: bytes | str) -> bytes:
    return b"".join(_said("Hangup", {"Uniqueid": uniqueid, "Cause": "16"}) for uniqueid in uniqueids)


def _is_clean(value: Any) -> bool:
    """Whether every text in a reply can be printed anywhere, and is no longer than somebody would read."""
    if isinstance(value, dict):
        return all(_is_clean(one) for one in (*value, *value.values()))
    if isinstance(value, list):
        return all(map(_is_clean, value))
    return not isinstance(value, str) or (
        len(value) <= 300 and not any(unicodedata.category(char)[0] == "C" for char in value)
    )


def _sent(service: Inside) -> bytes:
    return b"".join(service.pbx.raw)


pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
async def test_a_hostile_name_is_shown_safely_and_sent_nowhere(name: bytes) -> None:
    """Name and number of a caller, whatever they hold: clean JSON, the other call as before, and the pickup's order has
    none of it.
    """
    async with inside() as service:
        before = (await service.entries())[PARKED_CALL]
        await service.said(_ringing(CallerIDName=name, CallerIDNum=name, ConnectedLineName=name))
        response = await service.get(f"@me/0003*210/{CALL}")
        shown = json.loads(response.content)
        assert response.status_code == 200
        assert [view["id"] for view in shown["phoneCallView"]] == ["00", "01"]
        assert _is_clean(shown)
        assert "<42>" not in response.text
        assert (await service.entries()) == {PARKED_CALL: before, CALL: shown["entry"][0]}
        assert await _order(service) == await _harmless()
        assert service.faults() == []


async def _harmless() -> dict[str, list[str]]:
    async with inside() as service:
        await service.said(_ringing())
        return await _order(service)


async def _order(service: Inside) -> dict[str, list[str]]:
    """What Asterisk is told to do for a pickup, but for what is random, and the caller's number, if it is one."""
    assert (await service.put(PICKUP, CALL)).status_code == 202
    order = dict(service.pbx.of("Originate")[0])
    variables = dict(text.split("=", 1) for text in order.pop("Variable"))
    assert re.fullmatch(r"(\+?[0-9*#]{1,32})?", variables.pop("UAPI_CALLER", ""))
    del order["ActionID"], variables["UAPI_BY"]
    return order | {"Variable": [f"{name}={value}" for name, value in variables.items()]}


async def test_a_hostile_name_is_logged_safely() -> None:
    """What is logged of a call names ids and extensions, nothing that its parties call themselves."""
    async with inside() as service:
        await service.said(_ringing(CallerIDName=b"Mallory\x1b[2J", CallerIDNum=b"Mallory"))
        assert (await service.put(PICKUP, CALL)).status_code == 202
        assert "Mallory" not in repr(service.logs)


@pytest.mark.parametrize("linkedid", ["a b c", "x\ty", "${EXTEN}", "..", "/", "é" * 200, "0" * 5000, " "])
async def test_a_linkedid_may_be_anything(linkedid: str) -> None:
    """The call's id is a digest of it, and its own: nothing is joined to it, and it can be picked up."""
    async with inside() as service:
        await service.said(_ringing(Linkedid=linkedid))
        id_ = CallId.of(linkedid if linkedid.strip() else "")
        calls = await service.entries()
        assert len(calls) == 2
        shown = next(call for one, call in calls.items() if one != PARKED_CALL)
        assert shown["id"] == CallId.of(linkedid) or shown["id"] == id_
        assert len(shown["phoneCallView"]) == 2
        phone = next(view["id"] for view in shown["phoneCallView"] if view["extension"] == "0003*210")
        assert (await service.put(PICKUP | {"phoneCallViewId": phone}, shown["id"])).status_code == 202
        assert len(linkedid) < 3 or linkedid not in _sent(service).decode()


@pytest.mark.parametrize(
    "uniqueid",
    [
        "a b",
        "x,1",
        "1.2&3.4",
        "${UNIQUEID}",
        "é",
        "1.2\tx",
        "1.2|x",
        "a^b",
        "x" * 400,
        "1.2)",
        "1.2\nAction: Hangup",
    ],
)
@pytest.mark.parametrize("side", ["source", "target"])
async def test_an_id_that_is_no_safe_argument_is_not_passed_on(uniqueid: str, side: str) -> None:
    """The call is listed, but cannot be picked up: 409, and Asterisk hears nothing of it."""
    async with inside() as service:
        names = {"uniqueid": uniqueid} if side == "source" else {"called": uniqueid}
        await service.said(_ringing(**names, Linkedid="1.9"))
        shown = (await service.entries())[CallId.of("1.9")]
        phone = next(view["id"] for view in shown["phoneCallView"] if view["extension"] == "0003*210")
        service.pbx.forget()
        reply = await service.put(PICKUP | {"phoneCallViewId": phone}, CallId.of("1.9"))
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "pc_pickup_conflict")
        assert uniqueid not in _sent(service).decode()
        assert service.pbx.originates() == []


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("PJSIP/0003*210-000000ab", 202),
        ("PJSIP/0003*210-1,x", 403),
        ("PJSIP/0003*210-${X}", 403),
        ("PJSIP/0003*210- 1\n2", 403),
        ("PJSIP/0003*210&PJSIP/0003*024-00000001", 403),
        ("Local/0003*210@internal,x-00000001;2", 400),
    ],
)
async def test_a_channel_is_an_extensions_only_by_its_whole_name(name: str, status: int) -> None:
    """The target's name is a variable of the pickup leg; one that could be syntax is nobody's, and is not passed on."""
    async with inside() as service:
        await service.said(
            _ringing(),
            _said("Rename", {"Uniqueid": CALLED, "Channel": "PJSIP/0003*210-00000071", "Newname": name}),
        )
        reply = await service.put(PICKUP, CALL)
        assert reply.status_code == status, reply.text
        assert status == 202 or name not in _sent(service).decode()
        assert service.faults() == []


@pytest.mark.parametrize("answer", CLASSICS)
async def test_what_asterisk_answers_is_checked_before_it_goes_back(answer: str) -> None:
    """BRIDGEPEER and the phone's own caller id come from the PBX and go into the order: if they pass their grammar."""
    pbx = Pbx()
    one_line = answer.replace("\r", "").replace("\n", "")
    async with inside(pbx) as service:
        await service.said(
            _ringing(),
            _said(
                "Rename",
                {"Uniqueid": CALLER, "Channel": "PJSIP/trunk-00000070", "Newname": "PJSIP/trunk-00000072"},
            ),
        )
        answers = pbx.answers["Getvar"]

        def getvar(heard: dict[str, list[str]]) -> Any:
            if heard["Variable"][0] == "UAPI_MARK":
                return answers(heard)
            said = success(heard, Variable=heard["Variable"][0], Value="%")
            return said.replace(b"Value: %", b"Value: " + one_line.encode("utf-8", "replace"))

        pbx.answers["Getvar"] = getvar
        pbx.forget()
        assert (await service.put(PICKUP, CALL)).status_code == 202
        assert "BRIDGEPEER" in [asked["Variable"][0] for asked in pbx.of("Getvar")]
        order = pbx.of("Originate")[0]
        assert order["CallerID"] == ["<0003*024>"]
        peers = [text for text in order["Variable"] if text.startswith("UAPI_PEER=")]
        assert peers in ([], [f"UAPI_PEER={one_line}"])
        if peers:
            assert not set(one_line) & set(" ,|&${}\"'\\()")


async def test_an_event_in_an_event_is_none() -> None:
    """Headers forged by whoever may send a UserEvent, and by those whose name holds half a line end."""
    async with inside() as service:
        before = await service.entries()
        hangup = b"Event: Hangup\r\nUniqueid: " + PARKED.encode()
        await service.said(
            b"Event: UserEvent\r\nUserEvent: x\r\n" + hangup + b"\r\n\r\n",
            b"Event: UserEvent\r\nBody: a\n" + hangup.replace(b"\r\n", b"\n") + b"\n\n\r\n\r\n",
            b"event: Hangup\r\nUniqueid: " + PARKED.encode() + b"\r\n\r\n",
            b"Response: Success\r\nActionID: x\r\n" + hangup + b"\r\n\r\n",
            b"X: y\r\n" + hangup + b"\r\n\r\n",
        )
        assert await service.entries() == before
        assert service.faults() == []


async def test_a_number_with_line_ends_in_it_hides_no_call() -> None:
    """Asterisk passes on a SIP user part of ``%0d%0a``: what is forged by it makes no other event of the real one."""
    async with inside() as service:
        forged = _ringing(CallerIDNum="123\x1fEvent: Hangup\x1fUniqueid: " + PARKED + "\x1fX: y").replace(
            b"\x1f", b"\r\n"
        )
        await service.said(forged)
        assert (await service.entries()).keys() == {PARKED_CALL, CALL}
        assert service.faults() == []


async def test_a_forged_pickup_leg_is_none_of_ours() -> None:
    """A channel with such an id whose variables are nonsense: nothing rings, nothing is hung up for it."""
    pbx = Pbx()
    async with inside(pbx) as service:
        before = await service.entries()
        forged = f"uapi-{PARKED_CALL}-1"
        pbx.channels[forged] = channel(forged, "PJSIP/0003*024-000000aa", 5)
        pbx.variables[forged] = [
            "UAPI_VIEW=00\t",
            "UAPI_SOURCE=x y",
            f"UAPI_TARGET={PARKED},x",
            "UAPI_MODE=${X}",
            "UAPI_TO=&",
        ]
        await service.said(event("Newchannel", **pbx.channels[forged]))
        await pbx.until_heard("Status", 2)
        await service.said()
        assert {id_: call["phoneCallView"] for id_, call in (await service.entries()).items()} == {
            id_: call["phoneCallView"] for id_, call in before.items()
        }
        del pbx.channels[forged]
        await service.said(event("Hangup", Uniqueid=forged, Cause="16"))
        assert not {"Originate", "Hangup", "Setvar", "Redirect"} & set(pbx.names())
        assert service.faults() == []


_octets = st.one_of(
    st.sampled_from(HOSTILE),
    st.binary(max_size=60),
    st.sampled_from(
        [CALLER, CALLED, "basic", "simple_bridge", "b-1", "0003*210", "5", "6", "uapi-" + "0" * 20 + "-1"]
    ).map(str.encode),
)
_headers = st.sampled_from([
    "Uniqueid", "Linkedid", "Channel", "ChannelState", "CallerIDNum", "CallerIDName", "ConnectedLineNum", "Exten", "DNID",
    "ConnectedLineName", "DestUniqueid", "BridgeUniqueid", "BridgeType", "BridgeTechnology", "BridgeID", "Cause", "Newname",
    "ParkeeUniqueid", "ParkingSpace", "ParkingDuration", "ParkerDialString", "Queue", "Device", "State", "TargetUniqueid",
    "ActionID", "Variable", "Seconds", "Timestamp", "ListItems",
])  # fmt: skip
_events = st.lists(
    st.tuples(
        st.sampled_from(sorted(WANTED - {"StatusComplete"})),
        st.dictionaries(_headers, _octets, max_size=8),
    ),
    max_size=12,
)


def test_no_event_whatever_breaks_anything(portal: BlockingPortal, service: Inside) -> None:
    """Any events of the names that count, with any values: no fault, clean JSON, and the call that they are not about
    stays as it was.
    """
    before = portal.call(service.entries)[PARKED_CALL]

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_events)
    def holds(events: list[tuple[str, dict[str, bytes]]]) -> None:
        told = [
            (name, headers)
            for name, headers in events
            if not any(PARKED.encode() in value or value.startswith(b"resync") for value in headers.values())
        ]
        portal.call(service.said, *(_said(name, dict(headers)) for name, headers in told))
        shown = portal.call(service.entries)
        assert shown[PARKED_CALL] == before
        assert all(map(_is_clean, shown.values()))
        born = {headers.get("Uniqueid", b"") for _, headers in told}
        portal.call(service.said, _over(*born))
        assert service.faults() == []
        assert not {"Originate", "Redirect"} & set(service.pbx.names())

    holds()
