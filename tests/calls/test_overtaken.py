"""Who enters a bridge before being announced is there once announced: before Asterisk 17 the two come by ways of their own."""

import pytest

from bridge.calls import Headers, Picture, text
from calls.checks import check, nothing_left, shown
from calls.pbx import Chan, Moment
from calls.story import Story, picture

WAYS = ("BridgeEnter", "BridgeLeave")


def told(moments: list[Moment]) -> Picture:
    one = picture()
    for moment in moments:
        one.apply(moment.event, moment.at)
    return one


def is_of(event: Headers, chan: Chan, *names: str) -> bool:
    return text(event, "Uniqueid") == chan.uniqueid and text(event, "Event") in names


def announced_late(story: Story, *chans: Chan) -> list[Moment]:
    """What was told, and only behind the last way of these into or out of a bridge what else is told of them."""
    ways = [n for n, one in enumerate(story.said) if any(is_of(one.event, chan, *WAYS) for chan in chans)]
    before, after = story.said[: ways[-1] + 1], story.said[ways[-1] + 1 :]
    ids = {chan.uniqueid for chan in chans}
    late = [
        one for one in before if text(one.event, "Uniqueid") in ids and text(one.event, "Event") not in WAYS
    ]
    return [*(one for one in before if one not in late), *late, *after]


def test_a_fetcher_who_is_bridged_before_being_announced() -> None:
    """Both parties show the other, in one call, at once and not only after the next resync."""
    story = Story()
    story.parks_himself("0003*100")
    fetcher = story.fetches("0003*025")
    late = told(announced_late(story, fetcher))
    check(late)
    assert shown(late) == shown(story.live)
    assert len(late.calls()) == 1


def test_all_of_a_conversation_may_be_bridged_before_being_announced() -> None:
    """The Linkedid in the bridge's latest BridgeEnter is theirs, whatever stands in their own."""
    story = Story()
    caller, other = story.comes_in("0003*100", "0003*807"), story.comes_in("0003*025", "701")
    room = story.room()
    story.enter(other, room)
    story.enter(caller, room)
    late = told(announced_late(story, caller, other))
    check(late)
    assert shown(late) == shown(story.live)
    assert [len(call.legs) for call in late.calls()] == [2]


def test_one_who_joins_later_brings_his_linkedid_along() -> None:
    """Whoever enters meanwhile with an older Linkedid gives it to those who are yet to be announced."""
    story = Story()
    older, younger = story.comes_in("0003*100", "0003*807"), story.comes_in("0003*025", "701")
    room = story.room()
    story.enter(younger, room)
    moments = announced_late(story, younger)
    story.enter(older, room)
    born = next(one for one in moments if is_of(one.event, younger, "Newchannel"))
    moments.remove(born)
    late = told([*moments, story.said[-1], born])
    assert shown(late) == shown(story.live)
    assert [len(call.legs) for call in late.calls()] == [2]


def test_one_who_is_parked_before_being_announced() -> None:
    """The slot and the lot's bridge are both told too early, and both are taken up."""
    story = Story()
    chan = story.parks_himself("0003*100")
    parked = next(one for one in story.said if text(one.event, "Event") == "ParkedCall")
    moments = announced_late(story, chan)
    moments.remove(parked)
    assert shown(told([parked, *moments])) == shown(story.live)
    assert "parked=701" in shown(story.live)


@pytest.mark.parametrize("ends", ["BridgeLeave", "Hangup"])
def test_one_who_has_left_before_being_announced(ends: str) -> None:
    """A way out of the bridge, or the end of the channel, takes the way in back."""
    story = Story()
    story.parks_himself("0003*100")
    fetcher = story.fetches("0003*025")
    moments = announced_late(story, fetcher)
    late = told(
        moments[: next(n for n, one in enumerate(moments) if is_of(one.event, fetcher, "Newchannel"))]
    )
    assert list(late._floor.entering) == [fetcher.uniqueid]
    room = fetcher.room
    assert room
    elsewhere = {**story._bridge(story.lot()), **fetcher.headers()}
    late.apply({"Event": "BridgeLeave", **elsewhere}, story.now)
    assert late._floor.entering, "another bridge's"
    late.apply({"Event": ends, **story._bridge(room), **fetcher.headers(), "Cause": "16"}, story.now)
    assert not late._floor.entering


def test_a_row_is_newer_than_a_way_that_was_told_too_early() -> None:
    """Where a channel stands says its row, and whoever is in none has gone."""
    story = Story()
    story.parks_himself("0003*100")
    fetcher = story.fetches("0003*025")
    moments = announced_late(story, fetcher)
    born = next(n for n, one in enumerate(moments) if is_of(one.event, fetcher, "Newchannel"))
    late = told(moments[:born])
    story.leave(fetcher)
    expected = shown(story.live)
    story.tell(late)
    assert not late._floor.entering
    for moment in moments[born:]:
        late.apply(moment.event, moment.at)
    late.apply(story.said[-1].event, story.now)
    check(late)
    assert shown(late) == expected
    gone = told(moments[:born])
    story.channels.clear()
    story.slots.clear()
    story.tell(gone)
    nothing_left(gone)
    assert not gone._floor.entering


def test_only_a_few_are_remembered() -> None:
    """Whoever is never announced is forgotten for those who come after."""
    story = Story()
    fetcher, room = story.make("PJSIP/0003*025-00000001", 6), story.room()
    story.enter(fetcher, room)
    enter = story.said[-1].event
    for number in range(1000):
        story.live.apply({**enter, "Uniqueid": f"9.{number}"}, story.now)
    assert len(story.live._floor.entering) == 64
    story.live.apply(enter, story.now)
    assert len(story.live._floor.entering) == 64
    story.announce(fetcher)
    assert story.live.board.channels[fetcher.uniqueid].bridge is story.live.board.bridges[room.id]
    assert len(story.live._floor.entering) == 63


def test_a_way_under_anothers_name_is_nobodys() -> None:
    """A caller can write an id behind his own channel's name, also one that is yet to come."""
    story = Story()
    fetcher, room = story.make("PJSIP/0003*025-00000001", 6), story.room()
    story.enter(fetcher, room)
    forged = {**story.said[-1].event, "Channel": "PJSIP/trunk-00000009"}
    one = picture()
    one.apply(forged, story.now)
    one.apply({"Event": "Newchannel", **fetcher.headers()}, story.now)
    assert one.board.channels[fetcher.uniqueid].bridge is None
    check(one)
