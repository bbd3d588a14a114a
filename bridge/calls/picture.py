"""The picture of live calls: one AMI event in at a time, calls and changes out.

Two rules of Asterisk stand behind it. A call is the channels of one Linkedid, and a Linkedid changes only when a
channel enters a conversation: the one in *its* BridgeEnter is then everybody's in that bridge (seen on 16.28 and
22.10; after PickupChan the other events go on showing the pickup leg's own). And events may be older than the answer
to a question that overtook them, so that a Status row is taken as it comes, and older events replayed on top of it
lead to the same end.
"""

from collections.abc import Callable, Iterable, Mapping

from bridge.calls.channels import NOT_LEGS, RING, UP, Board, Bridge, Channel, Hold, Parking, Pickup
from bridge.calls.events import ANSWERS, CDR_VARIABLES, RESYNC, Headers, number, repeats, text, variables
from bridge.calls.model import Call, Change, Mode, Numbering, Order, PickupNote, PickupStatus
from bridge.calls.views import build
from bridge.grammar import CallId, Extension, PickupId, Uniqueid, epoch_and_sequence

_CAUSES = {
    17: PickupStatus.BUSY,
    19: PickupStatus.NO_ANSWER,
    21: PickupStatus.REJECTED,
    26: PickupStatus.CONFLICT,
}
"""What the cause of a ringing pickup leg's Hangup says of it; any other: the phone could not be reached."""

_STOPPED = (0, 16)
"""Causes of a Hangup that was asked for, not of one that the phone gave."""

_MODES = frozenset(mode.value for mode in Mode)

_SUBJECTS = {
    "DialBegin": "Dest",
    **dict.fromkeys(
        ("ParkedCall", "ParkedCallSwap", "UnParkedCall", "ParkedCallGiveUp", "ParkedCallTimeOut"), "Parkee"
    ),
}
"""What stands before the headers of the channel that an event is about, where it is not the first one."""

_EARLY = 64
"""How many parked channels may be heard of before they are known."""

_FORGETTING = 2048
"""How many ended pickups stay known, for those who are still waiting to hear of them."""


class _Record:
    """The channels of one Linkedid, and the call last built of them."""

    __slots__ = ("built", "channels", "id", "linkedid", "notes")

    def __init__(self, linkedid: str) -> None:
        self.linkedid = linkedid
        self.id = CallId.of(linkedid)
        self.channels: dict[str, Channel] = {}
        self.notes: dict[str, PickupNote] = {}
        self.built: Call | None = None


class Picture:
    """All live calls.

    Args:
        numbering: How this PBX names the phones of its extensions.
        queues: The extension of each queue that has one, by the queue's name.
    """

    def __init__(self, numbering: Numbering, queues: Mapping[str, Extension] | None = None) -> None:
        self.board = Board()
        self.devices: dict[str, str] = {}
        self.pickups: dict[PickupId, Pickup] = {}
        self.track_changes = False
        self._numbering = numbering
        self._queues = dict(queues or {})
        self._records: dict[str, _Record] = {}
        self._by_id: dict[CallId, _Record] = {}
        self._by_extension: dict[Extension, dict[CallId, None]] = {}
        self._dirty: dict[_Record, None] = {}
        self._changes: list[Change] = []
        self._of_call: dict[CallId, dict[PickupId, Pickup]] = {}
        self._watched: dict[str, set[PickupId]] = {}
        self._stirred: set[PickupId] = set()
        self._gathering: _Gathering | None = None
        self._early: dict[str, Parking] = {}
        self._missing: dict[str, Pickup] = {}
        self._handlers: dict[str, Callable[[Headers, float], None]] = {
            "Newchannel": self._newchannel,
            "Newstate": self._newstate,
            "Rename": self._rename,
            "NewCallerid": self._newcallerid,
            "NewConnectedLine": self._newconnectedline,
            "Hangup": self._hangup,
            "DialBegin": self._dialbegin,
            "BridgeEnter": self._bridgeenter,
            "BridgeLeave": self._bridgeleave,
            "Hold": self._hold,
            "Unhold": self._unhold,
            "Pickup": self._pickup,
            "ParkedCall": self._parkedcall,
            "ParkedCallSwap": self._parkedcall,
            "UnParkedCall": self._unparked,
            "ParkedCallGiveUp": self._unparked,
            "ParkedCallTimeOut": self._unparked,
            "QueueCallerJoin": self._queuejoin,
            "QueueCallerLeave": self._queueleave,
            "QueueCallerAbandon": self._queueleave,
            "QueueEntry": self._queueentry,
            "DeviceStateChange": self._devicestate,
            "BridgeListItem": self._bridgelistitem,
            "Status": self._status,
            "StatusComplete": self._statuscomplete,
        }

    # --- the door

    def apply(self, event: Headers, at: float) -> Iterable[Pickup]:
        """Take one event in.

        Args:
            event: Its headers, the name under ``Event``. Unknown names and unknown channels are passed over.
            at: When it came, seconds since 1970.

        Returns:
            The pickups that it may concern; ended ones among them for the last time.
        """
        name = text(event, "Event")
        if name in ANSWERS:
            self._gather(text(event, "ActionID"))
        handler = self._handlers.get(name)
        if handler is None or self._misnamed(name, event):
            return ()
        handler(event, at)
        # While the rows of a resync come in, a pickup may be seen before its caller is: nothing is to be made of that.
        if not self._stirred or self._gathering is not None:
            return ()
        stirred = [self.pickups[id_] for id_ in self._stirred if id_ in self.pickups]
        self._stirred.clear()
        return stirred

    def _misnamed(self, name: str, event: Headers) -> bool:
        """Whether an event has the id of one channel and the name of another.

        The name stands before all that a caller can write, and what he has dialled before the id (see `whole`).
        """
        subject = _SUBJECTS.get(name, "")
        channel = self.board.channels.get(text(event, f"{subject}Uniqueid"))
        if channel is None or name in ANSWERS or name == "Newchannel":
            return False
        told = text(event, f"{subject}Channel")
        return told != channel.name and not channel.was_called(told)

    def call(self, id_: CallId) -> Call | None:
        """The live call with this id."""
        self._flush()
        record = self._by_id.get(id_)
        return record.built if record else None

    def calls_of(self, extension: Extension) -> list[Call]:
        """The live calls listed under an extension, in no order."""
        self._flush()
        return [
            record.built
            for id_ in self._by_extension.get(extension, ())
            if (record := self._by_id.get(id_)) and record.built
        ]

    def calls(self) -> list[Call]:
        """All live calls, in no order."""
        self._flush()
        return [record.built for record in self._records.values() if record.built]

    def extensions(self) -> Iterable[Extension]:
        """The extensions that have a live call."""
        self._flush()
        return self._by_extension.keys()

    def take_changes(self) -> list[Change]:
        """What has changed since the last time; only while ``track_changes`` is on."""
        self._flush()
        changes, self._changes = self._changes, []
        return changes

    def pickups_of(self, call: CallId) -> list[Pickup]:
        """The live pickup legs made for a call, and those not yet forgotten, oldest first."""
        return list(self._of_call.get(call, {}).values())

    def channels_of(self, call: CallId) -> list[Channel]:
        """All channels that have a call's Linkedid, Local halves too."""
        record = self._by_id.get(call)
        return list(record.channels.values()) if record else []

    def note(self, call: CallId, view: str, note: PickupNote) -> None:
        """Remember how a pickup that never had a channel ended."""
        if record := self._by_id.get(call):
            record.notes[view] = note
            self._dirty[record] = None

    # --- calls

    def _touch(self, channel: Channel) -> None:
        record = self._records.get(channel.linkedid)
        if record is not None:
            self._dirty[record] = None
        if watchers := self._watched.get(channel.uniqueid):
            self._stirred |= watchers

    def _touch_bridge(self, bridge: Bridge | None) -> None:
        if bridge is not None:
            for member in bridge.members.values():
                self._touch(member)

    def _join_call(self, channel: Channel, linkedid: str) -> None:
        if channel.linkedid in self._records:
            self._leave_call(channel)
        channel.linkedid = linkedid
        record = self._records.get(linkedid)
        if record is None:
            record = self._records[linkedid] = _Record(linkedid)
            self._by_id[record.id] = record
        record.channels[channel.uniqueid] = channel
        self._dirty[record] = None

    def _leave_call(self, channel: Channel) -> None:
        record = self._records[channel.linkedid]
        record.channels.pop(channel.uniqueid, None)
        self._dirty[record] = None

    def _flush(self) -> None:
        """Build the calls that events have touched, and the indexes and changes that follow."""
        while self._dirty:
            record = next(iter(self._dirty))
            del self._dirty[record]
            before = record.built
            after = None
            if record.channels:
                after = build(
                    record.id,
                    record.linkedid,
                    record.channels.values(),
                    [pickup for pickup in self.pickups_of(record.id) if pickup.id in self.board.channels],
                    record.notes,
                    self.board,
                    self._queues,
                )
            else:
                self._records.pop(record.linkedid, None)
                self._by_id.pop(record.id, None)
            record.built = after
            self._index(
                record.id, before.listed if before else frozenset(), after.listed if after else frozenset()
            )
            if self.track_changes and after != before:
                self._changes.append(_change(before, after))

    def _index(self, call: CallId, before: frozenset[Extension], after: frozenset[Extension]) -> None:
        for extension in before - after:
            calls = self._by_extension[extension]
            del calls[call]
            if not calls:
                del self._by_extension[extension]
        for extension in after - before:
            self._by_extension.setdefault(extension, {})[call] = None

    # --- channels

    def _channel(self, event: Headers, header: str = "Uniqueid") -> Channel | None:
        return self.board.channels.get(text(event, header))

    def _new(self, event: Headers, born: float) -> Channel:
        uniqueid, name = text(event, "Uniqueid"), text(event, "Channel")
        made = epoch_and_sequence(uniqueid)
        channel = Channel(
            uniqueid=uniqueid,
            name=name,
            linkedid="",
            state=number(event, "ChannelState"),
            born=float(made[0]) if made else born,
            extension=self._numbering.of_channel(name),
            local=name.startswith("Local/"),
            party=not name.startswith(NOT_LEGS),
        )
        self.board.add(channel)
        self._join_call(channel, text(event, "Linkedid") or uniqueid)
        if pickup := PickupId.maybe(uniqueid):
            channel.pickup = self._new_pickup(pickup, born)
        return channel

    def _newchannel(self, event: Headers, at: float) -> None:
        if not text(event, "Uniqueid"):
            return
        channel = self._channel(event)
        if channel is not None:
            if channel.pickup is None or channel.name == text(event, "Channel"):
                return
            if number(event, "ChannelState") == RING:
                return  # somebody's who calls, and has dialled that id
            self._gone(channel, 0)  # the only ids that come again: the earlier leg's end was lost
        channel = self._new(event, at)
        if self._gathering is not None:
            self._gathering.seen.add(channel.uniqueid)
        self._parties(channel, event)
        self._dialled(channel, event)
        if channel.state == UP:
            self._answered(channel, at)
        self._recall(channel)
        self._touch(channel)

    def _parties(self, channel: Channel, event: Headers) -> None:
        channel.number, channel.display = text(event, "CallerIDNum"), text(event, "CallerIDName")
        channel.connected_number = text(event, "ConnectedLineNum")
        channel.connected_display = text(event, "ConnectedLineName")

    def _newcallerid(self, event: Headers, _: float) -> None:
        if channel := self._channel(event):
            channel.number, channel.display = text(event, "CallerIDNum"), text(event, "CallerIDName")
            self._touch(channel)
            self._touch_bridge(channel.bridge)

    def _newconnectedline(self, event: Headers, _: float) -> None:
        if channel := self._channel(event):
            channel.connected_number = text(event, "ConnectedLineNum")
            channel.connected_display = text(event, "ConnectedLineName")
            self._touch(channel)

    def _dialled(self, channel: Channel, event: Headers) -> None:
        """What a caller has dialled: chan_pjsip's channel is born calling, chan_sip's begins to an instant later."""
        if channel.state == RING and not channel.dialled:
            dialled = text(event, "Exten")
            channel.dialled = "" if dialled == "s" else dialled

    def _newstate(self, event: Headers, at: float) -> None:
        channel = self._channel(event)
        state = number(event, "ChannelState")
        if state == UP and (missing := self._missing.get(text(event, "Uniqueid"))):
            missing.up = True
        if channel is None or state < 0:
            return
        channel.state = state
        self._dialled(channel, event)
        if state == UP:
            self._answered(channel, at)
        self._touch(channel)

    def _answered(self, channel: Channel, at: float) -> None:
        if channel.answered is None:
            channel.answered = at
        if channel.pickup:
            channel.pickup.up = True

    def _rename(self, event: Headers, _: float) -> None:
        if (channel := self._channel(event)) and text(event, "Channel"):
            self._called(channel, text(event, "Newname"))

    def _called(self, channel: Channel, name: str) -> None:
        if name and name != channel.name:
            self.board.rename(channel, name)
            channel.extension = self._numbering.of_channel(name)
            self._touch(channel)

    def _hangup(self, event: Headers, _: float) -> None:
        uniqueid, cause = text(event, "Uniqueid"), number(event, "Cause")
        if channel := self.board.channels.get(uniqueid):
            self._gone(channel, cause)
        else:
            self._told_late(uniqueid, cause)

    def _told_late(self, uniqueid: str, cause: int) -> None:
        """A resync has missed a channel already whose Hangup it has overtaken: only now is it told why."""
        if pickup := self._missing.pop(uniqueid, None):
            self._end_pickup(pickup, cause)
        self._told_cause(uniqueid, cause)
        self._stirred |= self._watched.get(uniqueid, set())

    def _told_cause(self, uniqueid: str, cause: int) -> None:
        for id_ in self._watched.get(uniqueid, ()):
            pickup = self.pickups[id_]
            if pickup.order and pickup.order.target == uniqueid:
                pickup.cause = pickup.cause or cause

    def _gone(self, channel: Channel, cause: int | None) -> None:
        """A channel has ended; None where a resync has missed it, and nobody knows yet why."""
        self._touch(channel)
        self._touch_bridge(channel.bridge)
        self.board.remove(channel)
        self._leave_call(channel)
        if channel.pickup:
            if cause is None and channel.pickup.status is PickupStatus.RINGING:
                self._missing[channel.uniqueid] = channel.pickup
                self._stirred.discard(channel.pickup.id)
            else:
                self._end_pickup(channel.pickup, cause or 0)
        self._told_cause(channel.uniqueid, cause or 0)

    def _dialbegin(self, event: Headers, _: float) -> None:
        if repeats(event, "Uniqueid", "DestUniqueid"):
            return  # with two channels in one event it cannot be told which lines a caller has added
        if channel := self._channel(event, "DestUniqueid"):
            channel.dialler = text(event, "Uniqueid")
            self._touch(channel)

    # --- bridges

    def _bridgeenter(self, event: Headers, _: float) -> None:
        channel, bridge_id = self._channel(event), text(event, "BridgeUniqueid")
        if self._gathering is not None and text(event, "BridgeType") == "basic":
            self._gathering.talks(text(event, "Uniqueid"))
        if not bridge_id:
            return
        if channel is None:
            self._join_all(self.board.bridges.get(bridge_id), text(event, "Linkedid"))
            return
        successor = channel.taken_by
        if successor is not None and (successor.bridge is None or successor.bridge.uniqueid == bridge_id):
            channel = successor
        self._touch_bridge(channel.bridge)
        bridge = self.board.bridge(bridge_id, text(event, "BridgeType"), text(event, "BridgeTechnology"))
        self.board.enter(channel, bridge)
        if bridge.conversation:
            channel.queue, channel.parking = "", None
            self._join_all(bridge, text(event, "Linkedid"))
        self._settle(bridge)

    def _join_all(self, bridge: Bridge | None, linkedid: str) -> None:
        """The Linkedid in the latest BridgeEnter of a conversation is that of everybody in it."""
        if bridge is not None and bridge.conversation and linkedid:
            for member in bridge.members.values():
                if member.linkedid != linkedid:
                    self._join_call(member, linkedid)

    def _bridgeleave(self, event: Headers, _: float) -> None:
        channel = self._channel(event)
        if channel is None or channel.bridge is None:
            return
        bridge = channel.bridge
        if bridge.uniqueid != text(event, "BridgeUniqueid"):
            return
        self._touch_bridge(bridge)
        self.board.leave(channel)
        if not bridge.conversation:
            channel.parking = None

    def _settle(self, bridge: Bridge) -> None:
        """A pickup leg beside somebody else in a conversation is connected, and one of their call.

        One that came there by masquerade keeps its own Linkedid in Asterisk (seen on 16.28 and 22.10).
        """
        if bridge.conversation and len(bridge.members) > 1:
            for member in bridge.members.values():
                if member.pickup and not member.pickup.status.failed:
                    self._connect(member.pickup)
                    if member.linkedid == member.uniqueid:
                        other = next(one for one in bridge.members.values() if one is not member)
                        self._join_call(member, other.linkedid)
        self._touch_bridge(bridge)

    def _hold(self, event: Headers, at: float) -> None:
        if channel := self._channel(event):
            self._holds(channel, at)

    def _holds(self, channel: Channel, at: float) -> None:
        held = self.board.talks_with(channel)
        channel.hold = Hold(at, held.uniqueid if held else "")
        self._touch_with_partner(channel)

    def _unhold(self, event: Headers, _: float) -> None:
        if channel := self._channel(event):
            channel.hold = None
            self._touch_with_partner(channel)

    def _touch_with_partner(self, channel: Channel) -> None:
        self._touch(channel)
        if partner := self.board.talks_with(channel):
            self._touch(partner)

    # --- waiting places

    def _parkedcall(self, event: Headers, at: float) -> None:
        uniqueid = text(event, "ParkeeUniqueid")
        parking = Parking(
            since=at - max(0, number(event, "ParkingDuration")),
            space=text(event, "ParkingSpace"),
            by=self._numbering.of_device(text(event, "ParkerDialString")),
        )
        if self._gathering is not None:
            self._gathering.parked[uniqueid] = parking
        channel = self.board.channels.get(uniqueid)
        if channel is None:
            # Parking reaches AMI on a way of its own, and may be faster than Newchannel (seen on 22.10).
            if len(self._early) < _EARLY:
                self._early[uniqueid] = parking
            return
        if channel.parking and channel.parking.space == parking.space:
            parking.since = channel.parking.since
        channel.parking = parking
        self._touch(channel)

    def _unparked(self, event: Headers, _: float) -> None:
        uniqueid = text(event, "ParkeeUniqueid")
        self._early.pop(uniqueid, None)
        if self._gathering is not None:
            self._gathering.parked.pop(uniqueid, None)
        if channel := self.board.channels.get(uniqueid):
            channel.parking = None
            self._touch(channel)

    def _queuejoin(self, event: Headers, _: float) -> None:
        if self._gathering is not None:
            self._gathering.queued[text(event, "Uniqueid")] = text(event, "Queue")
        if channel := self._channel(event):
            channel.queue = text(event, "Queue")
            self._touch(channel)

    def _queueentry(self, event: Headers, at: float) -> None:
        self._queuejoin(event, at)

    def _queueleave(self, event: Headers, _: float) -> None:
        if self._gathering is not None:
            self._gathering.queued.pop(text(event, "Uniqueid"), None)
        if channel := self._channel(event):
            channel.queue = ""
            self._touch(channel)

    def _devicestate(self, event: Headers, _: float) -> None:
        device, state = text(event, "Device"), text(event, "State")
        if state == "INVALID":
            # Only an answer takes a phone away: an event as short as this could be a caller's number (see `whole`).
            if text(event, "ActionID").startswith(RESYNC):
                self.devices.pop(device, None)
        elif not device.startswith(NOT_LEGS):  # a Local channel's device is named after whatever was dialled
            self.devices[device] = state
            if self._gathering is not None:
                self._gathering.devices.add(device)

    # --- pickups

    def _new_pickup(self, id_: PickupId, at: float) -> Pickup:
        if missing := self._missing.pop(id_, None):
            self._end_pickup(missing, 0)
        pickup = Pickup(id_, at)
        self._forget_pickups()
        of_call = self._of_call.setdefault(id_.call, {})
        for known in (self.pickups, of_call):
            known.pop(id_, None)  # an earlier try of that id: this one is younger than all others
            known[id_] = pickup
        self._watch(id_, id_)
        return pickup

    def _watch(self, uniqueid: str, pickup: PickupId) -> None:
        self._watched.setdefault(uniqueid, set()).add(pickup)
        self._stirred.add(pickup)

    def _touch_pickup(self, pickup: Pickup) -> None:
        self._stirred.add(pickup.id)
        if record := self._by_id.get(pickup.id.call):
            self._dirty[record] = None

    def _recall(self, channel: Channel) -> None:
        """Take up what is already known of a channel's place: told too early, or by a resync under way."""
        channel.parking = self._early.pop(channel.uniqueid, channel.parking)
        gathering = self._gathering
        if gathering is None:
            return
        if parking := gathering.parked.get(channel.uniqueid):
            channel.parking = parking
        if queue := gathering.queued.get(channel.uniqueid):
            channel.queue = queue

    def _told_order(self, channel: Channel, told: Mapping[str, str]) -> None:
        pickup = channel.pickup
        if pickup is None or pickup.order is not None:
            return
        order = read_order(told)
        if order is None:
            return
        pickup.order = order
        if pickup.status is PickupStatus.CONNECTED:
            self._succeed(pickup, order)
        self._watch(order.source, pickup.id)
        self._watch(order.target, pickup.id)
        self._touch_pickup(pickup)
        self._touch(channel)

    def _pickup(self, event: Headers, _: float) -> None:
        """PickupChan has put a pickup leg in its target's place.

        A target that was answered and bridged a moment before is replaced by masquerade, and no BridgeEnter,
        BridgeLeave or Linkedid change is ever announced for that (seen on 22.10 in one of ten such races). AMI may
        tell of the Pickup before it tells who has entered that bridge.
        """
        channel, target = self._channel(event), self._channel(event, "TargetUniqueid")
        if channel is None or target is None or channel.pickup is None:
            return
        bridge = target.bridge
        if bridge is None:
            target.taken_by = channel  # if AMI tells yet that the target enters a bridge, it is not in there
            return
        self._touch(target)
        self.board.leave(target)
        self.board.enter(channel, self.board.bridge(bridge.uniqueid, bridge.type, bridge.technology))
        self._join_call(channel, target.linkedid)
        self._settle(bridge)

    def _connect(self, pickup: Pickup) -> None:
        if pickup.status is PickupStatus.RINGING:
            pickup.status = PickupStatus.CONNECTED
            self._touch_pickup(pickup)
            if pickup.order:
                self._succeed(pickup, pickup.order)

    def _succeed(self, pickup: Pickup, order: Order) -> None:
        """A pickup leg takes what was its target's: a hold by the source; and how earlier tries ended is no news."""
        source = self.board.channels.get(order.source)
        if source is not None and source.hold and source.hold.whom == order.target:
            source.hold = Hold(source.hold.since, pickup.id, traced=False)
            self._touch(source)
        if record := self._by_id.get(pickup.id.call):
            record.notes.pop(order.view, None)

    def _end_pickup(self, pickup: Pickup, cause: int) -> None:
        order = pickup.order
        record = self._by_id.get(pickup.id.call)
        if pickup.status is PickupStatus.RINGING:
            pickup.status = self._failure(pickup, cause)
            if order and record:
                record.notes[order.view] = PickupNote(order.taken_from, order.send_call_to, pickup.status)
        elif order and order.mode is Mode.WAITING and record:
            record.notes[order.view] = PickupNote(order.taken_from, order.send_call_to, pickup.status)
        self._touch_pickup(pickup)
        for uniqueid in {pickup.id, order.source if order else "", order.target if order else ""}:
            watchers = self._watched.get(uniqueid, set())
            watchers.discard(pickup.id)
            if not watchers:
                self._watched.pop(uniqueid, None)

    def _failure(self, pickup: Pickup, cause: int) -> PickupStatus:
        """Why a pickup that rang was not connected."""
        order = pickup.order
        if not pickup.up and cause not in _STOPPED:
            return _CAUSES.get(cause, PickupStatus.UNREACHABLE)
        # The guard of the dialplan let it go, or a bridge stopped it: somebody has the caller, or he left. Or else the
        # ringing's time was over, of which 16.28 says cause 0.
        if order is None or order.source not in self.board.channels:
            return PickupStatus.CANCELLED
        if not pickup.up and self.board.stands(order):
            return PickupStatus.NO_ANSWER
        return PickupStatus.CONFLICT

    def _forget_pickups(self) -> None:
        """Forget the oldest of those that are over, never one that somebody may just be about to ask after."""
        if len(self.pickups) < _FORGETTING:
            return
        over = [id_ for id_ in self.pickups if id_ not in self.board.channels]
        for id_ in over[: len(over) // 2]:
            del self.pickups[id_]
            of_call = self._of_call[id_.call]
            del of_call[id_]
            if not of_call:
                del self._of_call[id_.call]

    # --- resync

    def _gather(self, action_id: str) -> None:
        """Begin anew with the first answer of each resync, be it only the end of an empty list.

        What one that broke off has gathered may be over by the next.
        """
        if action_id.startswith(RESYNC):
            resync = action_id.partition("/")[0]
            if self._gathering is None or self._gathering.resync != resync:
                self._gathering = _Gathering(resync)

    def _bridgelistitem(self, event: Headers, _: float) -> None:
        if gathering := self._gathering:
            gathering.bridges[text(event, "BridgeUniqueid")] = (
                text(event, "BridgeType"),
                text(event, "BridgeTechnology"),
            )

    def _status(self, event: Headers, at: float) -> None:
        if not text(event, "Uniqueid"):
            return
        told = variables(event)
        channel = self._channel(event)
        if channel is None:
            channel = self._new(event, at - max(0, number(event, "Seconds")))
        else:
            self._called(channel, text(event, "Channel"))
        channel.state = number(event, "ChannelState")
        self._parties(channel, event)
        channel.dialled = text(event, "DNID") or channel.dialled
        linkedid = text(event, "Linkedid")
        # Of a pickup leg that came by masquerade Asterisk does not know in whose call it is; whoever saw it does.
        adopted = channel.pickup is not None and channel.leg and linkedid == channel.uniqueid
        if linkedid and linkedid != channel.linkedid and not adopted:
            self._join_call(channel, linkedid)
        if channel.state == UP:
            answered = _answer_time(told, channel, at - max(0, number(event, "Seconds")))
            if answered is not None and channel.answered is None:
                channel.answered = answered
            if channel.pickup:
                channel.pickup.up = True
        if channel.pickup and linkedid not in ("", channel.uniqueid):
            self._connect(channel.pickup)  # it has been in a conversation, and may be parked by now
        channel.put_on_hold = told.get("CHANNEL(onhold)") == "1"
        self._told_order(channel, told)
        self._recall(channel)
        self._stand(channel, text(event, "BridgeID") or text(event, "BridgeId"))
        if self._gathering is not None:
            self._gathering.seen.add(channel.uniqueid)
        self._touch(channel)

    def _stand(self, channel: Channel, bridge_id: str) -> None:
        """Put a channel where its Status row says that it is."""
        if not bridge_id:
            self._touch_bridge(channel.bridge)
            self.board.leave(channel)
            return
        type_, technology = self._gathering.bridges.get(bridge_id, ("", "")) if self._gathering else ("", "")
        bridge = self.board.bridge(bridge_id, type_, technology)
        self.board.enter(channel, bridge)
        self._settle(bridge)

    def _statuscomplete(self, event: Headers, at: float) -> None:
        gathering = self._gathering
        if gathering is None or not text(event, "ActionID").startswith(RESYNC):
            return
        self._gathering = None
        self._early.clear()
        for uniqueid in list(self._missing):
            self._told_late(uniqueid, 0)
        for device in self.devices.keys() - gathering.devices if gathering.devices else ():
            del self.devices[device]
        for channel in list(self.board.channels.values()):
            if channel.uniqueid not in gathering.seen:
                self._gone(channel, None)
                continue
            if channel.parking and channel.uniqueid not in gathering.parked:
                channel.parking = None
                self._touch(channel)
            if channel.queue and channel.uniqueid not in gathering.queued:
                channel.queue = ""
                self._touch(channel)
            self._heal_hold(channel, at)

    def _heal_hold(self, channel: Channel, at: float) -> None:
        """Date a hold that was not seen to begin, and end one that was not seen to end.

        A hold that outlives the party who was put on hold has no trace in Asterisk, and is left as it is.
        """
        partner = self.board.talks_with(channel)
        if partner is None:
            return
        known = self.board.held_by(partner, self.board.talks_with(partner))
        if channel.put_on_hold and known is None:
            self._holds(partner, at)
        elif known and known.traced and not channel.put_on_hold and channel.partner is partner:
            partner.hold = None
            self._touch_with_partner(partner)


class _Gathering:
    """What the answers of a resync have said so far, and what events have said since."""

    def __init__(self, resync: str) -> None:
        self.resync = resync
        self.seen: set[str] = set()
        self.devices: set[str] = set()
        self.bridges: dict[str, tuple[str, str]] = {}
        self.parked: dict[str, Parking] = {}
        self.queued: dict[str, str] = {}

    def talks(self, uniqueid: str) -> None:
        """A channel is in a conversation now. Who was taken out of a queue is told of in no other way."""
        self.parked.pop(uniqueid, None)
        self.queued.pop(uniqueid, None)


def read_order(told: Mapping[str, str]) -> Order | None:
    """The order in a pickup leg's channel variables; None where they are not ours or not whole."""
    to, mode = Extension.maybe(told.get("UAPI_TO")), told.get("UAPI_MODE", "")
    source, target = Uniqueid.maybe(told.get("UAPI_SOURCE")), Uniqueid.maybe(told.get("UAPI_TARGET"))
    if to is None or source is None or target is None or mode not in _MODES:
        return None
    return Order(
        view=told.get("UAPI_VIEW", ""),
        taken_from=told.get("UAPI_FROM", ""),
        send_call_to=to,
        source=source,
        target=target,
        mode=Mode(mode),
        queue=told.get("UAPI_QUEUE") == "1",
        by=told.get("UAPI_BY", ""),
        answered=_seconds(told.get("UAPI_ANSWERED", "")),
        since=(_seconds(told["UAPI_SINCE"]) or 0.0) if told.get("UAPI_SINCE") else None,
        caller=told.get("UAPI_CALLER", ""),
        dialled=told.get("UAPI_DIALLED", ""),
    )


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if 0 < seconds < 1e12 else None


def _answer_time(told: Mapping[str, str], channel: Channel, born: float) -> float | None:
    """When a channel was answered, if its CDR still is its first one.

    CDR(start) and CDR(answer) start anew at every re-bridging, and are the same then (seen on 22.10), so the answer
    is the channel's only while the start still is its creation.
    """
    answered, started = (_seconds(told.get(name, "")) for name in CDR_VARIABLES)
    made = epoch_and_sequence(channel.uniqueid)
    if answered is None or started is None or answered == started:
        return None
    return answered if abs(started - (made[0] if made else born)) < 1.5 else None


def _change(before: Call | None, after: Call | None) -> Change:
    if after is None:
        assert before is not None  # noqa: S101  # two absent calls are equal, and no change
        return Change("ended", before)
    return Change("changed" if before else "added", after)
