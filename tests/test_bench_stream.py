"""The stream that the benchmark reads is what Asterisk sends: its names, headers and order, against recordings."""

import hashlib
import re
from collections import Counter
from pathlib import Path

import pytest

from bench.stream import FOLDER, Traffic, events_of_a_call, live, stream
from bridge.ami import read
from bridge.calls import LIVE

Event = tuple[str, tuple[str, ...]]
"""A name and the names of its headers."""

RECORDINGS = Path(__file__).parent / "recordings"
OWN_NUMBERS = re.compile(rb"0003\*10[01]\b|Ext 10[01]\b|-0000000[23]\b")


def shapes(data: bytes) -> list[Event]:
    blocks = data.decode().strip("\r\n").split("\r\n\r\n")
    events = [[line.partition(":")[0] for line in block.split("\r\n")] for block in blocks]
    names = [block.split("\r\n")[0].removeprefix("Event: ") for block in blocks]
    return [(name, tuple(headers)) for name, headers in zip(names, events, strict=True)]


@pytest.mark.parametrize(("filtered", "name"), [(True, "filtered.ami"), (False, "unfiltered.ami")])
def test_one_call_is_as_recorded(*, filtered: bool, name: str) -> None:
    """One call of the stream has the recorded call's events, headers and order, and nothing of its numbers."""
    made = stream(Traffic(1, phones=2), filtered=filtered)
    assert shapes(made) == shapes((FOLDER / name).read_bytes())
    assert not OWN_NUMBERS.search(made)


def test_counts_of_a_call() -> None:
    """A call is 87 events for who may see everything, 46 of them VarSet, and 19 behind our event filter."""
    everything = Counter(name for name, _ in shapes(stream(Traffic(1), filtered=False)))
    ours = Counter(name for name, _ in shapes(stream(Traffic(1), filtered=True)))
    assert (everything.total(), everything["VarSet"], ours.total()) == (87, 46, 19)
    assert (events_of_a_call(filtered=False), events_of_a_call(filtered=True)) == (87, 19)
    assert ours == Counter({name: count for name, count in everything.items() if name in LIVE})


def test_another_recording_tells_the_same() -> None:
    """A call recorded on another day, of other phones, has the same events of its channels in the same order."""
    _, events = read(RECORDINGS / "ringing/answered-the-caller-hangs-up.jsonl")
    recorded: dict[str, list[Event]] = {}
    began = False
    for _, event in events:
        name = str(event["Event"])
        began = began or name == "Newchannel"
        if began and "Uniqueid" in event and name in LIVE:
            recorded.setdefault(str(event["Uniqueid"]), []).append((name, tuple(event)))
    made: dict[str, list[Event]] = {}
    for block in stream(Traffic(1), filtered=True).decode().strip("\r\n").split("\r\n\r\n"):
        lines = [line.partition(": ") for line in block.split("\r\n")]
        told = {name.rstrip(":"): value for name, _, value in lines}
        if "Uniqueid" in told:
            made.setdefault(told["Uniqueid"], []).append((told["Event"], tuple(told)))
    assert sorted(made.values()) == sorted(recorded.values())


def test_same_bytes_each_time() -> None:
    """The same seed makes the same bytes, another seed others; and each call is there from its birth to its end."""
    traffic = Traffic(40, rate=20.0, phones=80)
    made = stream(traffic, filtered=True)
    assert hashlib.sha256(made).hexdigest() == hashlib.sha256(stream(traffic, filtered=True)).hexdigest()
    assert made != stream(Traffic(40, seed=23, rate=20.0, phones=80), filtered=True)
    names = Counter(name for name, _ in shapes(made))
    assert (names["Newchannel"], names["Hangup"], names["BridgeEnter"]) == (80, 80, 80)
    first_end, last_begin = made.index(b"Event: Hangup"), made.rindex(b"Event: Newchannel")
    assert first_end < last_begin, "the calls lie one behind another"


def test_live_calls_have_not_ended() -> None:
    """The calls that are to be live are answered, and none has ended."""
    names = Counter(name for name, _ in shapes(live(50)))
    assert (names["BridgeEnter"], names["Hangup"], names["BridgeLeave"]) == (100, 0, 0)
