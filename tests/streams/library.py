"""The recordings as streams: which belong to one PBX, and where what happens in them begins."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from bridge.ami import read
from bridge.calls import RESYNC, Picture, text
from streams.orders import Told

FOLDER = Path(__file__).parents[1] / "recordings"
APART = ("13.", "16.")
"""The versions that tell of channels and bridges apart (``streams.orders``)."""
RECORDINGS = sorted(FOLDER.rglob("*.jsonl"))


def name(path: Path) -> str:
    """A recording's name, such as ``ringing/the-caller-leaves``."""
    return str(path.relative_to(FOLDER).with_suffix(""))


@cache
def recorded(path: Path) -> tuple[Told, ...]:
    """All that a recording has."""
    head, events = read(path)
    apart = head.asterisk.startswith(APART)
    return tuple(Told(head.started + t, (event,), apart=apart) for t, event in events)


def opening(stream: Sequence[Told]) -> int:
    """How many events the resync has that a recording opens with."""
    ends = (n for n, told in enumerate(stream, 1) if text(told.events[0], "Event") == "StatusComplete")
    return next(ends, 0)


@cache
def of_one_pbx() -> dict[str, tuple[Told, ...]]:
    """The recordings of one run of the lab on Asterisk 22, the run that has the most; each opens with the company alone.

    Their channels and bridges are all different, but for the company's.
    """
    by_company: defaultdict[object, dict[str, tuple[Told, ...]]] = defaultdict(dict)
    for path in RECORDINGS:
        if "." in path.stem:
            continue  # of another version
        stream = recorded(path)
        resyncs = [n for n, told in enumerate(stream) if text(told.events[0], "ActionID").startswith(RESYNC)]
        rows = stream[: opening(stream)]
        if resyncs and resyncs[-1] < len(rows):
            by_company[frozenset(text(told.events[0], "Uniqueid") for told in rows)][name(path)] = stream
    sizes = {company: len(streams) for company, streams in by_company.items()}
    return by_company[max(sizes, key=sizes.__getitem__)]


def hears(one: Picture, stream: Iterable[Told]) -> Picture:
    """Tell a picture a stream."""
    for told in stream:
        for event in told.events:
            one.apply(event, told.at)
    return one
