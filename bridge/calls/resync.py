"""What the answers of a resync say, and what they leave out: that no longer exists.

A Status row may be newer than events that come after it. All of a resync are taken at once, when the last one has come: a
slow Asterisk takes seconds for them (eleven for 374, seen on 22.10), tells no event between them, and tells the caller of
a ringing phone in whatever place.
"""

from collections.abc import Callable, Mapping

from bridge.calls.channels import UP, Channel
from bridge.calls.events import RESYNC, Headers, number, once, repeats, text, variables
from bridge.calls.floor import Floor
from bridge.calls.gathering import Gathering
from bridge.calls.orders import answer_time
from bridge.grammar import epoch_and_sequence

_SLOW = 1.0
"""Seconds for a list of channels in which other channels may have come."""


_LATER = 2.0
"""Seconds by which a channel is not the same one: its age is told in whole seconds."""


class Resync:
    """Takes the answers to questions, of a resync or of one channel.

    Args:
        floor: What they are true of.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._board = floor.board
        self.ways: Mapping[str, Callable[[Headers, float], None]] = {
            "BridgeListItem": self._bridgelistitem,
            "Status": self._status,
            "StatusComplete": self._statuscomplete,
        }

    def gather(self, action_id: str) -> None:
        """Begin anew with the first answer of each resync, be it only the end of an empty list.

        What one that broke off has gathered may be over by the next.
        """
        if action_id.startswith(RESYNC):
            resync = action_id.partition("/")[0]
            gathering = self._floor.gathering
            if gathering is None or gathering.resync != resync:
                self._floor.gathering = Gathering(resync)

    def waits(self, name: str, event: Headers, at: float) -> bool:
        """Whether this is a row to wait with; whatever else comes is newer than the rows before it."""
        gathering = self._floor.gathering
        if gathering is None:
            return False
        if name == "Status" and text(event, "ActionID").startswith(RESYNC):
            gathering.rows.append((event, at))
            return True
        rows, gathering.rows = gathering.rows, []
        if rows and at - rows[0][1] > _SLOW:
            rows = self._announced(rows)
        for row, when in rows:
            self._status(row, when)
        return False

    def _announced(self, rows: list[tuple[Headers, float]]) -> list[tuple[Headers, float]]:
        """Leave out of a slow list who was born while it was made, and whose caller is not in it.

        It may have passed the caller's place before he was there, and come to that of the phone that he calls later
        (seen on 22.10). Both are announced behind the list, the caller first.
        """
        began = rows[0][1]
        there = {text(row, "Uniqueid") for row, _ in rows} | self._board.channels.keys()
        return [
            (row, at)
            for row, at in rows
            if text(row, "Linkedid") in there
            or text(row, "Uniqueid") in self._board.channels
            or number(row, "Seconds") > at - began + 1
        ]

    def _bridgelistitem(self, event: Headers, _: float) -> None:
        if gathering := self._floor.gathering:
            gathering.bridges[text(event, "BridgeUniqueid")] = (
                text(event, "BridgeType"),
                text(event, "BridgeTechnology"),
            )

    def _status(self, event: Headers, at: float) -> None:
        floor = self._floor
        told = variables(event)
        born = at - max(0, number(event, "Seconds"))
        uniqueid = self._whose(event)
        if not uniqueid:
            return
        channel = self._board.channels.get(uniqueid)
        if channel is not None and _is_anothers(channel, event, told, born):
            floor.gone(channel, 0)
            channel = None
        if channel is None:
            channel = floor.add(event, born)
            floor.entering.pop(uniqueid, None)  # the row is newer
        else:
            floor.rename(channel, text(event, "Channel"))
        channel.state = number(event, "ChannelState")
        floor.parties(channel, event)
        if not repeats(event, "DNID"):
            channel.dialled = once(text(event, "DNID")) or channel.dialled
        if not repeats(event, "Linkedid"):
            self._joins(channel, text(event, "Linkedid"))
        if channel.state == UP:
            if channel.answered is None:
                channel.answered = answer_time(told, channel, born)
            if channel.pickup:
                channel.pickup.up = True
        channel.put_on_hold = told.get("CHANNEL(onhold)") == "1"
        floor.takeovers.told_order(channel, told)
        floor.recall(channel)
        self._stand(channel, text(event, "BridgeID") or text(event, "BridgeId"))
        if floor.gathering is not None:
            floor.gathering.seen.add(channel.uniqueid)
        floor.touch(channel)

    def _whose(self, event: Headers) -> str:
        """The Uniqueid of a row's channel; empty where it cannot be said.

        Somebody's number stands before it and behind it, so that of several ids, its own or its call's, none is plainly
        the true one: it is the one of a channel that has the row's name, where there is such a channel.
        """
        if not repeats(event, "Uniqueid", "Linkedid"):
            return text(event, "Uniqueid")
        told, name = event.get("Uniqueid", ""), text(event, "Channel")
        if not name:
            return ""
        known = (self._board.channels.get(one) for one in ([told] if isinstance(told, str) else told))
        channel = next((one for one in known if one is not None and one.is_called(name)), None)
        if channel is None and self._floor.gathering is not None:
            self._floor.gathering.unread.add(name)
        return channel.uniqueid if channel else ""

    def _joins(self, channel: Channel, linkedid: str) -> None:
        """Put a channel into the call that Asterisk says it is in."""
        pickup = channel.pickup
        # Of a pickup leg that came by masquerade Asterisk does not know in whose call it is; whoever saw it does.
        adopted = pickup is not None and channel.leg and linkedid == channel.uniqueid
        if linkedid and linkedid != channel.linkedid and not adopted:
            self._floor.roll.join(channel, linkedid)
        if pickup and linkedid not in ("", channel.uniqueid):
            self._floor.takeovers.connect(pickup)  # it has been in a conversation, and may be parked by now

    def _stand(self, channel: Channel, bridge_id: str) -> None:
        """Put a channel where its Status row says that it is."""
        floor, gathering = self._floor, self._floor.gathering
        if not bridge_id:
            floor.touch_bridge(channel.bridge)
            self._board.leave(channel)
            return
        type_, technology = gathering.bridges.get(bridge_id, ("", "")) if gathering else ("", "")
        bridge = self._board.bridge(bridge_id, type_, technology)
        self._board.enter(channel, bridge)
        floor.settle(bridge)

    def _statuscomplete(self, event: Headers, at: float) -> None:
        floor, gathering = self._floor, self._floor.gathering
        if gathering is None or not text(event, "ActionID").startswith(RESYNC):
            return
        floor.gathering = None
        floor.early.clear()
        floor.entering.clear()
        for uniqueid in list(floor.takeovers.missing):
            floor.takeovers.told_late(uniqueid, 0)
        for device in floor.devices.keys() - gathering.devices if gathering.devices else ():
            del floor.devices[device]
        for channel in list(self._board.channels.values()):
            if channel.uniqueid not in gathering.seen and channel.name not in gathering.unread:
                floor.gone(channel, None)
                continue
            if channel.parking and channel.uniqueid not in gathering.parked:
                channel.parking = None
                floor.touch(channel)
            if channel.queue and channel.uniqueid not in gathering.queued:
                channel.queue = ""
                floor.touch(channel)
            self._heal_hold(channel, at)

    def _heal_hold(self, channel: Channel, at: float) -> None:
        """Date a hold that was not seen to begin, and end one that was not seen to end.

        A hold that outlives the party who was put on hold has no trace in Asterisk, and is left as it is.
        """
        board = self._board
        partner = board.talks_with(channel)
        if partner is None:
            return
        known = board.held_by(partner)
        if known and not channel.local:
            known.whom = channel.uniqueid
        if channel.put_on_hold and known is None:
            self._floor.holds(partner, at)
        elif known and known.traced and not channel.put_on_hold and channel.partner is partner:
            self._floor.releases(partner)


def _is_anothers(channel: Channel, event: Headers, told: Mapping[str, str], born: float) -> bool:
    """Whether a channel is not the one known by its id, but a later one, made while no event was heard.

    Ids that Asterisk makes of times do not come again: only those that somebody else has chosen, a pickup's among them.
    """
    order = channel.pickup.order if channel.pickup else None
    if order is not None and told.get("UAPI_BY", "") not in ("", "(null)", order.by):
        return True
    return (
        epoch_and_sequence(channel.uniqueid) is None
        and not channel.is_called(text(event, "Channel"))
        and born > channel.born + _LATER
    )
