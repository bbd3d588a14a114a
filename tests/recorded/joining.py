"""A bridge that joins in the middle: what Asterisk would answer to a resync, told by a picture that saw it all."""

from collections.abc import Collection, Iterator
from dataclasses import replace

from bridge.calls import CDR_VARIABLES, Call, Headers, Pickup, PickupNote, PickupStatus, Picture
from bridge.calls.channels import Board, Channel
from bridge.grammar import Extension, PickupId, epoch_and_sequence

_PREFIX = "resync-joined"


def rows(picture: Picture, at: float) -> Iterator[Headers]:
    """What the questions of a resync are answered with.

    Args:
        picture: One that has seen everything so far.
        at: The time, seconds since 1970.
    """
    board = picture.board
    for bridge in board.bridges.values():
        yield {
            "Event": "BridgeListItem",
            "ActionID": f"{_PREFIX}/BridgeList",
            "BridgeUniqueid": bridge.uniqueid,
            "BridgeType": bridge.type,
            "BridgeTechnology": bridge.technology,
        }
    yield _end("BridgeListComplete", "BridgeList")
    for channel in board.channels.values():
        if parking := channel.parking:
            yield {
                "Event": "ParkedCall",
                "ActionID": f"{_PREFIX}/ParkedCalls",
                "ParkeeUniqueid": channel.uniqueid,
                "ParkingSpace": parking.space,
                "ParkerDialString": f"PJSIP/{parking.by}" if parking.by else "",
                "ParkingDuration": str(int(at - parking.since)),
            }
    yield _end("ParkedCallsComplete", "ParkedCalls")
    for channel in board.channels.values():
        if channel.queue:
            yield {
                "Event": "QueueEntry",
                "ActionID": f"{_PREFIX}/QueueStatus",
                "Queue": channel.queue,
                "Uniqueid": channel.uniqueid,
            }
    yield _end("QueueStatusComplete", "QueueStatus")
    for device, state in picture.devices.items():
        yield {
            "Event": "DeviceStateChange",
            "ActionID": f"{_PREFIX}/DeviceStateList",
            "Device": device,
            "State": state,
        }
    yield _end("DeviceStateListComplete", "DeviceStateList")
    for channel in reversed(board.channels.values()):
        yield _status(picture, channel, at)
    yield _end("StatusComplete", "Status")


def _end(event: str, question: str) -> Headers:
    return {"Event": event, "ActionID": f"{_PREFIX}/{question}", "EventList": "Complete"}


def _status(picture: Picture, channel: Channel, at: float) -> Headers:
    made = epoch_and_sequence(channel.uniqueid)
    born = float(made[0]) if made else channel.born
    told = {
        CDR_VARIABLES[0]: f"{channel.answered or 0:.6f}",
        CDR_VARIABLES[1]: f"{born:.6f}",
        "CHANNEL(onhold)": str(int(_hears_music(picture.board, channel))),
        **(_order(channel.pickup) if channel.pickup else {}),
    }
    return {
        "Event": "Status",
        "ActionID": f"{_PREFIX}/Status",
        "Channel": channel.name,
        "ChannelState": str(channel.state),
        "Uniqueid": channel.uniqueid,
        "Linkedid": channel.linkedid,
        "CallerIDNum": channel.number or "<unknown>",
        "CallerIDName": channel.display or "<unknown>",
        "ConnectedLineNum": channel.connected_number or "<unknown>",
        "ConnectedLineName": channel.connected_display or "<unknown>",
        "DNID": channel.dialled or "<unknown>",
        "BridgeID": channel.bridge.uniqueid if channel.bridge else "",
        "Seconds": str(int(at - born)),
        "Variable": [f"{name}={value}" for name, value in told.items()],
    }


def _hears_music(board: Board, channel: Channel) -> bool:
    """Whether a channel is on hold: by one who is still in a bridge, if not with it then with a third party."""
    talker = board.talks_with(channel)
    return any(
        holder.bridge is not None and talker in (None, holder)
        for holder in board.channels.values()
        if holder.hold and holder.hold.traced and holder.hold.beside == channel.uniqueid
    )


def _order(pickup: Pickup) -> dict[str, str]:
    order = pickup.order
    if order is None:
        return {}
    return {
        "UAPI_VIEW": order.view,
        "UAPI_FROM": order.taken_from,
        "UAPI_TO": order.send_call_to,
        "UAPI_SOURCE": order.source,
        "UAPI_TARGET": order.target,
        "UAPI_MODE": order.mode.value,
        "UAPI_QUEUE": "1" if order.queue else "",
        "UAPI_RING": order.ring or "",
        "UAPI_BY": order.by,
        "UAPI_ANSWERED": f"{order.answered:.6f}" if order.answered else "",
        "UAPI_SINCE": f"{order.since:.6f}" if order.since else "",
        "UAPI_CALLER": order.caller,
        "UAPI_DIALLED": order.dialled,
    }


def calls(picture: Picture) -> dict[str, Call]:
    """All calls by id, without what one who joined cannot know: exact times, and pickups that are over."""
    return {call.id: _comparable(call) for call in picture.calls()}


def _comparable(call: Call) -> Call:
    successors = {leg.extension for leg in call.legs if PickupId.maybe(leg.uniqueid)}
    legs = tuple(
        replace(
            leg,
            ringing=_whether(leg.ringing),
            answered=_whether(leg.answered),
            # Asterisk has no trace of a hold by who stayed when the other end was taken over (README, Limits).
            on_hold=None if successors else _whether(leg.on_hold),
            holder=leg.holder and not successors,
            parked=_whether(leg.parked),
            pickup=leg.pickup if _lasts(leg.pickup, successors) else None,
        )
        for leg in call.legs
    )
    return replace(call, published=0.0, answered=_whether(call.answered), legs=legs)


def _whether(time: float | None) -> float | None:
    return None if time is None else 1.0


def _lasts(note: PickupNote | None, successors: Collection[Extension | None]) -> bool:
    """Whether a pickup still has a channel, so that Asterisk can tell of it."""
    if note is None or note.status.failed:
        return False
    return note.status is PickupStatus.RINGING or note.send_call_to in successors
