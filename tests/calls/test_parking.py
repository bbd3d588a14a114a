"""Parked calls: found under whoever parked them, at their slot, by the id that they had."""

from calls.checks import drawn, planned, shown
from calls.story import Story


def test_parked_by_a_phone() -> None:
    """A parked call keeps its id and stays listed under whoever parked it, who leaves when the slot was said."""
    story = Story()
    caller = story.comes_in("0003*100", "0003*800")
    story.forks(caller, "0003*210")
    story.answers("0003*210")
    call = story.call_of("0003*100")
    story.parks("0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 0003*800 answered
          00 0003*100 0003*100>0003*800 flow=2 status=5 answered waiting parked=701 by=0003*210 other="Ext 210 <0003*210>"
          01 0003*210 0003*100>0003*800 flow=2 status=5 answered other="Ext 100 <0003*100>"
    """)
    story.hangs_up("0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 0003*800 answered
          00 0003*100 0003*100>0003*800 flow=2 status=5 answered waiting parked=701 by=0003*210 other="Ext 210 <0003*210>"
    """)
    assert [one.id for one in story.live.calls()] == [call]
    assert planned(story.live, call, "00") == (caller.uniqueid, caller.uniqueid, "waiting", False, "", 1)


def test_parked_by_the_far_end_of_a_local_pair() -> None:
    """The leg that talks through it is the one that waits, at that slot; what is watched is who stands there for it."""
    story = Story()
    caller = story.dials_through_local("0003*100", "0003*801", "0003*210")
    story.answers("0003*210")
    half = story.parks("0003*210")
    assert half.local
    story.hangs_up("0003*210")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 0003*801 answered
          00 0003*100 0003*100>0003*801 flow=2 status=5 answered waiting parked=701 by=0003*210 other="Ext 210 <0003*210>"
    """)
    call = story.call_of("0003*100")
    assert planned(story.live, call, "00") == (caller.uniqueid, half.uniqueid, "waiting", False, "", 1)
    story.fetches("0003*025")
    (call_now,) = story.live.calls()
    assert [(leg.number, leg.waiting) for leg in call_now.legs] == [("0003*100", False), ("0003*025", False)]


def test_parked_since() -> None:
    """The time is the one at which ParkedCall came, and a later row of ParkedCalls does not move it."""
    story = Story()
    story.parks_himself("0003*100")
    (call,) = story.live.calls()
    since = call.legs[0].parked
    assert since is not None and abs(since - story.now) < 0.01
    story.passes(70)
    story.resyncs()
    assert story.live.calls() == [call]


def test_fetched() -> None:
    """Who fetches a parked call is one of its two parties, and it is parked no more."""
    story = Story()
    story.parks_himself("0003*100")
    story.fetches("0003*025")
    assert shown(story.live) == drawn("""
        listed under 0003*025 0003*100 0003*701 0003*807 701 answered
          00 0003*100 0003*100>0003*807 flow=2 status=5 answered other="Ext 025 <0003*025>"
          01 0003*025 0003*100>0003*807 flow=2 status=5 answered other="Ext 100 <0003*100>"
    """)


def test_the_right_stranger_is_taken() -> None:
    """Of three in one lot, only the one who was asked for has another end then."""
    story = Story()
    for phone in ("0003*100", "0003*101", "0003*102"):
        story.parks_himself(phone)
    story.picks_waiting("0003*024", "0003*101")
    story.takes("0003*024")
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*807 answered
          00 0003*100 0003*100>0003*807 flow=2 status=5 answered waiting parked=701 by=0003*100 other=" <0003*807>"
        listed under 0003*024 0003*101 0003*807 answered
          00 0003*101 0003*101>0003*807 flow=2 status=5 answered pickup=0003*101>0003*024:connected other="Ext 024 <0003*024>"
          455582 0003*024 0003*101>0003*807 flow=2 status=5 answered pickup=0003*101>0003*024:connected other="Ext 101 <0003*101>"
        listed under 0003*102 0003*807 answered
          00 0003*102 0003*102>0003*807 flow=2 status=5 answered waiting parked=703 by=0003*102 other=" <0003*807>"
    """)


def test_comes_back() -> None:
    """When the time in the slot is over the parker's phone rings again, in the same call, and can be taken."""
    story = Story()
    story.dials("0003*100", "0003*210")
    story.answers("0003*210")
    parkee = story.parks("0003*210")
    story.hangs_up("0003*210")
    callee = story.comes_back()
    assert shown(story.live) == drawn("""
        listed under 0003*100 0003*210 answered
          00 0003*100 0003*100>0003*210 flow=2 status=5 answered other="Ext 210 <0003*210>"
          02 0003*210 0003*100>0003*210 flow=2 status=3 ringing other="Ext 100 <0003*100>"
    """)
    plan = planned(story.live, story.call_of("0003*100"), "02")
    assert plan == (parkee.uniqueid, callee.uniqueid, "ringing", False, "", 1)


def test_parked_before_it_was_born() -> None:
    """ParkedCall may be faster than Newchannel; only a few such are remembered, and none for long."""
    story = Story()
    row = {"Event": "ParkedCall", "ParkeeUniqueid": "x", "ParkingSpace": "701"}
    for number in range(1000):
        story.live.apply({**row, "ParkeeUniqueid": f"9.{number}"}, story.now)
    assert len(story.live._floor.early) == 64
    story.resyncs()
    assert not story.live._floor.early
    story.live.apply(row, story.now)
    story.live.apply({"Event": "ParkedCallGiveUp", "ParkeeUniqueid": "x"}, story.now)
    assert not story.live._floor.early


def test_the_end_of_parking_behind_the_end_of_the_call() -> None:
    """ParkedCallGiveUp may be slower than Hangup, and does no harm then."""
    story = Story()
    story.parks_himself("0003*100")
    slot = story.slots["701"]
    story.hang_up(slot.parkee)
    story.say("ParkedCallGiveUp", story._slot(slot))
    assert story.live.calls() == []


def test_parked_by_somebody_unknown() -> None:
    """A dial string that names no phone of ours says nothing of who parked."""
    story = Story()
    chan = story.comes_in("0003*100", "0003*807")
    story.park(chan, "Local/0003*210@internal")
    (call,) = story.live.calls()
    assert (call.legs[0].parked_pos, call.legs[0].parked_by) == ("701", None)
