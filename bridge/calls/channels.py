"""Channels and bridges as the events draw them, and who is with whom; everything else is derived from these."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bridge.calls.events import once
from bridge.calls.model import Mode, Order, PickupStatus, Plan
from bridge.grammar import Extension, PickupId, Uniqueid

NOT_LEGS = (
    "Local/", "Message/", "Surrogate/", "CBAnn/", "CBRec/", "Announcer/", "Recorder/", "Snoop/", "AsyncGoto/",
    "MulticastRTP/",
)  # fmt: skip
"""Technologies whose channels belong to no party of a call."""

DOWN, RESERVED, OFF_HOOK, DIALLING, RING, RINGING, UP, BUSY = range(8)
"""Asterisk's channel states (``enum ast_channel_state``)."""


_NAMES = 3
"""How many names of a channel stay known besides its latest two: a masquerade renames twice."""


@dataclass(slots=True)
class Parking:
    """Where and since when a channel is parked, and by whom."""

    since: float
    space: str
    by: Extension | None


@dataclass(slots=True)
class Hold:
    """Since when a phone has somebody on hold."""

    since: float
    beside: str
    """The Uniqueid of the channel in its bridge, a Local half maybe: it is on hold whoever comes to talk through it, and a
    third party who is asked meanwhile is not."""
    whom: str
    """The Uniqueid of the party at the other end, the latest one there."""
    traced: bool = True
    """Whether Asterisk knows of it: it does not when whom was put on hold has been taken over."""


@dataclass(slots=True, eq=False)
class Bridge:
    """A bridge and the channels in it."""

    uniqueid: str
    type: str = ""
    technology: str = ""
    members: dict[str, "Channel"] = field(default_factory=dict)

    @property
    def conversation(self) -> bool:
        """Whether it is a talk of two: holding bridges and conferences join nobody."""
        return self.type == "basic" and self.technology != "holding_bridge"


@dataclass(slots=True)
class Entering:
    """Which bridge a channel has entered that is not known yet."""

    name: str
    bridge: str
    type: str
    technology: str
    linkedid: str
    at: float


@dataclass(slots=True, eq=False)
class Pickup:
    """A pickup leg's life. Its order is known once the PBX has told the leg's variables."""

    id: PickupId
    born: float
    order: Order | None = None
    status: PickupStatus = PickupStatus.RINGING
    up: bool = False
    cause: int = 0
    """Why its target hung up."""
    ring: Uniqueid | None = None
    """The phone whose ring for the waiting source it is told to take."""
    asked: bool = False
    """The PBX is asked for its order."""
    stopping: bool = False
    """It is being hung up."""
    taken: bool = False
    """Somebody else has picked its target's ring up."""
    released: bool = False
    """The old leg was told where to go."""
    dropped: bool = False
    """The old leg was told to hang up."""
    told: bool = False
    """Its outcome was logged and counted."""


@dataclass(slots=True, eq=False)
class Channel:
    """One channel."""

    uniqueid: str
    name: str
    linkedid: str
    state: int
    born: float
    extension: Extension | None
    local: bool
    party: bool
    """Of a technology that belongs to a party of a call."""
    pickup: Pickup | None = None
    number: str = ""
    display: str = ""
    connected_number: str = ""
    connected_display: str = ""
    dialled: str = ""
    answered: float | None = None
    bridge: Bridge | None = None
    unbridged: bool = False
    """Known to have been in no bridge since its birth: nobody is its BRIDGEPEER, or was."""
    dialler: str = ""
    hold: Hold | None = None
    """Whom this phone has on hold."""
    put_on_hold: bool = False
    parking: Parking | None = None
    queue: str = ""
    waited: float = 0.0
    """Until when it waited, itself or by the far end of Local pairs; 0 where it never did."""
    taken_by: "Channel | None" = None
    """The pickup leg that has picked this ring up."""
    former: tuple[str, ...] = ()
    """What it was called before: events may be older than the Rename that overtook them."""

    @property
    def leg(self) -> bool:
        """Whether it is a leg; a pickup's channel is one from when it is connected."""
        return self.party and (self.pickup is None or self.pickup.status is PickupStatus.CONNECTED)

    def is_called(self, name: str) -> bool:
        """Whether a name is its own, one it has had, its own as a zombie's, or none at all."""
        if name == self.name or not name or name in self.former:
            return True
        return name.partition("<")[0] in (self.name, *self.former)

    @property
    def waiting(self) -> bool:
        """Whether it waits: parked, or in a queue."""
        return self.parking is not None or bool(self.queue)

    @property
    def among_many(self) -> bool:
        """Whether it is in a conference, or another bridge of many; who waits in a holding bridge is by himself."""
        bridge = self.bridge
        return bridge is not None and not bridge.conversation and bridge.technology != "holding_bridge"

    @property
    def partner(self) -> "Channel | None":
        """The other channel of its conversation."""
        bridge = self.bridge
        if bridge is None or not bridge.conversation or len(bridge.members) != 2:
            return None
        one, other = bridge.members.values()
        return other if one is self else one

    @property
    def replaces(self) -> str:
        """The Uniqueid of the leg that this one has taken the place of."""
        pickup = self.pickup
        if pickup is None or pickup.order is None or pickup.status is not PickupStatus.CONNECTED:
            return ""
        return "" if pickup.order.mode is Mode.WAITING else pickup.order.target


class Board:
    """All channels and bridges, and the ways between them."""

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self.bridges: dict[str, Bridge] = {}
        self._locals: dict[str, Channel] = {}

    def add(self, channel: Channel) -> None:
        """Take a channel in."""
        self.channels[channel.uniqueid] = channel
        if channel.local:
            self._locals[channel.name] = channel

    def remove(self, channel: Channel) -> None:
        """Forget a channel."""
        self.leave(channel)
        del self.channels[channel.uniqueid]
        if self._locals.get(channel.name) is channel:
            del self._locals[channel.name]

    def rename(self, channel: Channel, name: str) -> None:
        """Give a channel its new name."""
        if self._locals.get(channel.name) is channel:
            del self._locals[channel.name]
        channel.former = (channel.name, *channel.former[:_NAMES])
        channel.name = name
        channel.unbridged = False  # a masquerade, which brings another channel's variables
        channel.local = name.startswith("Local/")
        channel.party = not name.startswith(NOT_LEGS)
        if channel.local:
            self._locals[name] = channel

    def bridge(self, uniqueid: str, type_: str = "", technology: str = "") -> Bridge:
        """The bridge of this id, made or made more precise as it becomes known."""
        bridge = self.bridges.get(uniqueid)
        if bridge is None:
            bridge = self.bridges[uniqueid] = Bridge(uniqueid)
        bridge.type = once(type_) or bridge.type
        bridge.technology = once(technology) or bridge.technology
        return bridge

    def enter(self, channel: Channel, bridge: Bridge) -> None:
        """Put a channel into a bridge, out of any other."""
        if channel.bridge is not bridge:
            self.leave(channel)
            channel.bridge = bridge
            channel.unbridged = False
        bridge.members[channel.uniqueid] = channel

    def leave(self, channel: Channel) -> None:
        """Take a channel out of its bridge; an empty bridge is forgotten."""
        bridge, channel.bridge = channel.bridge, None
        if bridge is not None:
            bridge.members.pop(channel.uniqueid, None)
            if not bridge.members:
                self.bridges.pop(bridge.uniqueid, None)

    def unwatched(self) -> None:
        """Events were missed: who was with somebody meanwhile, and is with nobody now, cannot be told."""
        for channel in self.channels.values():
            channel.unbridged = False

    def other_half(self, channel: Channel) -> Channel | None:
        """The other end of a Local pair: the two names differ in their last digit alone."""
        end = channel.name[-1:]
        return self._locals.get(channel.name[:-1] + ("2" if end == "1" else "1"))

    def talks_with(self, channel: Channel) -> Channel | None:
        """The party at the other end of a conversation, followed through Local pairs."""
        partner = channel.partner
        for _ in range(16):
            if partner is None or not partner.local:
                return partner
            half = self.other_half(partner)
            partner = half.partner if half else None
        return None

    def place_of(self, leg: Channel, others: Iterable[Channel]) -> Channel:
        """The channel that waits where a leg does: itself, or the far end of the Local pairs that it talks through.

        Who was called by way of a Local channel parks that end of it (seen on 22.10), or sends it into a queue. But who asks a
        third party by feature code, while the other one is held alone, talks through such a pair as well, and does not wait.

        Args:
            leg: The leg.
            others: All channels of its call.
        """
        place = leg
        for _ in range(16):
            partner = place.partner
            half = self.other_half(partner) if partner is not None and partner.local else None
            if half is None:
                break
            place = half
        if place is leg:
            return leg
        parker = place.parking.by if place.parking else None
        alone = [party for other in others if (party := self._held_alone(other)) and party is not leg]
        # A parker may be alone as well, to be told the slot.
        return leg if any(parker is None or party.extension != parker for party in alone) else place

    def _held_alone(self, channel: Channel) -> Channel | None:
        """The party that is alone in its conversation, or talks through a Local pair whose far end is."""
        bridge = channel.bridge
        if bridge is None or not bridge.conversation or len(bridge.members) != 1:
            return None
        if channel.leg:
            return channel
        half = self.other_half(channel) if channel.local else None
        return self.talks_with(half) if half else None

    def stands(self, order: Order | Plan) -> bool:
        """Whether source and target still are with whom they were when a pickup was asked for."""
        source, target = self.channels.get(order.source), self.channels.get(order.target)
        if source is None:
            return False
        talker = self.talks_with(source)
        if order.mode is Mode.WAITING:
            return talker is None and target is not None and not source.among_many
        if target is None:
            return order.queue and bool(source.queue) and talker is None
        if order.mode is Mode.RINGING and talker is None and not self._answered_away(source, target):
            return True
        return talker is target

    def _answered_away(self, source: Channel, target: Channel) -> bool:
        """Whether a target that rang for a source, who talks with nobody, has answered and is not about to have him.

        He is bridged last; through Local pairs first with the nearest, and with that he may have been all along.
        """
        if target.state != UP or target.bridge is None or source.bridge is None:
            return False
        partner, alone = target.partner, len(source.bridge.members) == 1
        return alone or partner is None or not partner.local or self.talks_with(target) is not None

    @staticmethod
    def held_by(channel: Channel | None) -> Hold | None:
        """The hold that a phone has put its conversation on."""
        if channel is None or channel.hold is None:
            return None
        partner = channel.partner
        return channel.hold if partner and partner.uniqueid == channel.hold.beside else None

    def called_by(self, channel: Channel) -> Channel | None:
        """The party whose call rings this channel, followed through Local pairs; as far as dials were seen."""
        dialler = self.channels.get(channel.dialler)
        for _ in range(16):
            if dialler is None or not dialler.local:
                return dialler
            half = self.other_half(dialler)
            if half is None:
                return None
            talking = self.talks_with(half)
            if talking is not None:
                return talking
            dialler = self.channels.get(half.dialler)
        return None

    def consults(self, channel: Channel, others: Iterable[Channel]) -> bool:
        """Whether a leg talks through a Local pair while one of the other legs is held alone in its own bridge.

        So it is while an attended transfer by feature code is under way.
        """
        partner = channel.partner
        if partner is None or not partner.local:
            return False
        pair = (None, channel, self.talks_with(channel))
        return any(self._held_alone(other) not in pair for other in others)
