"""A caller's number may hold line ends, and so add headers to each event that shows it: they change nothing."""

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
