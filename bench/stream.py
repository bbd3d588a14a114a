"""The events of many calls as Asterisk 22 sends them, the same bytes each time for the same seed.

The model is one recorded call (`bench.record`): its bytes with other numbers, names, ids and bridges in place of its
own. A call comes in three bursts, as in the recording: it rings, it is answered, it ends. The bursts of different
calls lie between one another as their times say.
"""

import heapq
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("recordings")
FIRST_SECOND = 1_795_000_000
"""When the streams begin: the epoch in the first Uniqueid."""

BANNER = b"Asterisk Call Manager/11.0.0\r\n"

Burst = tuple[bytes, ...]
"""Events that come together, each with its blank line; numbers and ids are still blanks."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What kind of calls.

    Attributes:
        calls: how many.
        seed: of the random times.
        rate: calls a second.
        rings: seconds that a phone rings, on average.
        talks: seconds that a talk lasts, on average.
        phones: how many phones there are; two of them are in a call.
        first: the number of the first call, from which its ids and phones are made.
    """

    calls: int
    seed: int = 22
    rate: float = 50.0
    rings: float = 2.0
    talks: float = 10.0
    phones: int = 1_000
    first: int = 0


def events_of_a_call(*, filtered: bool) -> int:
    """How many events one call is."""
    return sum(map(len, _model(filtered)))


def stream(traffic: Traffic, *, filtered: bool) -> bytes:
    """Calls from their beginning to their end.

    Args:
        traffic: Of what kind.
        filtered: As the bridge's own session gets them, or as one does that may see everything.
    """
    return b"".join(data for _, data in timed(traffic, filtered=filtered))


def live(calls: int, *, filtered: bool = True) -> bytes:
    """The beginning of calls that have been answered and are all there at once: each phone has one at most."""
    traffic = Traffic(calls, rate=1000.0, rings=0.01, talks=1e9, phones=2 * calls)
    last = traffic.calls / traffic.rate * 10
    return b"".join(data for at, data in timed(traffic, filtered=filtered) if at < last)


def number(phone: int) -> str:
    """The extension of a phone, counted from 0."""
    return f"0003*{phone + 10_000}"


def linkedid(traffic: Traffic, call: int) -> str:
    """The Linkedid of a call, counted from 0."""
    return f"{FIRST_SECOND + int(call / traffic.rate)}.{2 * call}"


def timed(traffic: Traffic, *, filtered: bool) -> Iterator[tuple[float, bytes]]:
    """The same in bursts: when each comes, in seconds, and its events, in the order of these times."""
    chance = random.Random(traffic.seed)
    waiting: list[tuple[float, int, int, bytes]] = []
    for call in range(traffic.first, traffic.first + traffic.calls):
        begins = call / traffic.rate
        while waiting and waiting[0][0] <= begins:
            at, _, _, data = heapq.heappop(waiting)
            yield at, data
        answered = begins + chance.expovariate(1 / traffic.rings)
        ends = answered + chance.expovariate(1 / traffic.talks)
        for part, (at, data) in enumerate(
            zip((begins, answered, ends), _call(traffic, call, chance, filtered=filtered), strict=True)
        ):
            heapq.heappush(waiting, (at, call, part, data))
    while waiting:
        at, _, _, data = heapq.heappop(waiting)
        yield at, data


def _call(traffic: Traffic, call: int, chance: random.Random, *, filtered: bool) -> Iterator[bytes]:
    """One call's bursts, with its own numbers and ids filled in."""
    caller = 2 * call % traffic.phones
    second = FIRST_SECOND + int(call / traffic.rate)
    own = {
        b"caller": number(caller).encode(),
        b"called": number(caller + 1).encode(),
        b"caller_name": f"Ext {number(caller)[5:]}".encode(),
        b"called_name": f"Ext {number(caller + 1)[5:]}".encode(),
        b"caller_uniqueid": b"%d.%d" % (second, 2 * call),
        b"called_uniqueid": b"%d.%d" % (second, 2 * call + 1),
        b"caller_counter": b"-%08x" % (2 * call),
        b"called_counter": b"-%08x" % (2 * call + 1),
        b"bridge": str(uuid.UUID(int=chance.getrandbits(128), version=4)).encode(),
    }
    for burst in _model(filtered):
        yield b"".join(event % own for event in burst)


@cache
def _model(filtered: bool) -> tuple[Burst, Burst, Burst]:  # noqa: FBT001 -- a cache takes it so
    """The recorded call in its three bursts, with blanks for what is a call's own."""
    recorded = (FOLDER / ("filtered.ami" if filtered else "unfiltered.ami")).read_bytes()
    events = [block + b"\r\n\r\n" for block in recorded.strip(b"\r\n").split(b"\r\n\r\n")]
    blanks = _blanks(events)
    made = []
    for event in events:
        made.append(event.replace(b"%", b"%%"))
        for value, blank in blanks:
            made[-1] = made[-1].replace(value, b"%%(%b)b" % blank)
    answered = next(
        place for place, event in enumerate(events) if _is(event, b"Newstate", b"ChannelState: 6")
    )
    # The caller hangs up: unfiltered a HangupRequest, filtered the first who leaves the bridge.
    name = b"BridgeLeave" if filtered else b"HangupRequest"
    ends = next(place for place, event in enumerate(events) if _is(event, name))
    return tuple(made[:answered]), tuple(made[answered:ends]), tuple(made[ends:])


def _blanks(events: list[bytes]) -> list[tuple[bytes, bytes]]:
    """What is the recorded call's own, and the name of the blank for it."""
    caller, called = (event for event in events if _is(event, b"Newchannel"))
    bridge = next(event for event in events if _is(event, b"BridgeEnter"))
    blanks = [(_header(bridge, b"BridgeUniqueid"), b"bridge")]
    for who, event in ((b"caller", caller), (b"called", called)):
        phone = _header(event, b"CallerIDNum")
        blanks += [
            (_header(event, b"Uniqueid"), who + b"_uniqueid"),
            (_header(event, b"Channel")[-9:], who + b"_counter"),
            (phone, who),
            (b"Ext " + phone[5:], who + b"_name"),
        ]
    return blanks


def _is(event: bytes, name: bytes, line: bytes = b"") -> bool:
    return event.startswith(b"Event: %b\r\n" % name) and line in event.split(b"\r\n")


def _header(event: bytes, name: bytes) -> bytes:
    return next(line[len(name) + 2 :] for line in event.split(b"\r\n") if line.startswith(name + b": "))
