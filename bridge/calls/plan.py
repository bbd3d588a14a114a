"""Which leg a pickup takes over, and from whom it then hears: the table of the states in which a call can be taken.

| the target | the source | mode |
| --- | --- | --- |
| a called leg that rings | the party that calls it, through Local pairs | ringing |
| either leg of a conversation of two | the other party, through Local pairs | talking |
| a leg that is parked, or waits in a queue, by the far end of Local pairs maybe | itself | waiting |

Anything else is not picked up: what stands there cannot be moved without losing somebody.
"""

from bridge.calls.channels import DIALLING, DOWN, RESERVED, RING, RINGING, UP, Board, Channel
from bridge.calls.model import Call, Leg, Mode, NotPickable, Plan
from bridge.calls.picture import Picture
from bridge.grammar import CallId, ChannelName, Extension, GrammarError, PickupId, Uniqueid


def plan(picture: Picture, call: Call, leg: Leg, send_call_to: Extension) -> Plan:
    """Find out how a leg of a live call can be taken over.

    Args:
        picture: The live calls.
        call: The call, as the picture has it now.
        leg: The leg to take over, one of the call's.
        send_call_to: The extension whose phone shall take it.

    Raises:
        NotPickable: it cannot be, in its present state.
    """
    target = picture.board.channels.get(leg.uniqueid)
    if target is None:
        raise NotPickable("the call is just ending")
    source, mode = _source(picture, call, target)
    channels = picture.channels_of(call.id)
    taken = picture.board.place_of(target, channels) if mode is Mode.WAITING else target
    for side, who in ((target, "view"), (source, "other party")):
        if side.extension == send_call_to:
            raise NotPickable(f"{send_call_to} is in this call already: it is the {who}")
    numbers = [pickup.id.n for pickup in picture.pickups_of(call.id) if pickup.id in picture.board.channels]
    try:
        return Plan(
            call=call,
            leg=leg,
            pickup=PickupId.of(call.id, 1 + max(numbers, default=0)),
            source=Uniqueid.parse(source.uniqueid),
            unbridged=source.unbridged,
            target=Uniqueid.parse(taken.uniqueid),
            target_channel=ChannelName.parse(taken.name),
            mode=mode,
            queue=mode is Mode.RINGING and bool(source.queue),
            ring=ring_for(picture, call, target) if mode is Mode.WAITING else None,
        )
    except GrammarError as error:
        raise NotPickable("its channels have names that cannot be passed on safely") from error


def _source(picture: Picture, call: Call, target: Channel) -> tuple[Channel, Mode]:
    """The party that will hear the new phone, and what the target is doing."""
    board = picture.board
    channels = picture.channels_of(call.id)
    if board.place_of(target, channels).waiting:
        if is_being_answered(picture, call.id, target):
            raise NotPickable("an agent of the queue has just answered")
        return target, Mode.WAITING
    if target.state in (RINGING, DOWN, RESERVED, DIALLING):
        return _caller(board, channels, target), Mode.RINGING
    if target.state == RING:
        raise NotPickable(
            "this is the caller's own leg, and the far end still rings: pick up the ringing view"
        )
    if target.state != UP:
        raise NotPickable("this leg neither rings, nor talks, nor waits")
    if target.bridge is not None and not target.bridge.conversation:
        raise NotPickable("this leg is in a conference or another bridge of many")
    return _other_party(picture, channels, target), Mode.TALKING


def _other_party(picture: Picture, channels: list[Channel], target: Channel) -> Channel:
    """Whom a leg talks with that may be taken over."""
    board = picture.board
    partner = board.talks_with(target)
    if partner is None:
        raise NotPickable(
            "this leg is with nobody: an announcement, a voicemail, or a call that is not yet set up"
        )
    if not partner.leg:
        raise NotPickable("the call is just being picked up")
    if any(
        taken.order and taken.order.mode is Mode.WAITING
        for taken in picture.pickups_of_source(target.uniqueid)
    ):
        raise NotPickable("who waited here has been picked up, and talks")
    if board.consults(target, channels):
        raise NotPickable("an attended transfer is under way in this call")
    return partner


def _caller(board: Board, channels: list[Channel], target: Channel) -> Channel:
    """The party that calls a leg, whether its dial was seen or not."""
    caller = board.called_by(target) or _only_caller(board, channels, target)
    if caller is None and target.dialler and target.dialler not in board.channels:
        # Asterisk may take seconds to tell that a phone rings no more (19 s on a 22.10 that had no time).
        raise NotPickable("whoever called this phone has just hung up")
    if caller is None:
        raise NotPickable("nobody is known to call this phone")
    return caller


def is_being_answered(picture: Picture, call: CallId, waiting: Channel) -> bool:
    """Whether an agent has answered the queue of a party of a call, which may announce him before it bridges them."""
    channels = picture.channels_of(call)
    place = picture.board.place_of(waiting, channels)
    return bool(place.queue) and any(
        channel.state == UP
        and channel.bridge is None
        and channel is not place
        and channel.pickup is None
        # Whose dial was not seen may be an agent as well, unless he has dialled himself, or waits himself.
        and (channel.dialler == place.uniqueid or not (channel.dialler or channel.dialled or channel.waiting))
        for channel in channels
    )


def ring_for(picture: Picture, call: Call, waiting: Channel) -> Uniqueid | None:
    """A phone that rings for a party which waits: its queue rings agents, or its parking lot the one who parked it."""
    channels = picture.channels_of(call.id)
    for leg in call.legs:
        channel = picture.board.channels.get(leg.uniqueid)
        if channel is not None and channel.state == RINGING:
            caller = picture.board.called_by(channel) or _only_caller(picture.board, channels, channel)
            if caller is waiting:
                return Uniqueid.maybe(channel.uniqueid)
    place = picture.board.place_of(waiting, channels)
    if not place.queue:
        return None
    # Who was put into a queue's place by a transfer has an agent rung in the call of the one who waited there before.
    rings = (channel for channel in picture.board.channels.values() if channel.dialler == place.uniqueid)
    return next((Uniqueid.maybe(one.uniqueid) for one in rings if one.state == RINGING and one.leg), None)


def _only_caller(board: Board, channels: list[Channel], target: Channel) -> Channel | None:
    """The caller of a ringing leg where its dial was not seen: the Linkedid's own leg, or the only one it can be.

    Who dials is in no bridge. A Local half dials for the party at the other half.
    """
    dialling = [
        channel
        for channel in channels
        if channel is not target and channel.state in (RING, UP) and channel.bridge is None
    ]
    callers = [channel for channel in dialling if channel.leg]
    for half in dialling:
        other = board.other_half(half) if half.local else None
        if other is not None and (party := board.talks_with(other)):
            callers.append(party)
    own = [channel for channel in callers if channel.uniqueid == channel.linkedid]
    callers = own or callers
    return callers[0] if len(callers) == 1 else None
