"""A caller's number may hold line ends, and so add headers to each event that shows it: they change nothing.

So it is with what he has dialled, where the dialplan takes anything; a blank line there ends the event in the middle of
its channel's headers, with ids of his choice behind his own channel's name.
"""

import pytest

from bridge.calls import Picture
from bridge.endpoints import Endpoints
from bridge.grammar import CallId, Extension

UNIQUEID = "1795473806.4"


def _event(name: str, **more: str | list[str]) -> dict[str, str | list[str]]:
    snapshot: dict[str, str | list[str]] = {
        "Event": name,
        "Channel": "PJSIP/0003*210-00000003",
        "ChannelState": "4",
        "CallerIDNum": "123",
        "Exten": "0003*900",
        "Uniqueid": UNIQUEID,
        "Linkedid": UNIQUEID,
    }
    return snapshot | more


def test_headers_added_behind_a_number_are_not_the_channels() -> None:
    """The state stands before the number, so its first is true; Uniqueid and Linkedid behind it, so their last is."""
    picture = Picture(Endpoints.default())
    added = {
        "ChannelState": ["4", "6"],
        "Exten": ["0003*311", "0003*900"],
        "Uniqueid": ["1.1", UNIQUEID],
        "Linkedid": ["1.1", UNIQUEID],
    }

    picture.apply(_event("Newchannel", **added), 1795473806.0)

    call = picture.call(CallId.of(UNIQUEID))
    assert call is not None
    assert [(leg.uniqueid, leg.status, leg.answered) for leg in call.legs] == [(UNIQUEID, "0", None)]
    assert call.listed == {Extension("0003*210"), Extension("0003*900")}


def test_an_action_id_in_a_running_event_begins_no_resync() -> None:
    """Only answers belong to a question: else a caller could keep the picture waiting for the end of a list."""
    picture = Picture(Endpoints.default())
    picture.apply(_event("Newchannel", Uniqueid="uapi-0123456789abcdef0123-1"), 1795473806.0)

    stirred = list(
        picture.apply(_event("Newstate", ActionID="resync-9/x", Uniqueid="uapi-0123456789abcdef0123-1"), 1.0)
    )

    assert [pickup.id for pickup in stirred] == ["uapi-0123456789abcdef0123-1"]


def test_who_dials_is_not_learnt_from_a_dial_with_added_lines() -> None:
    """Of two channels in one event it cannot be told which lines a caller has added: the dial is passed over."""
    picture = Picture(Endpoints.default())
    picture.apply(_event("Newchannel"), 1795473806.0)
    picture.apply(_event("Newchannel", Uniqueid="1795473806.5", ChannelState="5"), 1795473806.0)

    picture.apply(_event("DialBegin", Uniqueid=[UNIQUEID, "1.1"], DestUniqueid="1795473806.5"), 1795473806.0)

    assert picture.board.channels["1795473806.5"].dialler == ""


OWN = "PJSIP/trunk-00000004"


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Hangup", {"Cause": "16"}),
        ("Newstate", {"ChannelState": "6"}),
        ("NewCallerid", {"CallerIDNum": "666"}),
        ("NewConnectedLine", {"ConnectedLineNum": "666"}),
        ("Hold", {}),
        ("BridgeEnter", {"BridgeUniqueid": "b", "BridgeType": "basic", "BridgeTechnology": "simple_bridge"}),
        ("QueueCallerJoin", {"Queue": "support"}),
        ("Rename", {"Newname": "PJSIP/0003*999-00000001"}),
        ("Rename", {"Newname": "PJSIP/0003*999-00000001", "Channel": ""}),
        ("ParkedCall", {"ParkeeChannel": OWN, "ParkeeUniqueid": UNIQUEID, "ParkingSpace": "701"}),
        ("DialBegin", {"DestChannel": OWN, "DestUniqueid": UNIQUEID, "Uniqueid": "1.1"}),
    ],
)
def test_an_event_with_the_id_of_another_is_nobodys(name: str, more: dict[str, str]) -> None:
    """Only the event with a channel's own name is about it; the name stands before all that anybody can write."""
    picture = Picture(Endpoints.default(), {"support": Extension("0003*900")})
    picture.apply(_event("Newchannel"), 1795473806.0)
    before = picture.calls()

    picture.apply(_event(name, **({"Channel": OWN} | more)), 1795473807.0)

    assert picture.calls() == before
    assert list(picture.board.channels) == [UNIQUEID]


def test_events_older_than_a_rename_are_the_channels_own() -> None:
    """A channel's former names are its own, and so is the one that Asterisk gives to what is left of it."""
    picture = Picture(Endpoints.default())
    picture.apply(_event("Newchannel"), 1795473806.0)
    picture.apply(_event("Rename", Newname="PJSIP/0003*211-00000009"), 1795473806.0)

    for state, name in (
        ("5", "PJSIP/0003*210-00000003"),
        ("6", "PJSIP/0003*211-00000009"),
        ("4", "PJSIP/0003*210-00000003<ZOMBIE>"),
    ):
        picture.apply(_event("Newstate", Channel=name, ChannelState=state), 1795473807.0)
        assert picture.board.channels[UNIQUEID].state == int(state)


def test_a_caller_who_dials_the_id_of_a_pickup_ends_none() -> None:
    """A pickup leg is born by Originate, and never calls in."""
    picture = Picture(Endpoints.default())
    leg = "uapi-0123456789abcdef0123-1"
    picture.apply(_event("Newchannel", Uniqueid=leg, ChannelState="0"), 1795473806.0)

    picture.apply(_event("Newchannel", Uniqueid=leg, Channel=OWN), 1795473806.0)

    assert picture.board.channels[leg].name == "PJSIP/0003*210-00000003"


def test_only_an_answer_takes_a_phone_away() -> None:
    """A phone's own event is so short that it could be a number; the next list is the truth again."""
    picture = Picture(Endpoints.default())

    def told(device: str, state: str, **more: str) -> None:
        event = {
            "Event": "DeviceStateChange",
            "Privilege": "call,all",
            "Device": device,
            "State": state,
            **more,
        }
        picture.apply(event, 1.0)

    told("PJSIP/1", "NOT_INUSE")
    told("PJSIP/2", "NOT_INUSE")
    told("PJSIP/1", "INVALID")
    assert picture.devices == {"PJSIP/1": "NOT_INUSE", "PJSIP/2": "NOT_INUSE"}

    end = {"Event": "BridgeListComplete", "ActionID": "resync-1/BridgeList"}
    picture.apply(end, 2.0)
    told("PJSIP/1", "INVALID", ActionID="resync-1/DeviceStateList")
    told("PJSIP/3", "INUSE", ActionID="resync-1/DeviceStateList")
    told("PJSIP/4", "INUSE")
    picture.apply({"Event": "StatusComplete", "ActionID": "resync-1/Status"}, 2.0)
    assert picture.devices == {"PJSIP/3": "INUSE", "PJSIP/4": "INUSE"}
