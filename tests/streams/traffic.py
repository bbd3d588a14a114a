"""Calls without end: recorded ones, each time with ids of its own, many at once, as bytes; and what Asterisk would answer.

A recording is cast anew as bytes with blanks for its ids, moment by moment; beside each moment stands what a resync
would be answered then, and which calls live. So traffic costs next to nothing to make, and is true at any time.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise

from bridge.calls import Headers, Picture, text
from bridge.grammar import CallId
from recorded.joining import rows
from recorded.telling import picture
from streams.library import hears, of_one_pbx, opening
from streams.orders import Told, moments
from streams.wire import on_the_wire

QUESTIONS = ("BridgeList", "ParkedCalls", "QueueStatus", "DeviceStateList", "Status")
_ENDS = {
    "BridgeList": "BridgeListComplete",
    "ParkedCalls": "ParkedCallsComplete",
    "QueueStatus": "QueueStatusComplete",
    "DeviceStateList": "DeviceStateListComplete",
    "Status": "StatusComplete",
}

_FIRST = 1_700_000_000
"""The second of the first call; each has one of its own, so that recorded sequences never meet."""
_ACTION_ID = b"{ActionID}"
_NAME_ENDS = re.compile(r"-0000[0-9a-f]{4}(?![0-9a-f-])")

ORDINARY = (
    "ringing/answered-the-caller-hangs-up",
    "ringing/answered-the-called-one-hangs-up",
    "ringing/the-caller-leaves",
)
"""What most calls are."""


class Blank:
    """Bytes with blanks."""

    def __init__(self, data: bytes, blanks: re.Pattern[bytes], numbers: dict[bytes, int]) -> None:
        parts = blanks.split(data)
        self._form = b"%b".join(part.replace(b"%", b"%%") for part in parts[::2])
        self._which = [numbers[found] for found in parts[1::2]]

    def filled(self, values: Sequence[bytes]) -> bytes:
        """The bytes with these values in their blanks."""
        return self._form % tuple(values[which] for which in self._which)


@dataclass(frozen=True, slots=True)
class _Stage:
    """A moment of a recording, and how things are after it."""

    says: Blank
    answers: dict[str, Blank]
    alone: dict[int, Blank]
    """What is answered about one channel, by the number of its id."""
    calls: tuple[int, ...]
    """The Linkedids of the calls that live then, by number."""


class Mould:
    """A recording of which any number of calls can be made.

    Args:
        stream: The recording.
    """

    def __init__(self, stream: Sequence[Told]) -> None:
        begun, live = stream[: opening(stream)], stream[opening(stream) :]
        self._ids = _ids(live)
        numbers = {id_.encode(): n for n, id_ in enumerate(self._ids)}
        literals = sorted(numbers, key=len, reverse=True)
        blanks = re.compile(rb"(?<![\d.])(" + b"|".join(map(re.escape, literals)) + rb")(?![\d.])")
        self._renewals = [_renewal(id_, self._ids) for id_ in self._ids]
        one = hears(picture(), begun)
        company = {call.id for call in one.calls()}
        seen: set[CallId] = set()
        company_rows = {str(row) for row in _rows(one)}
        asked: set[str] = set()
        self.stages = []
        for start, end in pairwise([0, *moments(live)]):
            hears(one, live[start:end])
            told = [event for part in live[start:end] for event in part.events]
            asked |= {text(event, "Uniqueid") for event in told if text(event, "Event") == "Status"}
            seen |= {call.id for call in one.calls()}
            said = b"".join(on_the_wire(event) for event in told if not _is_answer(event))
            now = [row for row in _rows(one) if str(row) not in company_rows]
            self.stages.append(
                _Stage(
                    Blank(said, blanks, numbers),
                    {
                        question: Blank(
                            b"".join(_as_answer(row) for row in now if _of(row) == question), blanks, numbers
                        )
                        for question in QUESTIONS
                    },
                    {
                        numbers[text(row, "Uniqueid").encode()]: Blank(_as_answer(row), blanks, numbers)
                        for row in now
                        if _of(row) == "Status" and text(row, "Uniqueid") in asked
                    },
                    tuple(
                        numbers[one.channels_of(call.id)[0].linkedid.encode()]
                        for call in one.calls()
                        if call.id not in company
                    ),
                )
            )

        self.calls = len(seen - company)

    def values(self, instance: int) -> list[bytes]:
        """The ids of a call that is made of it."""
        values: dict[str, str] = {}
        for id_, renewed in zip(self._ids, self._renewals, strict=True):
            values[id_] = renewed(instance, values)
        return [value.encode() for value in values.values()]


_Renewal = Callable[[int, dict[str, str]], str]
"""How an id is made anew, of the instance's number and the ids already made."""


def _ids(live: Sequence[Told]) -> list[str]:
    """Channels, bridges and ends of channel names; an id that is made of another stands behind it."""
    found: dict[str, None] = {}
    born = [told.events[0] for told in live if text(told.events[0], "Event") == "Newchannel"]
    for event in born:
        found[text(event, "Uniqueid")] = None
    for event in born:
        for name in _NAME_ENDS.findall(text(event, "Channel")):
            found[name] = None
    for told in live:
        event = told.events[0]
        if text(event, "Event") == "BridgeEnter" and text(event, "BridgeType") != "parking":
            found[text(event, "BridgeUniqueid")] = None
    return sorted(found, key=lambda id_: id_.startswith("uapi-"))


def _renewal(id_: str, ids: Sequence[str]) -> _Renewal:
    if _NAME_ENDS.fullmatch(id_):
        return lambda instance, _: f"-{(instance * 4096 + int(id_[1:], 16)) & 0xFFFFFFFF:08x}"
    if id_.startswith("uapi-"):
        _, call, number = id_.split("-")
        linkedid = next(one for one in ids if CallId.of(one) == call)
        return lambda _, values: f"uapi-{CallId.of(values[linkedid])}-{number}"
    if re.fullmatch(r"\d+\.\d+", id_):
        return lambda instance, _: f"{_FIRST + instance}.{id_.partition('.')[2]}"
    return lambda instance, _: f"{instance & 0xFFFFFFFF:08x}{id_[8:]}"


def _rows(one: Picture) -> list[Headers]:
    at = max((channel.born for channel in one.board.channels.values()), default=0.0)
    return [row for row in rows(one, at) if not text(row, "Event").endswith("Complete")]


def _of(row: Headers) -> str:
    """Which question a row answers."""
    return text(row, "ActionID").partition("/")[2]


def _is_answer(event: Headers) -> bool:
    return "ActionID" in event and text(event, "Event") != "OriginateResponse"


def _as_answer(row: Headers) -> bytes:
    return on_the_wire({**row, "ActionID": _ACTION_ID.decode()})


@cache
def mould(name: str) -> Mould:
    """The mould of a recording."""
    return Mould(of_one_pbx()[name])


@dataclass(slots=True, eq=False)
class _Play:
    """One recording that is being played."""

    mould: Mould
    values: list[bytes]
    at: int = 0
    """How many of its moments have been told."""

    @property
    def stage(self) -> _Stage | None:
        return self.mould.stages[self.at - 1] if self.at else None


@dataclass
class Traffic:
    """Many calls at once.

    Args:
        rng: Where the chance comes from.
        at_once: How many recordings play at a time.
        kinds: What calls are made of; those that are there more than once are made more often.
    """

    rng: random.Random
    at_once: int = 50
    kinds: Sequence[str] = ()
    begun: int = 0
    """Calls so far."""
    _plays: list[_Play] = field(default_factory=list)
    _instances: int = 0

    def __post_init__(self) -> None:
        if not self.kinds:
            others = [name for name in of_one_pbx() if "fifty" not in name]
            self.kinds = (*ORDINARY * len(others), *others)

    def more(self, calls: int) -> bytes:
        """What is told while so many calls begin, and others go on and end."""
        until = self.begun + calls
        told = []
        while self.begun < until:
            if len(self._plays) < self.at_once:
                self._begins()
            told.append(self._goes_on(self.rng.choice(self._plays)))
        return b"".join(told)

    def rest(self) -> bytes:
        """What is told until all calls have ended."""
        told = []
        while self._plays:
            told.append(self._goes_on(self.rng.choice(self._plays)))
        return b"".join(told)

    def stop(self) -> None:
        """Let all calls be over, and tell nobody."""
        self._plays.clear()

    def _begins(self) -> None:
        made_of = mould(self.rng.choice(self.kinds))
        self._instances += 1
        self.begun += made_of.calls
        self._plays.append(_Play(made_of, made_of.values(self._instances)))

    def _goes_on(self, play: _Play) -> bytes:
        said = play.mould.stages[play.at].says.filled(play.values)
        play.at += 1
        if play.at == len(play.mould.stages):
            self._plays.remove(play)
        return said

    # --- what is true now

    def live(self) -> set[CallId]:
        """The calls that live, but the company's."""
        return {
            CallId.of(play.values[linkedid].decode())
            for play in self._plays
            if play.stage
            for linkedid in play.stage.calls
        }

    def answer(self, question: str, action_id: str) -> bytes:
        """The rows of a list, with its end."""
        told = b"".join(
            play.stage.answers[question].filled(play.values) for play in self._plays if play.stage
        )
        rows_ = _company(question) + told
        end = {"Event": _ENDS[question], "ActionID": action_id, "EventList": "Complete"}
        end["ListItems"] = str(rows_.count(_ACTION_ID))
        return rows_.replace(_ACTION_ID, action_id.encode()) + on_the_wire(end)

    def alone(self, uniqueid: str, action_id: str) -> bytes | None:
        """The Status of one channel as it is now; None where there is none, or nobody asked for it in the recording."""
        for play in self._plays:
            for number, blank in play.stage.alone.items() if play.stage else ():
                if play.values[number] == uniqueid.encode():
                    end = on_the_wire({"Event": "StatusComplete", "ActionID": action_id, "ListItems": "1"})
                    return blank.filled(play.values).replace(_ACTION_ID, action_id.encode()) + end
        return None


@cache
def _company(question: str) -> bytes:
    """Those who are there before any call begins."""
    stream = next(iter(of_one_pbx().values()))
    one = hears(picture(), stream[: opening(stream)])
    return b"".join(_as_answer(row) for row in _rows(one) if _of(row) == question)


def company_calls() -> set[CallId]:
    """The calls that are there before any other."""
    stream = next(iter(of_one_pbx().values()))
    return {call.id for call in hears(picture(), stream[: opening(stream)]).calls()}
