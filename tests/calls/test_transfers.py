"""Transfers: the call keeps its id, and is at the new place."""

import pytest

from bridge.calls import PickupStatus
from bridge.grammar import CallId, Extension, PickupId
from calls.checks import differences, drawn, planned, shown
from calls.pbx import UP
from calls.story import Story, picture

FIRST = CallId.of("1795465922.0")


def talking() -> Story:
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    return story


def test_blind() -> None:
    """The new phone rings in the same call, which is still found under what was dialled."""
    story = talking()
    callee = story.transfers("0003*210", "0003*211")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 0003*211 answered
          00 0003*100 0003*100>0003*210 flow=2 status=5 answered other="Ext 211 <0003*211>"
          02 0003*211 0003*100>0003*210 flow=2 status=3 ringing other="Ext 100 <0003*100>"
    """)
    source = story.chan("0003*100").uniqueid
    assert planned(story.live, FIRST, "02") == (source, callee.uniqueid, "ringing", False, "", 1)


def test_blind_by_the_caller() -> None:
    """Who was called calls now; the call's first leg is gone, and nothing is invented about it."""
    story = talking()
    story.transfers("0003*100", "0003*211")
    assert shown(story.live) == drawn("""
        listed under 0003*210 0003*211 answered
          01 0003*210 0003*210>0003*211 flow=2 status=5 answered other="Ext 211 <0003*211>"
          02 0003*211 0003*210>0003*211 flow=2 status=3 ringing other="Ext 210 <0003*210>"
    """)


def test_attended_while_it_rings() -> None:
    """By the phone itself: it rings there for who was transferred, and is taken for him; the calls are one once they talk."""
    story = talking()
    first, caller = story.chan("0003*210"), story.chan("0003*100")
    second = story.dials("0003*210", "0003*211")
    rings = CallId.of(second.uniqueid)
    story.transfers_early(first, second)
    callee = story.ringing("0003*211")
    assert planned(story.live, rings, "01") == (caller.uniqueid, callee.uniqueid, "ringing", False, "", 1)
    story.picks_ringing("0003*024", "0003*211")
    leg = story.takes("0003*024")
    assert story.live.pickups[PickupId(leg.uniqueid)].status is PickupStatus.CONNECTED
    (call,) = story.live.calls()
    assert (call.id, [leg.number for leg in call.legs]) == (FIRST, ["0003*100", "0003*024"])
    assert Extension("0003*211") in call.listed, "from whom it was taken"
    assert differences(story.live, story.fresh()) == []


@pytest.mark.parametrize("by_second", [False, True], ids=["told in the talk", "told in the queue"])
def test_attended_into_a_queue(*, by_second: bool) -> None:
    """By the phone itself: who was transferred waits where the phone did; also while a resync has its lists half read."""
    story = talking()
    first, caller = story.chan("0003*210"), story.chan("0003*100")
    second = story.queues("0003*210", "support")
    rows = story.rows()
    queues = next(n for n, row in enumerate(rows) if row["Event"] == "QueueStatusComplete") + 1
    for row in rows[:queues]:
        story.live.apply(row, story.now)
    story.transfers_early(first, second, app="Queue", by_second=by_second)
    for row in story.rows()[queues:]:
        story.live.apply({**row, "ActionID": str(row["ActionID"]).replace("-2/", "-1/")}, story.now)
    (call,) = story.live.calls()
    assert planned(story.live, call.id, "00") == (caller.uniqueid, caller.uniqueid, "waiting", False, "", 1)
    assert Extension("0003*900") in call.listed
    assert differences(story.live, story.fresh()) == []


def test_attended_into_a_queue_that_rings_an_agent() -> None:
    """By the phone itself: that ring is for who was transferred now, and is taken with him."""
    story = talking()
    first, caller = story.chan("0003*210"), story.chan("0003*100")
    second = story.queues("0003*210", "support", "0003*211")
    story.transfers_early(first, second, app="Queue")
    agent = story.ringing("0003*211")
    assert planned(story.live, FIRST, "00") == (
        caller.uniqueid,
        caller.uniqueid,
        "waiting",
        False,
        agent.uniqueid,
        1,
    )


def test_attended_while_it_rings_told_late() -> None:
    """Of the end of the phone's other call Asterisk may tell before it tells of the transfer."""
    story = talking()
    first, caller = story.chan("0003*210"), story.chan("0003*100")
    second = story.dials("0003*210", "0003*211")
    rings = CallId.of(second.uniqueid)
    said = len(story.said)
    late = story.live
    story.live = picture()
    story.transfers_early(first, second)
    for moment in sorted(story.said[said:], key=lambda moment: moment.event["Event"] == "AttendedTransfer"):
        late.apply(moment.event, moment.at)
    callee = story.ringing("0003*211")
    assert planned(late, rings, "01") == (caller.uniqueid, callee.uniqueid, "ringing", False, "", 1)


def test_attended_out_of_a_bridge_of_many() -> None:
    """Who is with many, by an application of its own, stays there (source): nobody else's place is his."""
    story = talking()
    first, caller = story.chan("0003*210"), story.chan("0003*100")
    second = story.queues("0003*210", "support")
    assert first.room
    first.room.type = "stasis"
    story.transfers_early(first, second, app="Queue")
    assert not story.live.board.channels[caller.uniqueid].queue


def test_attended_by_feature_code() -> None:
    """Three bridges while 210 asks 211; then two parties, two bridges and a Local pair between them."""
    story = talking()
    story.consults("0003*210", "0003*211")
    story.answers("0003*211")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 0003*211 answered
          00 0003*100 0003*100>0003*210 flow=2 status=5 answered other="Ext 210 <0003*210>"
          01 0003*210 0003*100>0003*210 flow=2 status=5 answered other="Ext 211 <0003*211>"
          04 0003*211 0003*100>0003*210 flow=2 status=5 answered other="Ext 210 <0003*210>"
    """)
    story.completes("0003*210")
    assert len({chan.room for chan in story.channels.values()}) == 2
    table = drawn("""
        listed under 0003*100 0003*210 0003*211 answered
          00 0003*100 0003*100>0003*210 flow=2 status=5 answered other="Ext 211 <0003*211>"
          04 0003*211 0003*100>0003*210 flow=2 status=5 answered other="Ext 100 <0003*100>"
    """)
    assert shown(story.live) == table
    one, two = story.chan("0003*100").uniqueid, story.chan("0003*211").uniqueid
    assert planned(story.live, FIRST, "04") == (one, two, "talking", False, "", 1)
    assert planned(story.live, FIRST, "00") == (two, one, "talking", False, "", 1)
    story.optimises("0003*211")
    assert shown(story.live) == table


def test_attended_by_the_phone_itself() -> None:
    """Two calls become one, the older, whose views it shows; the younger has ended."""
    story = talking()
    story.dials("0003*210", "0003*211")
    story.answers("0003*211")
    story.merges(story.chan("0003*211"), story.chan("0003*100"))
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 0003*211 answered
          00 0003*100 0003*100>0003*210 flow=2 status=5 answered other="Ext 211 <0003*211>"
          03 0003*211 0003*100>0003*210 flow=2 status=5 answered other="Ext 100 <0003*100>"
    """)
    assert [call.id for call in story.live.calls()] == [FIRST]


def test_the_called_phones_forward() -> None:
    """A phone that is forwarded is not in the call; the one that rings for it is."""
    story = Story()
    story.dials_through_local("0003*100", "0003*808", "0003*210")
    (call,) = story.live.calls()
    assert [(leg.view, leg.number, leg.destination) for leg in call.legs] == [
        ("00", "0003*100", "0003*808"),
        ("03", "0003*210", "0003*808"),
    ]


def test_by_who_is_parked() -> None:
    """Whoever he is sent to takes his slot: parked there, by the same parker, to a bridge started now as well."""
    story = Story()
    caller = story.parks_himself("0003*100")
    (slot,) = story.slots.values()
    callee = story.new("PJSIP/0003*211", UP, linkedid=caller.linkedid, number="0003*211")
    story.leave(caller)
    story.enter(callee, story.lot())
    slot.parkee = callee
    story.tells_swap(slot)
    story.hang_up(caller)
    assert differences(story.live, story.fresh()) == []
    (call,) = story.live.calls()
    (leg,) = call.legs
    assert (leg.extension, leg.parked_pos, leg.waiting) == ("0003*211", "701", True)
