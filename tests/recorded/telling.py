"""The story of a recording as a person would tell it: one line a moment, in it every change of a call in its order.

``100 calls 210 | 210 rings as 01 | 100 hears it ring`` is what the picture said, change by change; at the end of a
moment stands what the parties see on their phones by then, and where a call is found besides at its parties.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bridge.ami import read
from bridge.calls import Call, Change, Headers, Leg, PickupStatus, Picture
from bridge.endpoints import Endpoints
from bridge.grammar import CallId, Extension

QUEUES = {
    "support": Extension("0003*900"),
    "nobody": Extension("0003*901"),
    "one": Extension("0003*902"),
    "linear": Extension("0003*903"),
    "rounds": Extension("0003*904"),
}
"""The lab's queues that have an extension."""

COMPANY = frozenset({"0003*311", "0003*312", "0003*313"})
"""Those who have nothing to do with any story."""

MOMENT = 0.3
"""Seconds without a change that end a moment."""

_ORDER = (
    " calls ", " is called as ", " rings", " is there as ", " is rung for ", "pickup of ", " answers", " is connected",
    " takes over ", " joins ", " now", " is parked ", " waits ", " holds", " resumes", " hold", " leaves", " is over",
    " hears ", " answered", " sees ", " is found at ",
)  # fmt: skip
"""The order in which the changes of one moment are told: Asterisk's threads run them in another one each time."""


def picture() -> Picture:
    """A picture that knows nothing yet, of the lab's PBX."""
    return Picture(Endpoints.default(), QUEUES)


def tell(events: Iterable[tuple[float, Headers]]) -> list[str]:
    """Replay events.

    Args:
        events: Seconds, and the event.

    Returns:
        The story, a line for each moment.

    Raises:
        AssertionError: The company had a part in it.
    """
    one = picture()
    one.track_changes = True
    teller = _Teller()
    for at, event in events:
        one.apply(event, at)
        if changes := one.take_changes():
            teller.take(at, changes)
    return teller.finish()


def told(path: Path) -> str:
    """The story that a recording tells, as its file has it."""
    head, events = read(path)
    return "".join(f"{line}\n" for line in tell((head.started + t, event) for t, event in events))


def story_of(path: Path) -> Path:
    """Where a recording's story stands; recordings of several versions share one where they have none of their own."""
    own = path.with_suffix(".story")
    return own if own.exists() else path.with_name(f"{path.name.partition('.')[0]}.story")


def short(number: str) -> str:
    """An extension as people call it: 210 for 0003*210."""
    return number.removeprefix("0003*") or "somebody"


@dataclass
class _Teller:
    """Turns changes into sentences."""

    lines: list[str] = field(default_factory=list)
    _calls: dict[CallId, Call] = field(default_factory=dict)
    _before: dict[CallId, Call] = field(default_factory=dict)
    """The calls as they were when this moment began."""
    _moment: list[str] = field(default_factory=list)
    _last: float = 0.0
    _names: dict[CallId, str] = field(default_factory=dict)
    """A call is named after who made it, also when he has left."""

    def take(self, at: float, changes: Iterable[Change]) -> None:
        """Take in what one event has changed."""
        ours = [change for change in changes if not self._is_company(change)]
        if not ours:
            return
        if at - self._last > MOMENT:
            self._end_moment()
        self._last = at
        before = dict(self._calls)
        for change in ours:
            if change.kind == "ended":
                self._calls.pop(change.call.id, None)
            else:
                self._calls[change.call.id] = change.call
                origin = change.call.leg("00")
                if origin or change.call.id not in self._names:
                    self._names[change.call.id] = f"{short((origin or change.call.legs[0]).source)}'s"
        self._moment += _sentences(before, self._calls, self._names)

    def finish(self) -> list[str]:
        """The whole story."""
        self._end_moment()
        return self.lines

    def _is_company(self, change: Change) -> bool:
        """Whether it is the company's own affair; that does not change while it is heard of."""
        parties = {leg.extension for leg in change.call.legs}
        if not parties & COMPANY:
            return False
        assert parties <= COMPANY, f"the company is among {parties}"
        return True

    def _end_moment(self) -> None:
        told = _in_order([*self._moment, *_by_then(self._before, self._calls, self._names)])
        if told:
            self.lines.append(" | ".join(told))
        self._moment = []
        self._before = dict(self._calls)


def _in_order(sentences: Iterable[str]) -> list[str]:
    """Put what happened in one moment in order, and count what is said more than once."""
    told = Counter(sentences)
    for sentence in list(told):
        # Whether somebody who is taken over leaves before his successor is there or after, is chance.
        if found := re.search(r" takes over from (\S+) as ", sentence):
            told.pop(f"{found[1]} leaves", None)
    ordered = sorted(told, key=lambda one: (_rank(one), one))
    return [one if told[one] == 1 else f"{told[one]} times {one}" for one in ordered]


def _rank(sentence: str) -> int:
    return next((rank for rank, words in enumerate(_ORDER) if words in sentence), len(_ORDER))


def _legs(calls: Mapping[CallId, Call]) -> dict[str, tuple[Call, Leg]]:
    return {leg.uniqueid: (call, leg) for call in calls.values() for leg in call.legs}


def _sentences(
    before: Mapping[CallId, Call], after: Mapping[CallId, Call], names: Mapping[CallId, str]
) -> Iterator[str]:
    """What has happened from one state of all calls to the next."""
    were, are = _legs(before), _legs(after)
    replaced: set[str] = set()
    for uniqueid, (call, leg) in are.items():
        if uniqueid not in were:
            old = before.get(call.id)
            predecessor = old.leg(leg.view) if old else None
            if predecessor and predecessor.uniqueid not in are:
                replaced.add(predecessor.uniqueid)
            yield from _appears(leg)
        else:
            there, was = were[uniqueid]
            if there.id != call.id:
                yield f"{_who(leg)} joins {names[call.id]} call as {_view(leg)}"
            yield from _changes(was, leg)
    for uniqueid, (_, leg) in were.items():
        if uniqueid not in are and uniqueid not in replaced:
            yield f"{_who(leg)} leaves"
    for id_, call in before.items():
        if id_ not in after and not any(leg.uniqueid in are for leg in call.legs):
            yield f"{names[id_]} call is over"


def _appears(leg: Leg) -> Iterator[str]:
    note = leg.pickup
    if note and note.status is PickupStatus.CONNECTED and note.send_call_to == leg.extension:
        yield f"{_who(leg)} takes over from {short(note.taken_from)} as {_view(leg)}"
        return
    match leg.status:
        case "0" | "4":
            yield f"{_who(leg)} calls {short(leg.destination)}"
        case "2":
            yield f"{_who(leg)} is called as {_view(leg)}"
        case "3":
            yield f"{_who(leg)} rings as {_view(leg)}"
        case _:
            yield f"{_who(leg)} is there as {_view(leg)}"
    yield from _place(leg)


def _place(leg: Leg) -> Iterator[str]:
    """Where a leg waits, and on what terms."""
    if leg.parked is not None:
        by = f" by {short(leg.parked_by)}" if leg.parked_by else ""
        yield f"{_who(leg)} is parked in {leg.parked_pos}{by}"
    elif leg.waiting:
        yield f"{_who(leg)} waits in a queue"
    if leg.holder:
        yield f"{_who(leg)} holds"
    if leg.pickup:
        yield from _picked_up(leg)


def _picked_up(leg: Leg) -> Iterator[str]:
    note = leg.pickup
    if note and note.status is PickupStatus.RINGING:
        yield f"{short(note.send_call_to)} is rung for {short(note.taken_from)}"
    elif note:
        yield f"pickup of {short(note.taken_from)} by {short(note.send_call_to)}: {note.status}"


def _changes(was: Leg, now: Leg) -> Iterator[str]:
    who = _who(now)
    if was.number != now.number:
        yield f"{_who(was)} is {who} now"
    if was.view != now.view:
        yield f"{who} is {_view(now)} now"
    if was.status != now.status and now.status not in ("0", "4"):
        yield _status(was, now)
    if (was.parked is None) != (now.parked is None) or was.waiting != now.waiting:
        waits = list(_place(now)) if now.waiting else []
        yield from waits or [f"{who} waits no more"]
    if was.holder != now.holder:
        yield f"{who} {'holds' if now.holder else 'resumes'}"
    elif (was.on_hold is None) != (now.on_hold is None) and not now.holder and not was.holder:
        yield f"{who} is {'off' if now.on_hold is None else 'on'} hold"
    if was.pickup != now.pickup:
        yield from _picked_up(now) if now.pickup else [f"no word of a pickup at {who}"]


def _status(was: Leg, now: Leg) -> str:
    who = _who(now)
    match now.status:
        case "3":
            return f"{who} rings"
        case "5":
            return f"{who} answers" if was.status in ("2", "3") else f"{who} is connected"
    return f"{who} goes from status {was.status} to {now.status}"


def _by_then(
    before: Mapping[CallId, Call], after: Mapping[CallId, Call], names: Mapping[CallId, str]
) -> Iterator[str]:
    """What is seen at the end of a moment that was not seen at its beginning."""
    were = _legs(before)
    for uniqueid, (_, leg) in _legs(after).items():
        seen = (leg.other_name, leg.other_number)
        was = were[uniqueid][1] if uniqueid in were else None
        if leg.status == "4" and (was is None or was.status != "4"):
            yield f"{_who(leg)} hears it ring"
        if leg.status == "0" and was and was.status != "0":
            yield f"{_who(leg)} hears nothing"
        if seen != ((was.other_name, was.other_number) if was else ("", "")):
            yield f"{_who(leg)} sees {_shown(*seen)}"
    for id_, call in after.items():
        besides = _besides(call)
        if besides != (_besides(before[id_]) if id_ in before else ""):
            yield f"{names[id_]} call is found at {besides or 'its parties alone'}"
        answered = id_ in before and before[id_].answered is not None
        if answered != (call.answered is not None):
            yield f"{names[id_]} call is {'no longer answered' if answered else 'answered'}"


def _besides(call: Call) -> str:
    """Where a call is found besides at its parties."""
    return " ".join(sorted(short(one) for one in call.listed - {leg.extension for leg in call.legs}))


def _shown(name: str, number: str) -> str:
    own = f"Ext {short(number)}"
    return (
        short(number)
        if name in ("", own) and number
        else f"{name} {short(number) if number else ''}".strip() or "nobody"
    )


def _who(leg: Leg) -> str:
    return short(leg.number)


def _view(leg: Leg) -> str:
    """A view's id; one made of a digest is another each time."""
    return "a view of its own" if len(leg.view) == 6 else leg.view
