"""Which AMI events count, by name: the one list that the event filter, the link and the recorder follow.

Headers are those of Asterisk's AMI documentation; versions 16 and 22 name them alike where this project reads them.
"""

from collections.abc import Callable, Mapping
from sys import intern, version_info

Headers = Mapping[str, str | list[str]]
"""One event: header to value, or to a list of values where a header repeats; its name under ``Event``."""

LIVE = frozenset({
    "Newchannel", "Newstate", "Rename", "NewCallerid", "NewConnectedLine", "Hangup",
    "DialBegin", "BridgeEnter", "BridgeLeave", "Hold", "Unhold", "Pickup", "AttendedTransfer",
    "ParkedCall", "ParkedCallSwap", "UnParkedCall", "ParkedCallGiveUp", "ParkedCallTimeOut",
    "QueueCallerJoin", "QueueCallerLeave", "QueueCallerAbandon", "DeviceStateChange",
})  # fmt: skip
"""What a running PBX announces."""

LISTED = frozenset({
    "Status", "StatusComplete", "BridgeListItem", "BridgeListComplete", "ParkedCallsComplete",
    "QueueEntry", "QueueStatusComplete", "DeviceStateListComplete",
})  # fmt: skip
"""What comes in answer to a question alone."""

ANSWERS = LISTED | {"OriginateResponse"}
"""What comes in answer to a question or an Originate."""

WANTED = LIVE | ANSWERS

RESYNC = "resync"
"""How the ActionIDs of a resync's questions begin: what their answers leave out no longer exists.

What follows up to a slash tells one resync from the next, such as ``resync-3/Status``.
"""

PICKUP_VARIABLES = (
    "UAPI_VIEW", "UAPI_FROM", "UAPI_TO", "UAPI_SOURCE", "UAPI_TARGET", "UAPI_MODE", "UAPI_QUEUE", "UAPI_RING",
    "UAPI_BY", "UAPI_ANSWERED", "UAPI_SINCE", "UAPI_CALLER", "UAPI_DIALLED", "UAPI_UNDER",
)  # fmt: skip
"""What a pickup leg is to do, as its channel says."""

CDR_VARIABLES = ("CDR(answer,u)", "CDR(start,u)")
"""When a channel was answered; only where CDRs are enabled, or each look-up logs an error."""

STATUS_VARIABLES = (*CDR_VARIABLES, "CHANNEL(onhold)", *PICKUP_VARIABLES)
"""What a Status asks of each channel besides its own headers."""


_UNKNOWN = frozenset({"<unknown>", "(null)", "<null>"})
"""How Asterisk says that it does not know."""

_BEFORE_THE_NUMBERS = frozenset({
    "Event", "Privilege", "Timestamp", "ActionID", "Channel", "ChannelState", "ChannelStateDesc",
    "BridgeUniqueid", "BridgeType", "BridgeTechnology", "TargetChannel", "ParkeeChannel",
})  # fmt: skip
"""Headers that stand before a channel's numbers.

Asterisk writes a caller's number as the SIP peer sent it, line ends included (seen on 16.28 and 22.10), so that a
caller can add headers behind his number. Where a header repeats, the true one is the first of those that stand before
the numbers, and the last of those that stand behind them.
"""

_BEFORE_IN_A_ROW: Mapping[str, frozenset[str]] = {
    "Status": _BEFORE_THE_NUMBERS - {"ActionID"},
    "ParkedCall": _BEFORE_THE_NUMBERS - {"ActionID"},
    "QueueEntry": _BEFORE_THE_NUMBERS - {"ActionID"} | {"Queue", "Position", "Uniqueid"},
}
"""The same for rows that end with the ActionID, by the event's name."""


def text(headers: Headers, name: str) -> str:
    """A header's value; where it repeats the true one, empty where it is absent or says it is unknown."""
    value: object = headers.get(name, "")
    if type(value) is not str:
        if isinstance(value, list):
            value = value[0 if name in _before(headers) else -1] if value else ""
        if not isinstance(value, str):
            return ""  # a recording may hold anything
    return "" if value in _UNKNOWN else value


def _before(headers: Headers) -> frozenset[str]:
    event = headers.get("Event")
    return _BEFORE_IN_A_ROW.get(event, _BEFORE_THE_NUMBERS) if isinstance(event, str) else _BEFORE_THE_NUMBERS


_INTERNED_FOR_GOOD = (3, 12) <= version_info < (3, 12, 8)
"""Whether `sys.intern` never lets go of a text (cpython#113993)."""

once: Callable[[str], str] = str if _INTERNED_FOR_GOOD else intern
"""The same text, to be kept: held in memory once, however many events have told it of however many channels."""


def repeats(headers: Headers, *names: str) -> bool:
    """Whether one of these headers repeats, as no header of one channel does by itself."""
    return any(isinstance(headers.get(name), list) for name in names)


def number(headers: Headers, name: str) -> int:
    """A header's value as a whole number; -1 where it is none."""
    value = text(headers, name)
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else -1


def variables(headers: Headers) -> dict[str, str]:
    """The ``Variable`` headers of a Status row, by name; those not set are left out."""
    values: object = headers.get("Variable", ())
    told = values if isinstance(values, list) else [values]
    pairs = (value.partition("=") for value in told if isinstance(value, str))
    last = {
        name: value for name, _, value in pairs
    }  # those that a caller may have added stand before the true ones
    return {name: value for name, value in last.items() if value not in ("", "(null)")}
