"""Every tale, put to the picture in every way a bridge may come to hear it."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import pytest

from bridge.calls import RESYNC, Headers, Pickup, Picture
from calls.checks import check, differences, nothing_left, planned
from calls.pbx import Moment, Told
from calls.story import Story, picture
from calls.tales import TALES


@dataclass(frozen=True, slots=True)
class Retold:
    """A tale as it reached the bridge, and what Asterisk would have answered after each event."""

    moments: list[Moment]
    rows: list[list[Told]]
    settled: list[bool]
    """Whether what Asterisk says after an event is no more and no less than what events have told so far."""

    def live(self, until: int) -> Picture:
        """A picture that hears it from the beginning up to an event."""
        return told(picture(), self.moments[: until + 1])

    def resynced(self, one: Picture, at: int) -> Picture:
        """Resynchronise a picture as it would be after an event."""
        for row in self.rows[at]:
            one.apply(row, self.moments[at].at)
        return one


def told(one: Picture, moments: Iterable[Moment]) -> Picture:
    for moment in moments:
        one.apply(moment.event, moment.at)
    return one


@cache
def retold(tale: str) -> Retold:
    """Tell a tale, the questions about pickup legs among its events."""
    story = Story()
    it = Retold([], [], [])
    apply = story.live.apply

    def hear(event: Headers, at: float) -> Iterable[Pickup]:
        it.moments.append(Moment(event, at))
        it.rows.append(story.rows())
        it.settled.append(story.settled)
        return apply(event, at)

    story.live.apply = hear  # type: ignore[method-assign]  # listens in
    TALES[tale](story)
    return it


@pytest.fixture(params=TALES)
def tale(request: pytest.FixtureRequest) -> Retold:
    return retold(request.param)


def test_agrees_with_a_bridge_that_starts_at_any_moment(tale: Retold) -> None:
    """After each event the picture holds together, and one that resynchronises just then shows the same."""
    live = picture()
    for now, moment in enumerate(tale.moments):
        live.apply(moment.event, moment.at)
        check(live)
        fresh = tale.resynced(picture(), now)
        check(fresh)
        assert not tale.settled[now] or differences(live, fresh) == [], moment.event


LISTS = ("BridgeList", "ParkedCalls", "QueueStatus", "DeviceStateList", "Status")


def asked(tale: Retold, draw: random.Random) -> tuple[Picture, int]:
    """A picture that begins in a tale, each of whose lists is answered at a moment of its own, the last a settled one.

    Returns:
        The picture; and the last event that it has heard.
    """
    one = picture()
    *answered, last = sorted(draw.randrange(len(tale.moments)) for _ in LISTS)
    answered.append(tale.settled.index(True, last))
    heard = answered[0]
    for name, now in zip(LISTS, answered, strict=True):
        told(one, tale.moments[heard + 1 : now + 1])
        heard = now
        for row in tale.rows[now]:
            if str(row["ActionID"]).endswith(f"/{name}"):
                one.apply({**row, "ActionID": f"{RESYNC}-1/{name}"}, tale.moments[now].at)
    return one, heard


def test_agrees_with_a_bridge_whose_lists_are_answered_one_by_one(tale: Retold) -> None:
    """Events come between the answers; once the last is there, both show the same."""
    draw = random.Random(11)
    for _ in range(12):
        fresh, heard = asked(tale, draw)
        check(fresh)
        assert differences(tale.live(heard), fresh) == [], (heard, tale.moments[heard].event)


def test_a_resync_at_any_moment_changes_nothing(tale: Retold) -> None:
    """A picture that is resynchronised after each event shows what one shows that never is."""
    live, again = picture(), picture()
    for now, moment in enumerate(tale.moments):
        live.apply(moment.event, moment.at)
        again.apply(moment.event, moment.at)
        if tale.settled[now]:
            tale.resynced(again, now)
            check(again)
            assert again.calls() == live.calls(), moment.event


def test_begins_in_the_middle_and_hears_the_rest(tale: Retold) -> None:
    """A bridge that starts in the middle hears the rest as well as one that was there from the beginning."""
    for start in range(0, len(tale.moments), 3):
        if not tale.settled[start]:
            continue
        live, late = tale.live(start), tale.resynced(picture(), start)
        for now in range(start + 1, len(tale.moments)):
            told(live, tale.moments[now : now + 1])
            told(late, tale.moments[now : now + 1])
            assert not tale.settled[now] or differences(live, late) == [], (start, tale.moments[now].event)
        check(late)


@pytest.mark.parametrize("overtaken", [1, 2, 5])
def test_old_events_behind_newer_rows_lead_to_the_same_end(tale: Retold, overtaken: int) -> None:
    """Events that a resync has overtaken are told after it, and lead to what it had said."""
    for end in range(overtaken, len(tale.moments)):
        if not tale.settled[end]:
            continue
        start = end - overtaken
        late = tale.resynced(tale.live(start), end)
        told(late, tale.moments[start + 1 : end + 1])
        check(late)
        assert differences(tale.live(end), late) == [], (tale.moments[end].event, end)


def test_a_lost_event_is_healed_by_the_next_resync(tale: Retold) -> None:
    """Whichever event never came: after the next resync nothing of it is missed."""
    last = len(tale.moments) - 1
    for lost in range(last):
        poor = tale.live(lost - 1)
        for now in range(lost + 1, last + 1):
            poor.apply(tale.moments[now].event, tale.moments[now].at)
            if tale.settled[now] and now in (lost + 1, lost + 3, last):
                check(tale.resynced(poor, now))
                missed = differences(poor, tale.resynced(picture(), now))
                assert missed == [], (tale.moments[lost].event, tale.moments[now].event)


def test_nothing_is_kept_of_it(tale: Retold) -> None:
    """When all have hung up, nothing is left of the calls."""
    live = tale.live(len(tale.moments))
    for row in Story().rows():
        live.apply(row, tale.moments[-1].at)
    nothing_left(live)


def test_a_bridge_that_starts_at_any_moment_picks_up_alike(tale: Retold) -> None:
    """From the rows of a resync alone the same source is found for every leg, or the same refusal."""
    live = picture()
    for now, moment in enumerate(tale.moments):
        live.apply(moment.event, moment.at)
        if tale.settled[now]:
            fresh = tale.resynced(picture(), now)
            for call in live.calls():
                for leg in call.legs:
                    ours, theirs = (planned(one, call.id, leg.view) for one in (live, fresh))
                    assert ours == theirs, (leg.view, moment.event)
