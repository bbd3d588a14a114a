"""A recording as a text ladder: who did what when, one ladder for each call, for people who read a bug report.

The parties stand side by side, time runs down. ``o`` is who acts, an arrow leads to whom, ``x`` is somebody leaving,
``|`` somebody who is there. All in at most 100 columns, and of what outside parties and the PBX are called only what
can be printed: the drawing goes to a terminal.
"""

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache

from bridge.calls import Call, Change, Leg, PickupNote, PickupStatus
from bridge.grammar import CallId, printable

WIDTH = 100
"""Columns."""

_LANE = 10
_TIME = 9
_MOST_LANES = 5
"""More parties share the last lane."""

_LONGEST = 80
"""Characters of a name or a number."""

_SEES = "sees "

_FAILURES = {
    PickupStatus.NO_ANSWER: "does not answer",
    PickupStatus.BUSY: "is busy",
    PickupStatus.REJECTED: "declines",
    PickupStatus.UNREACHABLE: "cannot be reached",
    PickupStatus.CANCELLED: "is stopped",
    PickupStatus.CONFLICT: "comes too late",
}


@dataclass(frozen=True, slots=True)
class _Step:
    """One rung.

    Attributes:
        t: Seconds since the start.
        who: Whose doing, or whose state; empty where it is nobody's.
        what: In words, as they stand behind who.
        whom: At whom it is aimed; empty at nobody.
        leaves: Whether that was the last of who.
        present: Who is there afterwards.
    """

    t: float
    who: str
    what: str
    whom: str
    leaves: bool
    present: frozenset[str]


@dataclass(slots=True)
class _Tale:
    """What is told of one call."""

    number: int
    call: Call
    began: float
    steps: list[_Step] = field(default_factory=list)
    lanes: list[str] = field(default_factory=list)


class Ladder:
    """Takes changes in, and draws them in the end.

    Args:
        started: When the recording began, seconds since 1970; 0 where nobody knows.
        asterisk: Its version.
        systemname: What it calls itself.
    """

    def __init__(self, started: float = 0.0, asterisk: str = "", systemname: str = "") -> None:
        self._head = (started, _printable(asterisk), _printable(systemname))
        self._tales: dict[CallId, _Tale] = {}
        self._calls: dict[CallId, Call] = {}
        self._last = 0.0

    def take(self, t: float, changes: Iterable[Change]) -> None:
        """Take in what one event has changed.

        Args:
            t: Seconds since the recording began.
            changes: In their order.
        """
        before = dict(self._calls)
        ours = [replace(change, call=_shown(change.call)) for change in changes]
        for change in ours:
            if change.kind == "ended":
                self._calls.pop(change.call.id, None)
            else:
                self._calls[change.call.id] = change.call
        where_now = {leg.uniqueid: call for call in self._calls.values() for leg in call.legs}
        where_before = {leg.uniqueid: call for call in before.values() for leg in call.legs}
        for id_ in dict.fromkeys(change.call.id for change in ours):
            was, now = before.get(id_), self._calls.get(id_)
            if was is None and now is None:
                continue
            tale = self._tale(id_, was or now, t)
            tale.call = now or tale.call
            for who, what, whom, leaves in self._told(was, now, where_before, where_now, t):
                tale.steps.append(_Step(t, who, what, whom, leaves, _present(now)))
                tale.lanes += [one for one in dict.fromkeys((who, whom)) if one and one not in tale.lanes]
            besides = _besides(now)
            if besides != _besides(was) and not set(besides) <= set(tale.lanes):
                found = f"is found at {' and '.join(besides)} as well"
                tale.steps.append(_Step(t, "", found, "", leaves=False, present=_present(now)))
        self._last = t

    def lines(self) -> Iterator[str]:
        """The whole drawing, line by line."""
        yield from self._heading()
        for tale in self._tales.values():
            yield ""
            yield from self._draw(tale)

    # --- what is told

    def _tale(self, id_: CallId, call: Call | None, t: float) -> _Tale:
        tale = self._tales.get(id_)
        if tale is None:
            assert call is not None  # noqa: S101  # a change is of some call
            tale = self._tales[id_] = _Tale(len(self._tales) + 1, call, t)
        return tale

    def _told(
        self,
        was: Call | None,
        now: Call | None,
        where_before: dict[str, Call],
        where_now: dict[str, Call],
        t: float,
    ) -> Iterator[tuple[str, str, str, bool]]:
        were = {leg.uniqueid: leg for leg in was.legs} if was else {}
        are = {leg.uniqueid: leg for leg in now.legs} if now else {}
        for uniqueid, leg in are.items():
            if uniqueid not in were:
                came_from = where_before.get(uniqueid)
                if came_from:
                    number = self._tale(came_from.id, came_from, t).number
                    yield _who(leg), f"comes over from call {number}", "", False
                else:
                    yield from _appears(leg, now)
                if leg.pickup and not came_from:
                    yield from _pickup(leg.pickup, leg)
                yield from _sees(None, leg)
            else:
                yield from _changes(were[uniqueid], leg, now)
                yield from _sees(were[uniqueid], leg)
        taken = {leg.pickup.taken_from for leg in are.values() if leg.pickup and _took(leg)}
        for uniqueid, leg in were.items():
            if uniqueid in are:
                continue
            goes_to = where_now.get(uniqueid)
            if goes_to:
                yield _who(leg), f"goes on in call {self._tale(goes_to.id, goes_to, t).number}", "", True
            elif _who(leg) in taken and leg.status == "5":
                yield _who(leg), "is let go", "", True
            else:
                yield _who(leg), "leaves", "", True

    # --- how it is drawn

    def _heading(self) -> Iterator[str]:
        started, asterisk, systemname = self._head
        words = [f"Asterisk {asterisk}" if asterisk else "some Asterisk"]
        if systemname:
            words.append(f"called {systemname}")
        if started:
            words.append(f"from {datetime.fromtimestamp(started, UTC):%Y-%m-%d %H:%M:%S} UTC")
        words.append(f"{self._last:.1f} s")
        calls = len(self._tales)
        words.append(f"{calls} call{'' if calls == 1 else 's'}")
        yield from textwrap.wrap(", ".join(words), WIDTH)

    def _draw(self, tale: _Tale) -> Iterator[str]:
        lanes = {who: min(place, _MOST_LANES - 1) for place, who in enumerate(tale.lanes)}
        count = min(len(tale.lanes), _MOST_LANES)
        yield f"call {tale.number}  {tale.call.id}"
        names = [_short(who) for who in tale.lanes[:_MOST_LANES]]
        if len(tale.lanes) > _MOST_LANES:
            names[-1] = "others"
        yield (" " * _TIME + "".join(name.center(_LANE) for name in names)).rstrip()
        own = tuple(f"<{who}>" for who in tale.lanes)
        for step in tale.steps:
            if step.what.startswith(_SEES) and step.what.endswith(own):
                continue  # one of the others in the call, as it should be
            words = f"{step.who} {step.what}".strip() + (f" {step.whom}" if step.whom else "")
            rail = _rail(step, lanes, count)
            blank = _rail(step, lanes, count, still=True)
            room = WIDTH - _TIME - count * _LANE - 1
            for place, line in enumerate(textwrap.wrap(words, room)):
                time = f"{step.t:8.3f} " if place == 0 else " " * _TIME
                yield f"{time}{blank if place else rail} {line}"
        if self._calls.get(tale.call.id):
            yield f"{'':{_TIME}}{''.join('|'.center(_LANE) if _there(tale, lane) else ' ' * _LANE for lane in range(count))} (still there when the recording ends)".rstrip()


def _there(tale: _Tale, lane: int) -> bool:
    present = tale.steps[-1].present if tale.steps else frozenset()
    return any(min(place, _MOST_LANES - 1) == lane and who in present for place, who in enumerate(tale.lanes))


def _rail(step: _Step, lanes: dict[str, int], count: int, *, still: bool = False) -> str:
    """The parties' lines at one moment, and what goes between them."""
    cells = [" "] * (count * _LANE)
    for who, lane in lanes.items():
        if who in step.present:
            cells[_middle(lane)] = "|"
    if still or not step.who:
        return "".join(cells)
    start = _middle(lanes[step.who])
    if step.whom and lanes[step.whom] != lanes[step.who]:
        end = _middle(lanes[step.whom])
        low, high = sorted((start, end))
        cells[low + 1 : high] = "-" * (high - low - 1)
        cells[end - 1 if end > start else end + 1] = ">" if end > start else "<"
        cells[end] = "|"
    cells[start] = "x" if step.leaves else "o"
    return "".join(cells)


def _middle(lane: int) -> int:
    return lane * _LANE + _LANE // 2 - 1


def _short(who: str) -> str:
    room = _LANE - 1
    return who if len(who) <= room else f"..{who[2 - room :]}"


# --- sentences


def _shown(call: Call) -> Call:
    """A call whose names and numbers can be printed."""
    return replace(call, legs=tuple(map(_shown_leg, call.legs)))


def _shown_leg(leg: Leg) -> Leg:
    note = leg.pickup
    return replace(
        leg,
        number=_printable(leg.number),
        destination=_printable(leg.destination),
        other_name=_printable(leg.other_name),
        other_number=_printable(leg.other_number),
        parked_pos=_printable(leg.parked_pos),
        pickup=replace(note, taken_from=_printable(note.taken_from)) if note else None,
    )


@lru_cache(maxsize=4096)
def _printable(text: str) -> str:
    return printable(text, _LONGEST)


def _who(leg: Leg) -> str:
    return leg.number or "unknown"


def _present(call: Call | None) -> frozenset[str]:
    return frozenset(_who(leg) for leg in call.legs) if call else frozenset()


def _besides(call: Call | None) -> list[str]:
    """Where a call is found, other than at its parties."""
    return sorted(call.listed - {leg.extension for leg in call.legs}) if call else []


def _took(leg: Leg) -> bool:
    note = leg.pickup
    return note is not None and note.status is PickupStatus.CONNECTED and note.send_call_to == leg.extension


def _caller(call: Call | None, leg: Leg) -> str:
    """The first of the others in a call."""
    return next((_who(one) for one in call.legs if one is not leg), "") if call else ""


def _appears(leg: Leg, call: Call | None) -> Iterator[tuple[str, str, str, bool]]:
    who = _who(leg)
    if _took(leg):
        return
    match leg.status:
        case "0" | "4":
            if leg.destination and leg.destination != who:
                yield who, "calls", leg.destination, False
            else:
                yield who, "is there", "", False
        case "2":
            yield who, "is called", "", False
        case "3":
            yield who, "rings", "", False
        case _:
            yield who, "is there", "", False
    yield from _place(leg)
    if leg.holder:
        yield who, "holds", _caller(call, leg), False


def _place(leg: Leg) -> Iterator[tuple[str, str, str, bool]]:
    if leg.parked is not None:
        by = f" by {leg.parked_by}" if leg.parked_by else ""
        yield _who(leg), f"is parked in {leg.parked_pos}{by}", "", False
    elif leg.waiting:
        yield _who(leg), "waits in a queue", "", False


def _changes(was: Leg, now: Leg, call: Call | None) -> Iterator[tuple[str, str, str, bool]]:
    who = _who(now)
    if was.number != now.number:
        yield who, f"is the name now of who was {_who(was)}", "", False
    if was.status != now.status:
        if now.status == "5" and was.status in ("2", "3"):
            yield who, "answers", _caller(call, now), False
        elif words := {"3": "rings", "4": "hears it ring", "5": "is connected"}.get(now.status):
            yield who, words, "", False
    if (was.parked is None) != (now.parked is None) or was.waiting != now.waiting:
        if now.waiting:
            yield from _place(now)
        else:
            yield who, "waits no more", "", False
    if was.holder != now.holder:
        yield who, "holds" if now.holder else "holds no more", _caller(call, now), False
    if now.pickup and was.pickup != now.pickup:
        yield from _pickup(now.pickup, now)


def _pickup(note: PickupNote, leg: Leg) -> Iterator[tuple[str, str, str, bool]]:
    who = note.send_call_to
    if note.status is PickupStatus.RINGING:
        yield who, "rings, to take the call of", note.taken_from, False
    elif note.status is PickupStatus.CONNECTED:
        if _took(leg):
            yield who, "takes the call of", note.taken_from, False
    else:
        yield who, f"{_FAILURES[note.status]}: no pickup of", note.taken_from, False


def _sees(was: Leg | None, now: Leg) -> Iterator[tuple[str, str, str, bool]]:
    """What a phone shows of the other end."""
    if now.other_number and (was is None or now.other_number != was.other_number):
        name = f"{now.other_name} " if now.other_name else ""
        yield _who(now), f"{_SEES}{name}<{now.other_number}>", "", False
