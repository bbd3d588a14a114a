"""Whether an event is one of Asterisk's own, whole: the headers that it has and a caller's text cannot have.

Asterisk writes a caller's number as the SIP peer sent it, and so it does with what was dialled where the dialplan
takes anything: line ends included, at most 79 characters (chan_pjsip on 16.28 and 22.10; chan_sip sets no limit to a
number; names are escaped). A blank line in it ends the event too early, and what follows it may look like another
event. But what Asterisk tells of a channel begins with more than 79 characters before there is any room for such a
text, always in the same order; and what it answers has the ActionID of the question, which nobody else knows. Rows in which
a number stands have it at their very end, so that it ends whatever a caller has made of the rest of a row: no more
than one ActionID, and nothing of a row's end, is in an answer in which nobody's number stands.
"""

from collections.abc import Mapping

from bridge.calls.events import ANSWERS, Headers

LONGEST_TEXT = 79
"""Characters of a caller's choice that come in one piece."""

_SNAPSHOT = (
    "Channel", "ChannelState", "ChannelStateDesc", "CallerIDNum", "CallerIDName", "ConnectedLineNum",
    "ConnectedLineName", "Language", "AccountCode", "Context", "Exten", "Priority", "Uniqueid", "Linkedid",
)  # fmt: skip


def _channel(prefix: str = "") -> tuple[str, ...]:
    return tuple(prefix + header for header in _SNAPSHOT)


_BRIDGE = (
    "BridgeUniqueid", "BridgeType", "BridgeTechnology", "BridgeCreator", "BridgeName", "BridgeNumChannels",
)  # fmt: skip
_PARKED = (*_channel("Parkee"), "ParkerDialString", "Parkinglot", "ParkingSpace", "ParkingDuration")
_DIAL = (*_channel("Dest"), "DialString")

SHAPES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("Newchannel", "Newstate", "NewCallerid", "NewConnectedLine", "Hold", "Unhold"), _channel()
    ),
    "Rename": ("Channel", "Newname", "Uniqueid"),
    "Hangup": (*_channel(), "Cause"),
    "DialBegin": (*_channel(), *_DIAL),
    **dict.fromkeys(("BridgeEnter", "BridgeLeave"), (*_BRIDGE, *_channel())),
    "Pickup": (*_channel(), *_channel("Target")),
    "AttendedTransfer": ("Result", *_channel("OrigTransferer"), *_channel("SecondTransferer"), "DestType"),
    **dict.fromkeys(
        ("ParkedCall", "ParkedCallSwap", "UnParkedCall", "ParkedCallGiveUp", "ParkedCallTimeOut"), _PARKED
    ),
    **dict.fromkeys(("QueueCallerJoin", "QueueCallerLeave", "QueueCallerAbandon"), (*_channel(), "Queue")),
    "DeviceStateChange": ("Device", "State"),
}
"""What each running event has at least, in Asterisk's order (16.28 and 22.10)."""

_ROWS: Mapping[str, tuple[str, ...]] = {
    "Status": _channel(),
    "QueueEntry": ("Queue", "Position", "Channel", "Uniqueid", "CallerIDNum"),
    "ParkedCall": _PARKED,
    "OriginateResponse": (
        "ActionID", "Response", "Channel", "Context", "Exten", "Reason", "Uniqueid", "CallerIDNum",
    ),
}  # fmt: skip
"""The answers in which somebody's number stands."""

_ROW_ENDS = frozenset({"Seconds", "Priority", "ParkingDuration"})
"""What stands behind all numbers in a row of Status, of QueueEntry and of ParkedCall."""

_ANYWHERE = frozenset({
    "Event", "Privilege", "Timestamp", "SequenceNumber", "File", "Line", "Func", "SystemName", "BridgeVideoSourceMode",
    "BridgeVideoSource",
})  # fmt: skip
"""Headers that a PBX adds by its configuration or version."""


def whole(event: Headers) -> bool:
    """Whether nothing is missing of an event that counts. Others are passed by."""
    name = event.get("Event")
    if not isinstance(name, str) or next(iter(event)) == "Response":
        return "ActionID" not in event or answers(event)
    if name in ANSWERS:
        return "ActionID" in event if name in _ROWS else answers(event)
    shape = SHAPES.get(name)
    if shape is None:
        return True
    if "Privilege" not in event:  # the rows of an answer that are named like an event
        return answers(event) if name == "DeviceStateChange" else is_row(event) and "ActionID" in event
    shape = _without_caller(name, shape, event)
    return _begins(shape, event) and all(header in event for header in shape)


def is_row(event: Headers) -> bool:
    """Whether this is a list's row in which somebody's number stands."""
    name = event.get("Event")
    return name in ("Status", "QueueEntry") or (name == "ParkedCall" and "Privilege" not in event)


def answers(event: Headers) -> bool:
    """Whether this may be an answer in which nobody's number stands: it has one ActionID, and nothing of a row's end."""
    return isinstance(event.get("ActionID"), str) and _ROW_ENDS.isdisjoint(event)


def begins(event: Headers) -> bool:
    """Whether this is how Asterisk begins an event in which somebody's number stands."""
    name = event.get("Event")
    if not isinstance(name, str) or next(iter(event)) != "Event":
        return False
    if name == "Status" and "Privilege" not in event:
        return False  # without it the beginning is short enough for a caller's text
    shape = SHAPES.get(name) if "Privilege" in event else None
    shape = shape or _ROWS.get(name)
    return shape is not None and _begins(_without_caller(name, shape, event), event)


def _without_caller(name: str, shape: tuple[str, ...], event: Headers) -> tuple[str, ...]:
    """A dial by Originate has no caller."""
    return _DIAL if name == "DialBegin" and "Channel" not in event else shape


def _begins(shape: tuple[str, ...], event: Headers) -> bool:
    """Whether an event has all in order that stands before the first number, and that number."""
    number = next((at for at, header in enumerate(shape, 1) if header.endswith("CallerIDNum")), len(shape))
    told = [header for header in event if header not in _ANYWHERE]
    return tuple(told[:number]) == shape[:number]
