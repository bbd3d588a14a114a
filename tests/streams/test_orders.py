"""The same calls in the end, in whatever legal order a busy Asterisk tells of them, and whenever a bridge joins.

Which orders are legal, and why, stands in ``streams.orders``. Each stream also goes over the wire, cut into random
segments. ``SHUFFLES=1000`` draws more orders than CI has time for.
"""

import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.calls import Call, Picture
from calls.checks import check
from recorded.joining import calls, rows
from recorded.telling import MOMENT, picture
from streams.library import FOLDER, RECORDINGS, hears, name, of_one_pbx, opening, recorded
from streams.orders import ALL, Told, moments, shuffled
from streams.wire import heard, on_the_wire, segments

SHUFFLES = int(os.environ.get("SHUFFLES") or 200)
"""Orders of a busy PBX."""
EACH = max(5, SHUFFLES // 40)
"""Orders of each recording by itself."""
AT_ONCE = 5
"""Recordings that a busy PBX plays at once."""


def _shown(one: Picture) -> dict[str, Call]:
    return {call.id: call for call in one.calls()}


def test_the_orders_are_many_and_legal() -> None:
    """They are hardly ever the same; what is told of one channel or bridge keeps its order, and so do moments."""
    stream = recorded(FOLDER / "talking" / "transferred-after-a-consultation.jsonl")
    place = {id(told): n for n, told in enumerate(stream)}
    drawn = set()
    for draw in range(50):
        order = list(shuffled(stream, random.Random(draw)))
        places = tuple(place[id(told)] for told in order)
        assert sorted(places) == list(range(len(stream)))
        drawn.add(places)
        latest = 0.0
        last: dict[str, int] = {}
        for told in order:
            assert told.at >= latest - MOMENT
            latest = max(latest, told.at)
            if not told.answer:
                for thing in told.things:
                    assert last.setdefault(thing, -1) < place[id(told)]
                    last[thing] = place[id(told)]
    assert len(drawn) > 45


@pytest.mark.parametrize("path", RECORDINGS, ids=name)
def test_a_recording_in_any_order(path: Path) -> None:
    """After each of its moments the picture holds together and shows what it shows when told as it was recorded."""
    stream = recorded(path)
    ends = moments(stream)
    expected, one = {}, picture()
    for begin, end in zip([0, *ends], ends, strict=False):
        expected[end] = _shown(hears(one, stream[begin:end]))
    for shuffle in range(EACH):
        one = picture()
        for told_by_now, told in enumerate(shuffled(stream, random.Random(f"{path.name} {shuffle}")), 1):
            hears(one, [told])
            if told_by_now in expected:
                assert _shown(one) == expected[told_by_now], f"shuffle {shuffle}, after {told_by_now} events"
        check(one)


def _busy(rng: random.Random) -> tuple[list[Told], list[Told]]:
    """What a PBX has to tell where several recordings happen at once, each up to the end of one of its moments.

    Returns:
        The resync that it opens with, and what happened then.
    """
    chosen = rng.sample(list(of_one_pbx().values()), AT_ONCE)
    begun = list(chosen[0][: opening(chosen[0])])
    lines = []
    for of, stream in enumerate(chosen):
        live = [replace(told, of=of) for told in stream[opening(stream) :]]
        lines.append(live[: rng.choice(moments(live))])
    turns = [of for of, line in enumerate(lines) for _ in line]
    rng.shuffle(turns)
    left = [iter(line) for line in lines]
    return begun, [next(left[of]) for of in turns]


def test_a_busy_pbx_in_any_order_joined_at_any_moment() -> None:
    """Several recordings at once, cut off while calls are live: whatever order they are told in, one who was always
    there, one who is resynchronised at a random moment, and one who joins then, show the same calls.
    """
    live = 0
    for shuffle in range(SHUFFLES):
        rng = random.Random(f"busy {shuffle}")
        begun, happened = _busy(rng)
        always = hears(hears(picture(), begun), happened)
        expected = _shown(always)
        live += len(expected)
        assert _shown(_heard_as_bytes(picture(), [*begun, *shuffled(happened, rng)], rng)) == expected, (
            shuffle
        )
        joins = rng.randrange(len(happened) + 1)
        resync = _resync(begun, happened[:joins])
        told = list(shuffled([*happened[:joins], resync, *happened[joins:]], rng))
        joined = hears(picture(), told[told.index(resync) :])
        check(joined)
        assert calls(joined) == calls(always), f"shuffle {shuffle}, joined after {joins} events"
        again = hears(hears(picture(), begun), told)
        check(again)
        assert calls(again) == calls(always), f"shuffle {shuffle}, resynchronised after {joins} events"
    assert live > SHUFFLES * 4, "hardly any call was live in the end"


def _resync(begun: Iterable[Told], happened: Sequence[Told]) -> Told:
    """What Asterisk answers when these have happened, whether they have been told or not."""
    at = max((told.at for told in happened), default=0.0)
    return Told(at, tuple(rows(hears(hears(picture(), begun), happened), at)), ALL)


def _heard_as_bytes(one: Picture, stream: Sequence[Told], rng: random.Random) -> Picture:
    data = b"".join(on_the_wire(event) for told in stream for event in told.events)
    times = [told.at for told in stream for _ in told.events]
    for at, event in zip(times, heard(segments(data, rng)), strict=True):
        one.apply(event, at)
    return one
