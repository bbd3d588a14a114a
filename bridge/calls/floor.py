"""What can happen to channels, be it an event or the answer to a question that tells of it.

Each step leaves channels, calls and pickups in step with one another.
"""

from bridge.calls.channels import NOT_LEGS, Board, Bridge, Channel, Entering, Hold, Parking
from bridge.calls.events import Headers, number, once, text
from bridge.calls.gathering import Gathering
from bridge.calls.model import Numbering
from bridge.calls.roll import Roll
from bridge.calls.takeovers import Takeovers
from bridge.grammar import PickupId, epoch_and_sequence


class Floor:
    """Everything that is kept of a PBX.

    Args:
        numbering: How it names the phones of its extensions.
        board: Its channels and bridges.
        roll: The calls that they make.
        takeovers: The pickups among them.
    """

    def __init__(self, numbering: Numbering, board: Board, roll: Roll, takeovers: Takeovers) -> None:
        self.numbering = numbering
        self.board = board
        self.roll = roll
        self.takeovers = takeovers
        self.devices: dict[str, str] = {}
        self.gathering: Gathering | None = None
        """What a resync that is under way has said so far."""
        self.early: dict[str, Parking] = {}
        """Where channels are parked that are not known yet."""
        self.entering: dict[str, Entering] = {}
        """Where channels talk that are not known yet."""
        self.touch = takeovers.touch

    # --- marking

    def touch_bridge(self, bridge: Bridge | None) -> None:
        """Mark everybody in a conversation; whoever else is in a bridge is nothing to the others."""
        if bridge is not None and bridge.conversation:
            for member in bridge.members.values():
                self.touch(member)

    def touch_waiting(self, channel: Channel) -> None:
        """Mark a channel, and who waits by it at the other end of Local pairs, perhaps in another call."""
        self.touch(channel)
        if party := self._waits_by(channel):
            self.touch(party)

    def _waits_by(self, channel: Channel) -> Channel | None:
        half = self.board.other_half(channel) if channel.local else None
        return self.board.talks_with(half) if half else None

    def touch_with_partner(self, channel: Channel) -> None:
        """Mark a channel and whom it talks with."""
        self.touch(channel)
        if partner := self.board.talks_with(channel):
            self.touch(partner)

    # --- channels

    def add(self, event: Headers, born: float) -> Channel:
        """Take in a channel that an event tells of for the first time."""
        uniqueid, name = text(event, "Uniqueid"), text(event, "Channel")
        made = epoch_and_sequence(uniqueid)
        channel = Channel(
            uniqueid=uniqueid,
            name=name,
            linkedid="",
            state=number(event, "ChannelState"),
            born=float(made[0]) if made else born,
            extension=self.numbering.of_channel(name),
            local=name.startswith("Local/"),
            party=not name.startswith(NOT_LEGS),
        )
        self.board.add(channel)
        linkedid = text(event, "Linkedid")
        self.roll.join(channel, uniqueid if linkedid in ("", uniqueid) else linkedid)
        if pickup := PickupId.maybe(uniqueid):
            channel.pickup = self.takeovers.begin(pickup, born)
        if self.gathering is not None:
            self.gathering.seen.add(uniqueid)
        return channel

    def gone(self, channel: Channel, cause: int | None) -> None:
        """A channel has ended; None where a resync has missed it, and nobody knows yet why."""
        self.touch(channel)
        self.touch_bridge(channel.bridge)
        self.board.remove(channel)
        self.roll.leave(channel)
        self.takeovers.gone(channel, cause)

    def rename(self, channel: Channel, name: str) -> None:
        """A channel is called so now."""
        if name and name != channel.name:
            self.board.rename(channel, name)
            channel.extension = self.numbering.of_channel(name)
            self.touch(channel)

    @staticmethod
    def parties(channel: Channel, event: Headers) -> None:
        """Who a channel is, and whom it is connected with."""
        channel.number = once(text(event, "CallerIDNum"))
        channel.display = once(text(event, "CallerIDName"))
        Floor.connected(channel, event)

    @staticmethod
    def connected(channel: Channel, event: Headers) -> None:
        """Whom a channel is connected with."""
        channel.connected_number = once(text(event, "ConnectedLineNum"))
        channel.connected_display = once(text(event, "ConnectedLineName"))

    def recall(self, channel: Channel) -> None:
        """Take up what is already known of a channel's place: told too early, or by a resync under way."""
        if self.early:
            channel.parking = self.early.pop(channel.uniqueid, channel.parking)
        gathering = self.gathering
        if gathering is None:
            return
        if parking := gathering.parked.get(channel.uniqueid):
            channel.parking = parking
        if queue := gathering.queued.get(channel.uniqueid):
            channel.queue = queue

    def served(self, channel: Channel, at: float) -> None:
        """Who waited by a channel waits no more: he was taken, or has given up."""
        channel.queue, channel.parking, channel.waited = "", None, at
        self.touch(channel)
        if party := self._waits_by(channel):
            party.waited = at
            self.touch(party)

    # --- conversations

    def enters(self, channel: Channel, into: Entering) -> None:
        """A channel has entered a bridge."""
        self.touch(channel)
        self.touch_bridge(channel.bridge)
        bridge = self.board.bridge(into.bridge, into.type, into.technology)
        self.board.enter(channel, bridge)
        if bridge.conversation:
            if channel.waiting:
                self.served(channel, into.at)
            self.join_all(bridge, into.linkedid)
            self._come_on_hold(bridge)
        self.settle(bridge)

    def join_all(self, bridge: Bridge | None, linkedid: str) -> None:
        """The Linkedid in the latest BridgeEnter of a conversation is that of everybody in it."""
        if bridge is not None and bridge.conversation and linkedid:
            for member in bridge.members.values():
                if member.linkedid != linkedid:
                    self.roll.join(member, linkedid)

    def settle(self, bridge: Bridge) -> None:
        """A pickup leg beside somebody else in a conversation is connected, and one of their call.

        One that came there by masquerade keeps its own Linkedid in Asterisk (seen on 16.28 and 22.10).
        """
        if len(bridge.members) > 1 and bridge.conversation:
            for member in bridge.members.values():
                if member.pickup and not member.pickup.status.failed:
                    self.takeovers.connect(member.pickup)
                    if member.linkedid == member.uniqueid:
                        other = next(one for one in bridge.members.values() if one is not member)
                        self.roll.join(member, other.linkedid)
        self.touch_bridge(bridge)

    def _come_on_hold(self, bridge: Bridge) -> None:
        """Who comes to the other end of a Local pair is on hold where the pair is."""
        for member in bridge.members.values():
            if not member.local and (hold := self.board.held_by(self.board.talks_with(member))):
                hold.whom = member.uniqueid

    def holds(self, channel: Channel, at: float) -> None:
        """A phone has put on hold whom it talks with."""
        partner, held = channel.partner, self.board.talks_with(channel)
        if partner is not None:
            partner.put_on_hold = True  # as a row that was older could deny at the end of its list
        channel.hold = Hold(at, partner.uniqueid if partner else "", held.uniqueid if held else "")
        self.touch_with_partner(channel)

    def releases(self, channel: Channel) -> None:
        """A phone has nobody on hold any more."""
        channel.hold = None
        if channel.partner is not None:
            channel.partner.put_on_hold = False
        self.touch_with_partner(channel)
