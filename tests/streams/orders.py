"""Every order in which a busy Asterisk may legally tell what happened, drawn by chance.

What Asterisk orders, and so what is never exchanged here:

* *Events of one channel.* They are published under the channel's lock, and reach AMI through one queue. An event of two channels (DialBegin, Pickup)
  counts for both, as the one thread that publishes it does things to both.
* *Events of one bridge.* They are published under the bridge's lock; of those who enter a conversation, the Linkedid
  in the latest BridgeEnter is that of all of them, so that this order is the order of the merges, too.
* *Moments of one call.* All channel and bridge events reach AMI through one queue, so that a thread is late by what
  the machine makes it wait before it publishes, not by what people take: no two events of a call are exchanged that
  are further apart than ``MOMENT``.
* *Answers, against what happens later.* An answer says how things are when it is written: nothing is told before it
  that has happened after it.

And what it does not, so that it is exchanged:

* Events of different channels and bridges of one call within a moment: other threads publish them.
* Before Asterisk 17, what happens to a channel, its birth and its end included, against its ways into and out of
  bridges: each of the two kinds passed through a cache of its own before it met the other in that queue (source).
* Parking events against all but each other: they reach AMI on a way of their own (seen on 22.10, ahead of Newchannel).
* OriginateResponse against all: it is not of that queue at all (seen on 22.10, ahead of Newchannel and of Hangup).
* Answers, against what has happened before: they are written at once and overtake the queue.
* Calls that share no channel and no bridge, against each other, without bound. The lot that all parked callers share is
  a bridge, and its events keep their order.
"""

import random
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter

from bridge.calls import RESYNC, Headers, text
from recorded.telling import MOMENT

_PARKING = frozenset(
    {"ParkedCall", "ParkedCallSwap", "UnParkedCall", "ParkedCallGiveUp", "ParkedCallTimeOut"}
)
_ROWS = frozenset({
    "Status", "StatusComplete", "BridgeListItem", "BridgeListComplete", "ParkedCallsComplete", "QueueEntry",
    "QueueStatusComplete", "DeviceStateListComplete",
})  # fmt: skip


ALL = -1
"""Of all recordings at once: what a resync tells."""


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Something that AMI tells in one piece: an event, or all the rows of a resync.

    Attributes:
        at: When, seconds.
        events: What is told.
        apart: Whether it is of an Asterisk where channels and bridges are told of apart.
        of: Which recording it is of, where several make up one stream and know nothing of each other; or ``ALL``.
    """

    at: float
    events: tuple[Headers, ...]
    of: int = 0
    apart: bool = False

    @property
    def answer(self) -> bool:
        """Whether it answers a question."""
        first = self.events[0]
        return text(first, "Event") in _ROWS or text(first, "ActionID").startswith(RESYNC)

    @property
    def things(self) -> frozenset[str]:
        """The channels, the bridge or the like whose events keep their order."""
        first = self.events[0]
        name = text(first, "Event")
        if name in _PARKING:
            return frozenset({"parking"})
        if name == "OriginateResponse":
            return frozenset({name})
        if name == "DeviceStateChange":
            return frozenset({text(first, "Device")})
        headers = ("Uniqueid", "DestUniqueid", "TargetUniqueid", "BridgeUniqueid")
        things = {value for header in headers if (value := text(first, header))}
        if self.apart and name in ("BridgeEnter", "BridgeLeave"):
            channel = text(first, "Uniqueid")
            things.discard(channel)
            things.add(f"the ways of {channel}")
        return frozenset(things)


def moments(stream: Sequence[Told]) -> list[int]:
    """How much of a stream has been told at the end of each of its moments."""
    gaps = (n for n in range(1, len(stream)) if stream[n].at - stream[n - 1].at > MOMENT)
    return [*gaps, len(stream)]


def shuffled(stream: Iterable[Told], rng: random.Random) -> Iterator[Told]:
    """Draw a legal order.

    Half of them prefer some channels and bridges to others for a while, as a scheduler that lets one thread wait does;
    pure chance would seldom let one wait long.

    Args:
        stream: What happened, in the order in which it did.
        rng: Where the chance comes from.
    """
    lines: defaultdict[int, _Line] = defaultdict(_Line)
    resyncs: deque[tuple[int, Told]] = deque()
    for number, told in enumerate(stream):
        if told.of == ALL:
            resyncs.append((number, told))
        else:
            lines[told.of].append(number, told)
    moods: defaultdict[object, float] | None = defaultdict(rng.random) if rng.random() < 0.5 else None
    while True:
        before = resyncs[0][0] if resyncs else None
        able = [of for of, line in lines.items() if line.begins_before(before)]
        if before is not None and all(lines[of].about_to_reach(before) for of in able):
            able.append(ALL)
        if not able:
            return
        if moods and rng.random() < 0.05:
            moods.clear()
        of = rng.choice(able) if moods is None else max(able, key=moods.__getitem__)
        yield resyncs.popleft()[1] if of == ALL else lines[of].take(before, moods, rng)


class _Line:
    """What is yet to be told of one recording."""

    def __init__(self) -> None:
        self._pending: list[tuple[int, Told, frozenset[str], bool]] = []

    def append(self, number: int, told: Told) -> None:
        """Add what happened next; its number counts over all recordings."""
        self._pending.append((number, told, told.things, told.answer))

    def begins_before(self, number: int | None) -> bool:
        """Whether anything that happened before is yet to be told."""
        return bool(self._pending) and (number is None or self._pending[0][0] < number)

    def about_to_reach(self, number: int) -> bool:
        """Whether all that happened before and is yet to be told is of one moment."""
        last = bisect_left(self._pending, number, key=itemgetter(0)) - 1
        return last < 0 or self._pending[last][1].at - self._pending[0][1].at <= MOMENT

    def take(self, before: int | None, moods: defaultdict[object, float] | None, rng: random.Random) -> Told:
        """Tell something that happened before, by chance or by mood."""
        free = self._free(before)
        if moods is None:
            chosen = rng.choice(free)
        else:
            chosen = max(free, key=lambda at: max((moods[one] for one in self._pending[at][2]), default=0.0))
        return self._pending.pop(chosen)[1]

    def _free(self, before: int | None) -> list[int]:
        free = []
        kept: set[str] = set()
        until = self._pending[0][1].at + MOMENT
        for at, (number, told, things, answer) in enumerate(self._pending):
            if told.at > until or (before is not None and number >= before):
                break
            if not things & kept:
                free.append(at)
            if answer:
                break
            kept |= things
        return free
