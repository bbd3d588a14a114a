"""From channels to a call: which legs it has, by which ids, and what each of them shows.

Everything here is derived from what a Status of the channels tells as well, so that a bridge started in the middle
of a call shows the same as one that saw it begin.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from sys import intern
from typing import Literal

from bridge.calls.channels import DIALLING, DOWN, RESERVED, RING, RINGING, UP, Board, Channel, Pickup
from bridge.calls.model import Call, Leg, Mode, Order, PickupNote, PickupStatus
from bridge.grammar import CallId, Extension, epoch_and_sequence, octets


def build(
    call: CallId,
    linkedid: str,
    channels: Iterable[Channel],
    pickups: Iterable[Pickup],
    notes: Mapping[str, PickupNote],
    board: Board,
    queues: Mapping[str, Extension],
) -> Call | None:
    """Put a call together.

    Args:
        call: Its id.
        linkedid: Its Linkedid.
        channels: All channels that have it.
        pickups: The live pickup legs made for this call.
        notes: How earlier pickups of its views ended.
        board: Where the channels stand.
        queues: The extension of each queue that has one.

    Returns:
        The call, or None where none of the channels is a leg.
    """
    channels = list(channels)
    legs = _legs(channels, linkedid)
    if not legs:
        return None
    orders = [pickup.order for pickup in pickups if pickup.order]
    ids = view_ids(legs, linkedid, call)
    origin = next((leg for leg in legs if leg.uniqueid == linkedid), None)
    source, dialled = _ends(legs, origin, queues)
    flow = _flow(next((leg for leg in legs if ids[leg.uniqueid] == "00"), None), legs)
    places = {leg.uniqueid: board.place_of(leg, channels) for leg in legs}
    shown = _notes(pickups, notes)
    ringing = any(leg.state == RINGING for leg in legs)
    views = tuple(
        _leg(
            leg,
            view=(view := ids[leg.uniqueid]),
            ends=(source, dialled),
            flow=flow,
            ringing=ringing,
            note=shown.get(view),
            board=board,
            legs=legs,
            place=places[leg.uniqueid],
        )
        for leg in legs
    )
    first = epoch_and_sequence(linkedid)
    return Call(
        id=call,
        published=float(first[0]) if first else min(leg.born for leg in legs),
        answered=_first_answer(views, orders),
        legs=tuple(sorted(views, key=lambda leg: (len(leg.view), leg.view))),
        listed=frozenset(_listed(places.values(), legs, dialled, pickups, queues)),
    )


def may_list(
    linkedid: str,
    channels: Collection[Channel],
    pickups: Collection[Pickup],
    board: Board,
    queues: Mapping[str, Extension],
    extensions: AbstractSet[Extension],
) -> bool:
    """Whether a call could be listed under one of these extensions, as far as its channels say, one by one.

    Args:
        linkedid: Its Linkedid.
        channels: All channels that have it.
        pickups: The live pickup legs made for it.
        board: Where the channels stand.
        queues: The extension of each queue that has one.
        extensions: The extensions.
    """
    origin = next((channel for channel in channels if channel.uniqueid == linkedid and channel.leg), None)
    if origin is None or not origin.dialled or pickups or any(channel.pickup for channel in channels):
        return True  # what was dialled is found among all of them, or a pickup knows of extensions that have gone
    return any(
        not extensions.isdisjoint(_listed([board.place_of(channel, ())], [channel], "", (), queues))
        for channel in channels
    )


def _notes(pickups: Iterable[Pickup], ended: Mapping[str, PickupNote]) -> dict[str, PickupNote]:
    """What each view tells of its pickup: of the one that rings, else of the last one that failed."""
    connected: dict[str, PickupNote] = {}
    rings: dict[str, PickupNote] = {}
    for pickup in sorted(pickups, key=lambda pickup: pickup.id.n):
        if (order := pickup.order) is None:
            continue
        note = PickupNote(order.taken_from, order.send_call_to, pickup.status)
        if pickup.status is PickupStatus.RINGING:
            rings[order.view] = note
        elif order.mode is Mode.WAITING:
            connected[order.view] = note
    return {**connected, **ended, **rings}


def _first_answer(legs: Iterable[Leg], orders: Iterable[Order]) -> float | None:
    """When a call was answered; unknown where that of one of its legs is, which may have been the first."""
    times = [leg.answered for leg in legs if leg.status == "5"]
    times += [time for order in orders for time in (order.answered, order.since) if time]
    return None if None in times else min((time for time in times if time is not None), default=None)


def _legs(channels: Iterable[Channel], linkedid: str) -> list[Channel]:
    """The legs in the order of their birth, without those that a pickup has replaced."""
    legs = [channel for channel in channels if channel.leg]
    replaced = {leg.replaces for leg in legs}
    return sorted((leg for leg in legs if leg.uniqueid not in replaced), key=lambda leg: _age(leg, linkedid))


def _age(leg: Channel, linkedid: str) -> tuple[int, int, int, str]:
    """What a leg's place in the order of birth is, as far as its id tells: of another's choice it tells nothing."""
    if leg.uniqueid == linkedid:
        return (0, 0, 0, "")
    if made := epoch_and_sequence(leg.uniqueid):
        return (1, *made, leg.uniqueid)
    return (2, leg.pickup.id.n, 0, leg.uniqueid) if leg.pickup else (3, 0, 0, leg.uniqueid)


def view_ids(legs: Iterable[Channel], linkedid: str, call: CallId) -> dict[str, str]:
    """The id that each leg shows, no two the same, by Uniqueid.

    ``00`` for the Linkedid's own leg; else how many channels later it was made, at least two digits; a pickup leg
    shows the id of the view that it took over. Where neither can be said, six digits of a digest.
    """
    first = epoch_and_sequence(linkedid)
    ids: dict[str, str] = {}
    taken: set[str] = set()

    def show(leg: Channel, wish: str) -> None:
        attempt = 0
        while not wish or wish in taken:
            digest = hashlib.sha256(octets(f"{leg.uniqueid}{'+' * attempt}")).hexdigest()
            wish, attempt = f"{int(digest, 16) % 1_000_000:06d}", attempt + 1
        ids[leg.uniqueid] = wish
        taken.add(wish)

    successors: list[Channel] = []
    for leg in legs:
        own = epoch_and_sequence(leg.uniqueid)
        if leg.uniqueid == linkedid:
            show(leg, "00")
        elif leg.pickup is not None:
            successors.append(leg)
        elif first and own and own[1] > first[1]:
            show(leg, intern(f"{own[1] - first[1]:02d}"))
        else:
            show(leg, "")
    for leg in successors:
        pickup = leg.pickup
        order = pickup.order if pickup and pickup.id.call == call else None
        # Who took a waiting party over is a view of their own, also once that party has gone.
        show(leg, order.view if order and order.mode is not Mode.WAITING else "")
    return ids


def _ends(legs: list[Channel], origin: Channel | None, queues: Mapping[str, Extension]) -> tuple[str, str]:
    """Who called, and what was dialled, each as a number; empty where the PBX no longer knows."""
    order = next((leg.pickup.order for leg in reversed(legs) if leg.pickup and leg.pickup.order), None)
    caller = party(origin) if origin else (order.caller if order else "") or party(legs[0])
    dialled = (origin.dialled if origin else "") or (order.dialled if order else "")
    if not dialled:
        dialled = next((party(leg) for leg in legs if party(leg) != caller), "")
    known = {leg.extension for leg in legs} | set(queues.values())
    long = _long(dialled, caller)
    return caller, long if long and long in known else dialled


def _long(dialled: str, caller: str) -> Extension | None:
    """A short number as the caller's own organization writes it."""
    own, short = Extension.maybe(caller), Extension.maybe(dialled)
    if not own or not short or not own.prefix or short.prefix:
        return None
    return Extension.maybe(f"{own.prefix}*{short}")


def party(channel: Channel) -> str:
    """The extension of a leg, or an outside party's number."""
    return channel.extension or channel.number


def _flow(first: Channel | None, legs: list[Channel]) -> Literal["2", "4", "8"] | None:
    """Local, outgoing public or incoming public (UAPI's flow 2, 4, 8).

    Args:
        first: The leg that called, or who has taken it over; None where both are gone, and nobody knows whether an outside
            party called or was called.
        legs: All legs.
    """
    if all(leg.extension for leg in legs):
        return "2"
    if first is None:
        return None
    return "4" if first.extension else "8"


_STATUS: dict[int, Literal["2", "3", "5"]] = {DOWN: "2", RESERVED: "2", DIALLING: "2", RINGING: "3", UP: "5"}
"""UAPI's view status for a channel state, wherever the leg's own state says it all."""


def _status(leg: Channel, *, ringing: bool) -> Literal["0", "2", "3", "4", "5"]:
    """UAPI's view status; a caller's depends on whether a far end rings."""
    if leg.state == RING:
        return "4" if ringing else "0"
    return _STATUS.get(leg.state, "0")


def _leg(
    leg: Channel,
    *,
    view: str,
    ends: tuple[str, str],
    flow: Literal["2", "4", "8"] | None,
    ringing: bool,
    note: PickupNote | None,
    board: Board,
    legs: list[Channel],
    place: Channel,
) -> Leg:
    status = _status(leg, ringing=ringing)
    source, dialled = ends
    partner = board.talks_with(leg)
    order = leg.pickup.order if leg.pickup else None
    name, number = _other(leg, partner, ends, legs)
    holds = board.held_by(leg), board.held_by(partner)
    if order and (note is None or note.status is PickupStatus.CONNECTED):
        # How it came here, unless a later pickup of it rings or has failed.
        note = PickupNote(order.taken_from, order.send_call_to, PickupStatus.CONNECTED)
    parking = place.parking
    return Leg(
        view=view,
        uniqueid=leg.uniqueid,
        channel=leg.name,
        extension=leg.extension,
        number=party(leg),
        source=source,
        destination=dialled,
        other_name=name,
        other_number=number,
        flow=flow,
        status=status,
        waiting=place.waiting,
        ringing=leg.born if status in ("2", "3") else None,
        answered=_answered(leg, legs) if status == "5" else None,
        on_hold=min((hold.since for hold in holds if hold), default=None),
        holder=holds[0] is not None,
        parked=parking.since if parking else None,
        parked_pos=parking.space if parking else "",
        parked_by=parking.by if parking else None,
        pickup=note,
    )


def _answered(leg: Channel, legs: list[Channel]) -> float | None:
    """When a leg was answered; a talk that was taken over keeps the time of the one who answered it.

    Where a source's own time is lost, its pickup knows it, or answered it.
    """
    order = leg.pickup.order if leg.pickup else None
    if order and order.mode is Mode.TALKING and order.answered is not None:
        return order.answered
    if leg.answered is not None:
        return leg.answered
    for successor in legs:
        order = successor.pickup.order if successor.pickup else None
        if order and order.source == leg.uniqueid:
            if order.since is None and order.mode is not Mode.TALKING:
                return successor.answered
            return order.since or None
    return None


def _other(
    leg: Channel, partner: Channel | None, ends: tuple[str, str], legs: list[Channel]
) -> tuple[str, str]:
    """Name and number of the other party, as this leg's phone would show it."""
    if partner is not None:
        return partner.display, partner.number or party(partner)
    if leg.connected_number:
        return leg.connected_display, leg.connected_number
    source, dialled = ends
    if leg.state in (DOWN, RESERVED, DIALLING, RINGING):
        caller = next((other for other in legs if party(other) == source and other is not leg), None)
        return (caller.display if caller else ""), source
    return "", dialled if party(leg) == source else ""


def _listed(
    places: Collection[Channel],
    legs: list[Channel],
    dialled: str,
    pickups: Iterable[Pickup],
    queues: Mapping[str, Extension],
) -> Iterable[Extension]:
    """The extensions under which the call is found; first those that are kept in memory with the legs anyway."""
    yield from (leg.extension for leg in legs if leg.extension)
    yield from (place.parking.by for place in places if place.parking and place.parking.by)
    yield from (queues[place.queue] for place in places if place.queue in queues)
    for leg in legs:
        if leg.dialled and (number := Extension.maybe(leg.dialled)):
            yield number
            if long := _long(number, party(leg)):
                yield long
    if number := Extension.maybe(dialled):
        yield number
    # Of another call, perhaps, that has become part of this one.
    here = [leg.pickup for leg in legs if leg.pickup]
    for pickup in (*pickups, *here):
        if pickup.order and (number := Extension.maybe(pickup.order.taken_from)):
            yield number
        if pickup.order and pickup.order.under:
            yield pickup.order.under
