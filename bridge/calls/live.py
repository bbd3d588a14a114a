"""What each running event says: the table of them, and what they do to the floor.

Two rules of Asterisk stand behind it. A call is the channels of one Linkedid, and a Linkedid changes only when a
channel enters a conversation: the one in *its* BridgeEnter is then everybody's in that bridge (seen on 16.28 and
22.10; after PickupChan the other events go on showing the pickup leg's own). And events may be older than the answer
to a question that overtook them, so that they may be replayed on top of it and lead to the same end.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from bridge.calls.channels import NOT_LEGS, RING, RINGING, UP, Channel, Entering, Parking
from bridge.calls.events import RESYNC, Headers, number, once, repeats, text
from bridge.calls.floor import Floor

_ABSENT = 20
"""A Hangup's cause (Q.850)."""

_REFUSED = (0, 19)
"""Those of a phone that says no at once, without a ring: 480, as one does that is not to be disturbed, and at times 302."""

_EARLY = 64
"""Of how many channels it may be heard where they are parked, or talk, before they are known."""


class Way(NamedTuple):
    """Who takes an event, and which headers name the channel that it is about."""

    take: Callable[[Headers, float, Channel | None], None]
    uniqueid: str = "Uniqueid"
    name: str = "Channel"
    """Its name stands before all that a caller can write, and what he has dialled before the id: with another's name
    an event is nobody's (see `whole`). Empty where that is looked at besides."""


class Live:
    """Takes running events.

    Args:
        floor: What they happen to.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._board = floor.board
        self._roll = floor.roll
        self._touch = floor.touch
        parkee = ("ParkeeUniqueid", "ParkeeChannel")
        self.ways: Mapping[str, Way] = {
            "Newchannel": Way(self._newchannel, name=""),
            "Newstate": Way(self._newstate),
            "Rename": Way(self._rename),
            "NewCallerid": Way(self._newcallerid),
            "NewConnectedLine": Way(self._newconnectedline),
            "Hangup": Way(self._hangup),
            "DialBegin": Way(self._dialbegin, "DestUniqueid", "DestChannel"),
            "BridgeEnter": Way(self._bridgeenter),
            "BridgeLeave": Way(self._bridgeleave),
            "Hold": Way(self._hold),
            "Unhold": Way(self._unhold),
            "Pickup": Way(self._pickup),
            "AttendedTransfer": Way(
                self._attendedtransfer, "OrigTransfererUniqueid", "OrigTransfererChannel"
            ),
            "ParkedCall": Way(self._parkedcall, *parkee),
            "ParkedCallSwap": Way(self._parkedcall, *parkee),
            "UnParkedCall": Way(self._unparked, *parkee),
            "ParkedCallGiveUp": Way(self._unparked, *parkee),
            "ParkedCallTimeOut": Way(self._unparked, *parkee),
            "QueueCallerJoin": Way(self._queuejoin),
            "QueueCallerLeave": Way(self._queueleave),
            "QueueCallerAbandon": Way(self._queueleave),
            "QueueEntry": Way(self._queuejoin),
            "DeviceStateChange": Way(self._devicestate),
        }

    # --- channels

    def _newchannel(self, event: Headers, at: float, channel: Channel | None) -> None:
        if not text(event, "Uniqueid"):
            return
        floor = self._floor
        if channel is not None:
            if channel.pickup is None or channel.name == text(event, "Channel"):
                return
            if number(event, "ChannelState") == RING:
                return  # somebody's who calls, and has dialled that id
            floor.gone(channel, 0)  # the only ids that come again: the earlier leg's end was lost
        channel = floor.add(event, at)
        channel.unbridged = True
        floor.parties(channel, event)
        _dialled(channel, event)
        if channel.state == UP:
            _answered(channel, at)
        floor.recall(channel)
        into = floor.entering.pop(channel.uniqueid, None) if floor.entering else None
        if into is not None and channel.is_called(into.name):
            floor.enters(channel, into)
        self._touch(channel)

    def _newcallerid(self, event: Headers, _: float, channel: Channel | None) -> None:
        if channel is not None:
            channel.number = once(text(event, "CallerIDNum"))
            channel.display = once(text(event, "CallerIDName"))
            self._touch(channel)
            self._floor.touch_bridge(channel.bridge)

    def _newconnectedline(self, event: Headers, _: float, channel: Channel | None) -> None:
        if channel is not None:
            self._floor.connected(channel, event)
            self._touch(channel)

    def _newstate(self, event: Headers, at: float, channel: Channel | None) -> None:
        state = number(event, "ChannelState")
        if channel is None:
            if state == UP and (missing := self._floor.takeovers.missing.get(text(event, "Uniqueid"))):
                missing.up = True
            return
        if state < 0:
            return
        channel.state = state
        if state == UP:
            _answered(channel, at)
        elif state == RING:
            _dialled(channel, event)
        self._touch(channel)

    def _rename(self, event: Headers, _: float, channel: Channel | None) -> None:
        if channel is not None and text(event, "Channel"):
            self._floor.rename(channel, text(event, "Newname"))

    def _hangup(self, event: Headers, at: float, channel: Channel | None) -> None:
        cause = number(event, "Cause")
        if channel is not None:
            if cause in _REFUSED and channel.pickup and channel.state != RINGING and at < channel.born + 1:
                cause = _ABSENT
            self._floor.gone(channel, cause)
        else:
            self._floor.entering.pop(text(event, "Uniqueid"), None)
            self._floor.takeovers.told_late(text(event, "Uniqueid"), cause)

    def _dialbegin(self, event: Headers, _: float, channel: Channel | None) -> None:
        if channel is None or repeats(event, "Uniqueid", "DestUniqueid"):
            return  # with two channels in one event it cannot be told which lines a caller has added
        dialler = text(event, "Uniqueid")
        caller = self._board.channels.get(dialler)
        channel.dialler = caller.uniqueid if caller else dialler
        self._touch(channel)

    # --- bridges

    def _bridgeenter(self, event: Headers, at: float, channel: Channel | None) -> None:
        floor = self._floor
        into = Entering(
            name=text(event, "Channel"),
            bridge=text(event, "BridgeUniqueid"),
            type=text(event, "BridgeType"),
            technology=text(event, "BridgeTechnology"),
            linkedid=text(event, "Linkedid"),
            at=at,
        )
        if not into.bridge:
            return
        if floor.gathering is not None:
            # Its list may not have had it yet.
            floor.gathering.bridges[into.bridge] = (into.type, into.technology)
            if into.type == "basic":
                floor.gathering.talks(text(event, "Uniqueid"))
        for earlier in floor.entering.values():
            if earlier.bridge == into.bridge:
                earlier.linkedid = into.linkedid or earlier.linkedid
        if channel is None:
            floor.join_all(self._board.bridges.get(into.bridge), into.linkedid)
            self._enters_early(text(event, "Uniqueid"), into)
            return
        successor = channel.taken_by
        if successor is not None and (successor.bridge is None or successor.bridge.uniqueid == into.bridge):
            channel = successor
        floor.enters(channel, into)

    def _enters_early(self, uniqueid: str, into: Entering) -> None:
        """Remember for a moment where a channel talks that is yet to be announced.

        Before Asterisk 17 channels and bridges reach AMI by caches of their own (source), and who fetches somebody
        parked is born and bridged within milliseconds. Those who are never announced are over, and must not keep
        others out: the oldest is forgotten for the next.
        """
        entering = self._floor.entering
        entering.pop(uniqueid, None)
        if len(entering) >= _EARLY:
            del entering[next(iter(entering))]
        entering[uniqueid] = into

    def _bridgeleave(self, event: Headers, _: float, channel: Channel | None) -> None:
        if channel is None:
            entering, uniqueid = self._floor.entering, text(event, "Uniqueid")
            if uniqueid in entering and entering[uniqueid].bridge == text(event, "BridgeUniqueid"):
                del entering[uniqueid]
            return
        bridge = channel.bridge
        if bridge is None or bridge.uniqueid != text(event, "BridgeUniqueid"):
            return
        self._touch(channel)
        self._floor.touch_bridge(bridge)
        self._board.leave(channel)
        if not bridge.conversation:
            channel.parking = None

    def _hold(self, event: Headers, at: float, channel: Channel | None) -> None:  # noqa: ARG002 -- as all
        if channel is not None:
            self._floor.holds(channel, at)

    def _unhold(self, event: Headers, at: float, channel: Channel | None) -> None:  # noqa: ARG002 -- as all
        if channel is not None:
            self._floor.releases(channel)

    def _pickup(self, event: Headers, _: float, channel: Channel | None) -> None:
        """PickupChan has put a pickup leg in its target's place.

        A target that was answered and bridged a moment before is replaced by masquerade, and no BridgeEnter,
        BridgeLeave or Linkedid change is ever announced for that (seen on 22.10 in one of ten such races). AMI may
        tell of the Pickup before it tells who has entered that bridge.
        """
        board = self._board
        target = board.channels.get(text(event, "TargetUniqueid"))
        if channel is None or target is None or not target.is_called(text(event, "TargetChannel")):
            return
        if channel.pickup is None:
            self._floor.takeovers.taken(target.uniqueid)
            return
        bridge = target.bridge
        if bridge is None:
            target.taken_by = channel  # if AMI tells yet that the target enters a bridge, it is not in there
            return
        self._touch(target)
        board.leave(target)
        board.enter(channel, board.bridge(bridge.uniqueid, bridge.type, bridge.technology))
        self._roll.join(channel, target.linkedid)
        self._floor.settle(bridge)

    def _attendedtransfer(self, event: Headers, _: float, __: Channel | None) -> None:
        """A phone has put whom it talks with in the place of another call of its own, of which no talk has come yet.

        He goes on where that one was, and nothing else says so: what it rings rings for him, and where it waited in a
        queue, he does (seen on 16.28 and 22.10; REFER with Replaces). The phone says so in either of its calls; which one
        was a talk, its bridge tells. Where it was one of many, nobody moves. The end of the other call may be told first.
        """
        if text(event, "DestType") != "App":
            return
        if "OrigBridgeUniqueid" in event:
            talk, left, mover = "OrigBridge", "SecondTransferer", "Transferee"
        else:
            talk, left, mover = "SecondBridge", "OrigTransferer", "TransferTarget"
        told = (f"{left}Uniqueid", f"{left}Channel", f"{mover}Uniqueid", f"{mover}Channel")
        if text(event, f"{talk}Type") != "basic" or repeats(event, *told, "DestType"):
            return  # in an event of several channels it cannot be told which lines a caller has added
        place, moved = text(event, told[0]), text(event, told[2])
        channels, gathering = self._board.channels, self._floor.gathering
        for uniqueid, name in ((place, told[1]), (moved, told[3])):
            known = channels.get(uniqueid)
            if known is not None and not known.is_called(text(event, name)):
                return
        if gathering is not None and place in gathering.queued:
            gathering.queued[moved] = gathering.queued.pop(place)
        for called in channels.values():
            if called.dialler == place:
                called.dialler = moved
                self._touch(called)
        second, channel = channels.get(place), channels.get(moved)
        if second is not None and channel is not None:
            channel.queue, second.queue = second.queue, ""
            self._touch(channel)
            self._touch(second)

    # --- waiting places

    def _parkedcall(self, event: Headers, at: float, channel: Channel | None) -> None:
        floor, uniqueid = self._floor, text(event, "ParkeeUniqueid")
        parking = Parking(
            since=at - max(0, number(event, "ParkingDuration")),
            space=text(event, "ParkingSpace"),
            by=floor.numbering.of_device(text(event, "ParkerDialString")),
        )
        if floor.gathering is not None:
            floor.gathering.parked[uniqueid] = parking
        if channel is None:
            # Parking reaches AMI on a way of its own, and may be faster than Newchannel (seen on 22.10).
            if len(floor.early) < _EARLY:
                floor.early[uniqueid] = parking
            return
        if channel.parking and channel.parking.space == parking.space:
            parking.since = channel.parking.since
        channel.parking = parking
        self._floor.touch_waiting(channel)

    def _unparked(self, event: Headers, at: float, channel: Channel | None) -> None:
        uniqueid = text(event, "ParkeeUniqueid")
        self._floor.early.pop(uniqueid, None)
        if self._floor.gathering is not None:
            self._floor.gathering.parked.pop(uniqueid, None)
        if channel is not None:
            self._floor.served(channel, at)  # that he has left the lot may have been told before

    def _queuejoin(self, event: Headers, _: float, channel: Channel | None) -> None:
        if self._floor.gathering is not None:
            self._floor.gathering.queued[text(event, "Uniqueid")] = text(event, "Queue")
        if channel is not None:
            channel.queue = text(event, "Queue")
            self._floor.touch_waiting(channel)

    def _queueleave(self, event: Headers, at: float, channel: Channel | None) -> None:
        if self._floor.gathering is not None:
            self._floor.gathering.queued.pop(text(event, "Uniqueid"), None)
        if channel is not None and channel.queue:
            self._floor.served(channel, at)

    def _devicestate(self, event: Headers, at: float, channel: Channel | None) -> None:  # noqa: ARG002 -- as all
        floor, device, state = self._floor, text(event, "Device"), text(event, "State")
        if state == "INVALID":
            # Only an answer takes a phone away: an event as short as this could be a caller's number (see `whole`).
            if text(event, "ActionID").startswith(RESYNC) and "Privilege" not in event:
                floor.devices.pop(device, None)
        elif not device.startswith(NOT_LEGS):  # a Local channel's device is named after whatever was dialled
            floor.devices[device] = state
            if floor.gathering is not None:
                floor.gathering.devices.add(device)


def _answered(channel: Channel, at: float) -> None:
    if channel.answered is None:
        channel.answered = at
    if channel.pickup:
        channel.pickup.up = True


def _dialled(channel: Channel, event: Headers) -> None:
    """What a caller has dialled: chan_pjsip's channel is born calling, chan_sip's begins to an instant later."""
    if channel.state == RING and not channel.dialled:
        dialled = text(event, "Exten")
        channel.dialled = "" if dialled == "s" else once(dialled)
