"""What leaves the core: frozen, whole values about calls. Times are seconds since 1970."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from bridge.grammar import CallId, ChannelName, Extension, PickupId, Uniqueid


class Numbering(Protocol):
    """How this PBX names the phones of its extensions."""

    def of_channel(self, name: str) -> Extension | None:
        """The extension whose phone a channel (``PJSIP/0003*210-0000002c``) belongs to, if any."""

    def of_device(self, name: str) -> Extension | None:
        """The extension whose phone a device (``PJSIP/0003*210``) is, if any."""


class PickupStatus(StrEnum):
    """How far a pickup has come, in the words of the API's ``pickUp.status``."""

    RINGING = "ringing"
    CONNECTED = "connected"
    NO_ANSWER = "noAnswer"
    BUSY = "busy"
    REJECTED = "rejected"
    UNREACHABLE = "unreachable"
    CANCELLED = "cancelled"
    CONFLICT = "conflict"

    @property
    def failed(self) -> bool:
        """Whether it is over without a connection."""
        return self not in (PickupStatus.RINGING, PickupStatus.CONNECTED)


class Mode(StrEnum):
    """What the target was doing when its pickup was asked for."""

    RINGING = "ringing"
    TALKING = "talking"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class PickupNote:
    """A pickup as the view that it concerns tells of it."""

    taken_from: str
    send_call_to: Extension
    status: PickupStatus


@dataclass(frozen=True, slots=True)
class Leg:
    """A channel that belongs to one party of a call; UAPI's PhoneCallView."""

    view: str
    uniqueid: str
    channel: str
    extension: Extension | None
    number: str
    """The extension, or an outside party's number; empty where the PBX did not say."""
    source: str
    destination: str
    other_name: str
    other_number: str
    flow: Literal["2", "4", "8"] | None
    status: Literal["0", "2", "3", "4", "5"]
    waiting: bool
    """Parked, or in a queue."""
    ringing: float | None = None
    answered: float | None = None
    on_hold: float | None = None
    holder: bool = False
    parked: float | None = None
    parked_pos: str = ""
    parked_by: Extension | None = None
    pickup: PickupNote | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """All the legs that share a Linkedid; UAPI's PhoneCall."""

    id: CallId
    published: float
    answered: float | None
    legs: tuple[Leg, ...]
    listed: frozenset[Extension]
    """The extensions under which it is found."""

    def leg(self, view: str) -> Leg | None:
        """The leg that shows this view id."""
        return next((leg for leg in self.legs if leg.view == view), None)


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to a call; ``call`` is its last state when it ended."""

    kind: Literal["added", "changed", "ended"]
    call: Call


@dataclass(frozen=True, slots=True)
class Order:
    """What a pickup is to do: written into its leg's channel variables, and read back from there."""

    view: str
    taken_from: str
    send_call_to: Extension
    source: Uniqueid
    target: Uniqueid
    mode: Mode
    queue: bool
    """Whether a queue rings the target, so that the caller waits on when that ringing ends."""
    ring: Uniqueid | None
    """A phone that rings for a source which waits: that ring is taken with it."""
    by: str
    """Which request asked for it, of all requests at all instances."""
    answered: float | None
    """When the call was first answered; re-bridging makes Asterisk forget it."""
    since: float | None
    """When the source was answered; 0 where nobody knows any more, None where it was not answered yet."""
    caller: str
    dialled: str
    under: Extension | None = None
    """The extension under which the call was found, such as a queue's that it has left since: it is found there yet."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which leg a pickup takes over, and from whom it hears."""

    call: Call
    leg: Leg
    pickup: PickupId
    source: Uniqueid
    unbridged: bool
    """Whether the source is known to have been bridged with nobody since its birth."""
    target: Uniqueid
    target_channel: ChannelName
    mode: Mode
    queue: bool
    ring: Uniqueid | None
    """A phone that rings for a source which waits: that ring is taken with it."""


class NotPickable(Exception):
    """The call cannot be picked up in its present state; the message says why."""
