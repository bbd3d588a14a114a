"""What a ringing pickup may still become, and what has to be done about it."""

from enum import Enum

from bridge.calls.channels import RINGING, UP, Channel, Pickup
from bridge.calls.model import Mode, Order, PickupStatus
from bridge.calls.picture import Picture
from bridge.calls.plan import is_being_answered, ring_for
from bridge.grammar import Uniqueid

ANSWERED_ELSEWHERE = 26
"""The cause that says that somebody else took a call (Asterisk's AST_CAUSE_ANSWERED_ELSEWHERE)."""


_JUST_BEFORE = 3.0
"""Seconds before a pickup's answer in which another answer may have raced it."""


class Outlook(Enum):
    """What is to be done about a pickup now."""

    WATCH = "nothing: it may still succeed, or Asterisk ends it by itself"
    RING = "tell its dialplan which ring to take: another phone rings for the source by now"
    RELEASE = "tell the old leg where to go, before the new phone is bridged in its place"
    DROP = "hang up, a little later, whoever the new phone's connection has left behind"
    ANSWERED = "stop the ringing, unless the next events tell otherwise: somebody else has answered, and is to have the call"
    TAKEN = "stop the ringing: somebody else has the call"
    LEFT = "stop the ringing: the caller is gone"
    ALONE = "hang up, unless its own dialplan does: it has answered, and the caller is gone"
    MOVED = "stop the ringing, unless the next events tell why: the call is no longer where it was"


def outlook(picture: Picture, pickup: Pickup) -> Outlook:
    """Look at a pickup's source and target as they are now.

    A leg that is up is not stopped while its source lives: it runs the dialplan, whose guard decides; the target's Hangup
    may come before the BridgeEnter that proves the pickup (seen on 22.10).
    """
    order = pickup.order
    channels = picture.board.channels
    if order is None or pickup.status.failed or pickup.id not in channels:
        return Outlook.WATCH
    source, target = channels.get(order.source), channels.get(order.target)
    if pickup.status is PickupStatus.CONNECTED:
        return Outlook.WATCH if pickup.dropped else Outlook.DROP
    if source is None:
        return _without_source(picture, pickup, order, target)
    if pickup.up:
        together = target is not None and picture.board.talks_with(source) is target
        if together and not pickup.released:
            return Outlook.RELEASE
        return Outlook.RING if another_ring(picture, pickup, order) else Outlook.WATCH
    return _while_ringing(picture, pickup, order, source, target)


def _without_source(picture: Picture, pickup: Pickup, order: Order, target: Channel | None) -> Outlook:
    """Whoever called may have put another in his place, who has what rang for him, or hears whom that one reached."""
    if order.mode is Mode.RINGING and target is not None:
        if target.state != UP:
            if picture.board.called_by(target) is not None:
                return Outlook.WATCH
            if not pickup.up:
                return Outlook.MOVED  # that may be told of after his end
        elif not pickup.up:
            return Outlook.MOVED if picture.board.talks_with(target) is None else Outlook.TAKEN
    return Outlook.ALONE if pickup.up else Outlook.LEFT


def another_ring(picture: Picture, pickup: Pickup, order: Order) -> Uniqueid | None:
    """A phone that rings for the waiting source, where the one that the pickup is to take does not ring any more.

    Whoever is rung while the source is taken would be left with a missed call, and a queue's books with a caller who
    gave up.
    """
    channels = picture.board.channels
    source, told = channels.get(order.source), channels.get(pickup.ring or "")
    waits = order.mode is Mode.WAITING or (order.queue and order.target not in channels)
    if source is None or not waits or (told is not None and told.state in (RINGING, UP)):
        return None
    call = picture.call(pickup.id.call)
    return ring_for(picture, call, source) if call else None


def left_behind(picture: Picture, pickup: Pickup, order: Order) -> list[Uniqueid]:
    """The channels that a connected pickup has left without anybody.

    Returns:
        The old leg, if it is still there; and any phone that the source had called, that answered no earlier than a
        few seconds before the new phone, and that talks with nobody.
    """
    successor = picture.board.channels.get(pickup.id)
    if successor is None or pickup.status is not PickupStatus.CONNECTED:
        return []
    source = picture.board.channels.get(order.source)
    straight = source is not None and source.partner is successor
    since = (successor.answered or 0.0) - _JUST_BEFORE
    found = []
    for channel in (*picture.channels_of(pickup.id.call), picture.board.channels.get(order.target)):
        if channel is None or channel.pickup is successor.pickup or channel.uniqueid == order.source:
            continue
        if channel.uniqueid == order.target and order.mode is Mode.WAITING and not straight:
            continue  # the far end of the Local pairs that carry the talk
        if channel.uniqueid != order.target:
            caller = picture.board.called_by(channel)
            stray = (
                channel.leg
                and channel.state == UP
                and caller is not None
                and caller.uniqueid == order.source
                and (channel.answered or 0.0) >= since
                and not channel.waiting
                and picture.board.talks_with(channel) is None
            )
            if not stray:
                continue
        if uniqueid := Uniqueid.maybe(channel.uniqueid):
            found.append(uniqueid)
    return list(dict.fromkeys(found))


def _while_ringing(
    picture: Picture, pickup: Pickup, order: Order, source: Channel, target: Channel | None
) -> Outlook:
    stands = picture.board.stands(order)
    if pickup.taken:
        return Outlook.TAKEN
    by_target = order.mode is Mode.RINGING and target is not None and target.state == UP
    if not by_target and is_being_answered(picture, pickup.id.call, source):
        return Outlook.ANSWERED
    if stands:
        return Outlook.RING if another_ring(picture, pickup, order) else Outlook.WATCH
    if picture.board.talks_with(source) is not None:
        return Outlook.TAKEN
    # Whoever has the call is bridged in a moment; or the caller goes, whose Dial has the option c.
    return Outlook.ANSWERED if target is None and pickup.cause == ANSWERED_ELSEWHERE else Outlook.MOVED
