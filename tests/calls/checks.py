"""What must hold of a picture at any moment, and how two pictures are compared."""

from collections.abc import Hashable, Iterable
from textwrap import dedent

from bridge.calls import Call, Leg, NotPickable, PickupNote, PickupStatus, Picture, plan
from bridge.grammar import CallId, Extension

ABOUT = 1.1
"""Seconds by which a time may differ that only a Status row's whole Seconds tell of."""


def shown(picture: Picture) -> str:
    """A picture as a table: each call with whom it is listed under, each leg with what it shows but times."""
    calls = sorted(picture.calls(), key=lambda call: (call.published, call.legs[0].uniqueid))
    return "\n".join(line for call in calls for line in _call(call))


def _call(call: Call) -> Iterable[str]:
    answered = " answered" if call.answered is not None else ""
    yield f"listed under {' '.join(sorted(call.listed))}{answered}"
    for leg in call.legs:
        yield "  " + " ".join(_leg(leg))


def _leg(leg: Leg) -> Iterable[str]:
    yield leg.view
    yield leg.number or "-"
    yield f"{leg.source or '-'}>{leg.destination or '-'}"
    yield f"flow={leg.flow}"
    yield f"status={leg.status}"
    if leg.answered is not None:
        yield "answered"
    if leg.ringing is not None:
        yield "ringing"
    if leg.on_hold is not None:
        yield "held"
    if leg.holder:
        yield "holder"
    if leg.waiting:
        yield "waiting"
    if leg.parked is not None:
        yield f"parked={leg.parked_pos}"
    if leg.parked_by:
        yield f"by={leg.parked_by}"
    if leg.pickup:
        yield f"pickup={leg.pickup.taken_from}>{leg.pickup.send_call_to}:{leg.pickup.status}"
    yield f'other="{leg.other_name} <{leg.other_number}>"'


def check(picture: Picture) -> None:
    """Compare everything the picture keeps ready with what it would be if worked out anew.

    Raises:
        AssertionError: something differs.
    """
    calls = {call.id: call for call in picture.calls()}
    for call in calls.values():
        views = [leg.view for leg in call.legs]
        assert len(set(views)) == len(views), f"two legs show one id: {call}"
        assert call.legs, f"a call without legs: {call}"
        assert picture.call(call.id) is call
    roll = picture._roll
    found: dict[Extension, set[str]] = {}
    for call in calls.values():
        for extension in call.listed:
            found.setdefault(extension, set()).add(call.id)
            assert roll._may_list(roll.by_id[call.id], {extension}), (
                f"{call} is not heard of under {extension}"
            )
            assert call in picture.calls_of(extension)
    assert {at: {record.id for record in records} for at, records in roll.by_extension.items()} == found
    lists = {scope: list(calls) for scope, calls in roll._lists.items()}
    by_scope: dict[Hashable, list[Call]] = {}
    for call in sorted(calls.values(), key=lambda one: (one.published, one.id)):
        for scope in {scope for extension in call.listed for scope in roll._scopes_of(extension)}:
            by_scope.setdefault(scope, []).append(call)
    assert lists == by_scope
    board = picture.board
    for record in roll.records.values():
        assert record.channels, "a record without channels"
        assert roll.by_id[record.id] is record
        for channel in record.channels.values():
            assert channel.linkedid == record.linkedid
            assert board.channels[channel.uniqueid] is channel
            roll.dirty[record] = None
    assert sum(len(record.channels) for record in roll.records.values()) == len(board.channels)
    assert len(roll.by_id) == len(roll.records)
    for bridge in board.bridges.values():
        assert bridge.members, "an empty bridge"
        assert all(member.bridge is bridge for member in bridge.members.values())
    for channel in board.channels.values():
        bridge_of = channel.bridge
        assert bridge_of is None or board.bridges[bridge_of.uniqueid].members[channel.uniqueid] is channel
    assert {call.id: call for call in picture.calls()} == calls, (
        "an event has touched a call that was not built anew"
    )


def nothing_left(picture: Picture) -> None:
    """Make sure that nothing is kept of calls that are over, but a bounded memory of their pickups; before anybody asks.

    Raises:
        AssertionError: something is.
    """
    board, roll = picture.board, picture._roll
    kept = (
        board.channels, board.bridges, board._locals, roll.records, roll.by_id, roll.by_extension,
        roll.dirty, roll.unheard, picture._takeovers.watched,
    )  # fmt: skip
    assert not any(kept), kept
    assert picture.calls() == []


def differences(live: Picture, fresh: Picture) -> list[str]:
    """Where a picture that saw the calls begin differs from one that did not.

    What has no trace in Asterisk may be forgotten by the fresh one: when a talk was answered that was re-bridged
    since, pickups that are over, a hold that outlived the party who was put on hold. It must not say anything else.
    """
    ours, theirs = ({call.id: call for call in picture.calls()} for picture in (live, fresh))
    found = [f"only one knows call {id_}" for id_ in ours.keys() ^ theirs.keys()]
    for id_ in ours.keys() & theirs.keys():
        found += _different(ours[id_], theirs[id_])
    return found


def _different(ours: Call, theirs: Call) -> Iterable[str]:
    if not _forgotten(ours.answered, theirs.answered):
        yield f"answered {ours.answered} | {theirs.answered}"
    if not _about(ours.published, theirs.published):
        yield f"published {ours.published} | {theirs.published}"
    if ours.listed != theirs.listed:
        yield f"listed {sorted(ours.listed)} | {sorted(theirs.listed)}"
    views = [leg.view for leg in ours.legs], [leg.view for leg in theirs.legs]
    if views[0] != views[1]:
        yield f"views {views[0]} | {views[1]}"
        return
    taken_over = any(leg.pickup and leg.pickup.status is PickupStatus.CONNECTED for leg in ours.legs)
    for leg, other in zip(ours.legs, theirs.legs, strict=True):
        forgiven = set(_forgiven(leg, other, taken_over=taken_over))
        if leg == other:
            continue
        yield from (
            f"{leg.view}.{name} {getattr(leg, name)!r} | {getattr(other, name)!r}"
            for name in Leg.__slots__
            if name not in forgiven and getattr(leg, name) != getattr(other, name)
        )


def _forgiven(ours: Leg, theirs: Leg, *, taken_over: bool) -> Iterable[str]:
    """The fields in which two views of one leg may differ."""
    if _forgotten(ours.answered, theirs.answered):
        yield "answered"
    if ours.pickup and (ours.pickup.status.failed or (theirs.pickup is None and _over(ours.pickup))):
        yield "pickup"
    if ours.on_hold is not None and (theirs.on_hold is not None or taken_over):
        yield "on_hold"
    if taken_over and ours.holder:
        yield "holder"
    if _about(ours.parked, theirs.parked):
        yield "parked"
    if _about(ours.ringing, theirs.ringing):
        yield "ringing"


def _over(note: PickupNote) -> bool:
    return note.status is not PickupStatus.RINGING


def _about(ours: float | None, theirs: float | None) -> bool:
    return ours is not None and theirs is not None and abs(ours - theirs) < ABOUT


def _forgotten(ours: float | None, theirs: float | None) -> bool:
    return theirs is None or _about(ours, theirs)


def drawn(text: str) -> str:
    """A table as a test writes it, without what only pleases the eye."""
    return "\n".join(line.rstrip() for line in dedent(text).strip("\n").splitlines())


def planned(picture: Picture, call: CallId, view: str, to: str = "0003*999") -> tuple[object, ...]:
    """How a leg would be picked up: source, target, mode, whether a queue rings, and n; or why it cannot be."""
    found = picture.call(call)
    leg = found.leg(view) if found else None
    assert found and leg
    try:
        way = plan(picture, found, leg, Extension(to))
    except NotPickable as refusal:
        return (str(refusal),)
    assert way.target_channel == picture.board.channels[way.target].name
    return way.source, way.target, str(way.mode), way.queue, way.ring or "", way.pickup.n
