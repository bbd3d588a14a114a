"""The lives of pickups: which there are, what each is to do, and how it ended."""

from collections.abc import Mapping

from bridge.calls.channels import Board, Channel, Hold, Pickup
from bridge.calls.model import Mode, Order, PickupNote, PickupStatus
from bridge.calls.orders import read_order
from bridge.calls.roll import Roll
from bridge.grammar import CallId, PickupId

_CAUSES = {
    17: PickupStatus.BUSY,
    19: PickupStatus.NO_ANSWER,
    21: PickupStatus.REJECTED,
    26: PickupStatus.CONFLICT,
}
"""What the cause of a ringing pickup leg's Hangup says of it; any other: the phone could not be reached."""

_STOPPED = (0, 16)
"""Causes of a Hangup that was asked for, not of one that the phone gave."""

FORGETTING = 2048
"""How many ended pickups stay known, for those who are still waiting to hear of them."""


class Takeovers:
    """All pickups, and who has to look at which when something happens to a channel.

    Args:
        board: Where the channels stand.
        roll: The calls that pickups are made for.
    """

    def __init__(self, board: Board, roll: Roll) -> None:
        self.pickups: dict[PickupId, Pickup] = {}
        self.stirred: set[PickupId] = set()
        """Those that events may have concerned since they were last taken."""
        self.missing: dict[str, Pickup] = {}
        """Those that rang when a resync missed their channel: only its Hangup says why."""
        self.watched: dict[str, set[PickupId]] = {}
        self._board = board
        self._roll = roll
        self._of_call: dict[CallId, dict[PickupId, Pickup]] = {}

    # --- who looks

    def touch(self, channel: Channel) -> None:
        """Something has happened to a channel: mark its call, and the pickups that it has a part in."""
        self._roll.touch(channel)
        if self.watched:
            self.stir(channel.uniqueid)
            if caller := self._board.called_by(channel):
                self.stir(caller.uniqueid)

    def stir(self, uniqueid: str) -> None:
        """Mark the pickups that a channel has a part in."""
        if watchers := self.watched.get(uniqueid):
            self.stirred |= watchers

    def take_stirred(self) -> list[Pickup]:
        """Those that are marked, and marked no more."""
        stirred = [self.pickups[id_] for id_ in self.stirred if id_ in self.pickups]
        self.stirred.clear()
        return stirred

    def of_call(self, call: CallId) -> list[Pickup]:
        """Those made for a call, and those not yet forgotten, oldest first."""
        return list(self._of_call[call].values()) if call in self._of_call else []

    def live_of(self, call: CallId) -> list[Pickup]:
        """Those made for a call whose leg lives."""
        known = self._of_call.get(call)
        if not known:
            return []
        return [pickup for pickup in known.values() if pickup.id in self._board.channels]

    def of_source(self, uniqueid: str) -> list[Pickup]:
        """Those whose leg lives and hears this party, or shall."""
        known = (self.pickups[id_] for id_ in self.watched.get(uniqueid, ()) if id_ in self._board.channels)
        return [pickup for pickup in known if pickup.order and pickup.order.source == uniqueid]

    def _watch(self, uniqueid: str, pickup: PickupId) -> None:
        self.watched.setdefault(uniqueid, set()).add(pickup)
        self.stirred.add(pickup)

    def _touch(self, pickup: Pickup) -> None:
        self.stirred.add(pickup.id)
        self._roll.touch_call(pickup.id.call)

    # --- from its birth

    def begin(self, id_: PickupId, at: float) -> Pickup:
        """A pickup leg is born."""
        if missing := self.missing.pop(id_, None):
            self.end(missing, 0)
        pickup = Pickup(id_, at)
        self._forget()
        of_call = self._of_call.setdefault(id_.call, {})
        for known in (self.pickups, of_call):
            known.pop(id_, None)  # an earlier try of that id: this one is younger than all others
            known[id_] = pickup
        self._watch(id_, id_)
        return pickup

    def told_order(self, channel: Channel, told: Mapping[str, str]) -> None:
        """The variables of a pickup leg have been read."""
        pickup = channel.pickup
        if pickup is None or pickup.order is not None:
            return
        order = read_order(told)
        if order is None:
            return
        pickup.order, pickup.ring = order, order.ring
        if pickup.status is PickupStatus.CONNECTED:
            self._succeed(pickup, order)
        self._watch(order.source, pickup.id)
        self._watch(order.target, pickup.id)
        self._touch(pickup)
        self.touch(channel)

    def connect(self, pickup: Pickup) -> None:
        """A pickup leg is beside somebody in a conversation."""
        if pickup.status is PickupStatus.RINGING:
            pickup.status = PickupStatus.CONNECTED
            self._touch(pickup)
            if pickup.order:
                self._succeed(pickup, pickup.order)

    def _succeed(self, pickup: Pickup, order: Order) -> None:
        """A pickup leg takes what was its target's: a hold by the source; and how earlier tries ended is no news."""
        source = self._board.channels.get(order.source)
        if source is not None and source.hold and source.hold.whom == order.target:
            source.hold = Hold(source.hold.since, pickup.id, pickup.id, traced=False)
            self.touch(source)
        if record := self._roll.by_id.get(pickup.id.call):
            record.note(order.view, None)

    # --- to its end

    def gone(self, channel: Channel, cause: int | None) -> None:
        """A channel has ended; None where a resync has missed it, and nobody knows yet why."""
        pickup = channel.pickup
        if pickup:
            if cause is None and pickup.status is PickupStatus.RINGING:
                self.missing[channel.uniqueid] = pickup
                self.stirred.discard(pickup.id)
            else:
                self.end(pickup, cause or 0)
        if self.watched:
            self._told_cause(channel.uniqueid, cause or 0)

    def taken(self, target: str) -> None:
        """Somebody else has picked a ring up: the pickups that were to take it have lost it."""
        for id_ in self.watched.get(target, ()):
            pickup = self.pickups[id_]
            pickup.taken = bool(pickup.order and pickup.order.target == target)
        self.stir(target)

    def told_late(self, uniqueid: str, cause: int) -> None:
        """A resync has missed a channel already whose Hangup it has overtaken: only now is it told why."""
        if pickup := self.missing.pop(uniqueid, None):
            self.end(pickup, cause)
        self._told_cause(uniqueid, cause)
        self.stir(uniqueid)

    def _told_cause(self, uniqueid: str, cause: int) -> None:
        for id_ in self.watched.get(uniqueid, ()):
            pickup = self.pickups[id_]
            if pickup.order and pickup.order.target == uniqueid:
                pickup.cause = pickup.cause or cause

    def end(self, pickup: Pickup, cause: int) -> None:
        """A pickup leg has hung up."""
        order = pickup.order
        record = self._roll.by_id.get(pickup.id.call)
        if pickup.status is PickupStatus.RINGING:
            pickup.status = self._failure(pickup, cause)
            if order and record:
                record.note(order.view, PickupNote(order.taken_from, order.send_call_to, pickup.status))
        elif order and order.mode is Mode.WAITING and record:
            record.note(order.view, PickupNote(order.taken_from, order.send_call_to, pickup.status))
        self._touch(pickup)
        for uniqueid in {pickup.id, order.source if order else "", order.target if order else ""}:
            watchers = self.watched.get(uniqueid, set())
            watchers.discard(pickup.id)
            if not watchers:
                self.watched.pop(uniqueid, None)

    def _failure(self, pickup: Pickup, cause: int) -> PickupStatus:
        """Why a pickup that rang was not connected."""
        order = pickup.order
        if not pickup.up and cause not in _STOPPED:
            return _CAUSES.get(cause, PickupStatus.UNREACHABLE)
        # The guard of the dialplan let it go, or a bridge stopped it: somebody has the caller, or he left. Or else the
        # ringing's time was over, of which 16.28 says cause 0.
        if order is None or order.source not in self._board.channels:
            return PickupStatus.CANCELLED
        if not pickup.up and self._board.stands(order):
            return PickupStatus.NO_ANSWER
        return PickupStatus.CONFLICT

    def _forget(self) -> None:
        """Forget the oldest of those that are over, never one that somebody may just be about to ask after."""
        if len(self.pickups) < FORGETTING:
            return
        over = [id_ for id_ in self.pickups if id_ not in self._board.channels]
        for id_ in over[: len(over) // 2]:
            del self.pickups[id_]
            of_call = self._of_call[id_.call]
            del of_call[id_]
            if not of_call:
                del self._of_call[id_.call]
