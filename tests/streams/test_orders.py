"""The same calls in the end, in whatever legal order a busy Asterisk tells of them, and whenever a bridge joins.

Which orders are legal, and why, stands in ``streams.orders``. Each stream also goes over the wire, cut into random
segments. ``SHUFFLES=1000`` draws more orders than CI has time for.
"""

import os
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from bridge.ami import read
from bridge.calls import RESYNC, Call, Picture, text
from calls.checks import check
from recorded.joining import calls, rows
from recorded.telling import picture
from streams.orders import ALL, Told, moments, shuffled
from streams.wire import heard, on_the_wire, segments

FOLDER = Path(__file__).parents[1] / "recordings"
RECORDINGS = sorted(FOLDER.rglob("*.jsonl"))
SHUFFLES = int(os.environ.get("SHUFFLES") or 200)
"""Orders of a busy PBX."""
EACH = max(5, SHUFFLES // 40)
"""Orders of each recording by itself."""
AT_ONCE = 5
"""Recordings that a busy PBX plays at once."""


@cache
def _recorded(path: Path) -> tuple[Told, ...]:
    head, events = read(path)
    return tuple(Told(head.started + t, (event,)) for t, event in events)


def _opening(stream: Sequence[Told]) -> int:
    """How many events the recorder's first resync has."""
    return next(
        (n for n, told in enumerate(stream, 1) if text(told.events[0], "Event") == "StatusComplete"), 0
    )


def _hears(one: Picture, stream: Iterable[Told]) -> Picture:
    for told in stream:
        for event in told.events:
            one.apply(event, told.at)
    return one


def _shown(one: Picture) -> dict[str, Call]:
    return {call.id: call for call in one.calls()}


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: str(path.relative_to(FOLDER).with_suffix("")))
def test_a_recording_in_any_order(path: Path) -> None:
    """After each of its moments the picture holds together and shows what it shows when told as it was recorded."""
    stream = _recorded(path)
    ends = moments(stream)
    expected, one = {}, picture()
    for begin, end in zip([0, *ends], ends, strict=False):
        expected[end] = _shown(_hears(one, stream[begin:end]))
    for shuffle in range(EACH):
        one = picture()
        for told_by_now, told in enumerate(shuffled(stream, random.Random(f"{path.name} {shuffle}")), 1):
            _hears(one, [told])
            if told_by_now in expected:
                assert _shown(one) == expected[told_by_now], f"shuffle {shuffle}, after {told_by_now} events"
        check(one)


@cache
def _of_one_pbx() -> tuple[tuple[Told, ...], ...]:
    """The recordings of one run of the lab, the most there are; their channels and bridges are all different."""
    by_company: defaultdict[object, list[tuple[Told, ...]]] = defaultdict(list)
    for path in RECORDINGS:
        stream = _recorded(path)
        resyncs = [n for n, told in enumerate(stream) if text(told.events[0], "ActionID").startswith(RESYNC)]
        opening = stream[: _opening(stream)]
        if resyncs and resyncs[-1] < len(opening):
            company = frozenset(text(told.events[0], "Uniqueid") for told in opening) - {""}
            by_company[company].append(stream)
    sizes = {company: len(streams) for company, streams in by_company.items()}
    return tuple(by_company[max(sizes, key=sizes.__getitem__)])


def _busy(rng: random.Random) -> tuple[list[Told], list[Told]]:
    """What a PBX has to tell where several recordings happen at once, each up to the end of one of its moments.

    Returns:
        The resync that it opens with, and what happened then.
    """
    chosen = rng.sample(_of_one_pbx(), AT_ONCE)
    opening = list(chosen[0][: _opening(chosen[0])])
    lines = []
    for of, stream in enumerate(chosen):
        live = [replace(told, of=of) for told in stream[_opening(stream) :]]
        lines.append(live[: rng.choice(moments(live))])
    turns = [of for of, line in enumerate(lines) for _ in line]
    rng.shuffle(turns)
    left = [iter(line) for line in lines]
    return opening, [next(left[of]) for of in turns]


def test_a_busy_pbx_in_any_order_joined_at_any_moment() -> None:
    """Several recordings at once, cut off while calls are live: whatever order they are told in, one who was always
    there, one who is resynchronised at a random moment, and one who joins then, show the same calls.
    """
    live = 0
    for shuffle in range(SHUFFLES):
        rng = random.Random(f"busy {shuffle}")
        opening, happened = _busy(rng)
        always = _hears(_hears(picture(), opening), happened)
        expected = _shown(always)
        live += len(expected)
        assert _shown(_heard_as_bytes(picture(), [*opening, *shuffled(happened, rng)], rng)) == expected, (
            shuffle
        )
        joins = rng.randrange(len(happened) + 1)
        resync = _resync(opening, happened[:joins])
        told = list(shuffled([*happened[:joins], resync, *happened[joins:]], rng))
        joined = _hears(picture(), told[told.index(resync) :])
        check(joined)
        assert calls(joined) == calls(always), f"shuffle {shuffle}, joined after {joins} events"
        again = _hears(_hears(picture(), opening), told)
        check(again)
        assert calls(again) == calls(always), f"shuffle {shuffle}, resynchronised after {joins} events"
    assert live > SHUFFLES * 2, "hardly any call was live in the end"


def _resync(opening: Iterable[Told], happened: Sequence[Told]) -> Told:
    """What Asterisk answers when these have happened, whether they have been told or not."""
    at = max((told.at for told in happened), default=0.0)
    return Told(at, tuple(rows(_hears(_hears(picture(), opening), happened), at)), ALL)


def _heard_as_bytes(one: Picture, stream: Sequence[Told], rng: random.Random) -> Picture:
    data = b"".join(on_the_wire(event) for told in stream for event in told.events)
    times = [told.at for told in stream for _ in told.events]
    for at, event in zip(times, heard(segments(data, rng)), strict=True):
        one.apply(event, at)
    return one
